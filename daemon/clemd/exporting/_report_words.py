"""What the report says in sentences: the verdict, what to do next, how sure and why."""

from __future__ import annotations

from html import escape

from clemd.model import Registration, Verdict

from ._arrows import arrow_factor
from ._banner import radius_text
from ._votes import STATE_COLOURS, STATE_WORDS, count_line

HEADLINES = {
    Verdict.ACCEPTED: "Accepted: the overlay may be used.",
    Verdict.REVIEW: "Review: look at the overlay before you use it.",
    Verdict.REJECTED: "Rejected: the images are not registered.",
}
NEXT_STEPS = {
    Verdict.ACCEPTED: "Work with the overlay and the transform files that lie beside "
    "this page.",
    Verdict.REVIEW: "Follow edges across the borders of the checkerboard. Where they "
    "run on, accept the overlay on the operator page; where they break, reject it.",
    Verdict.REJECTED: "Check that both images show the same place of the same "
    "specimen and that their pixel sizes are right. Then register them again.",
}


def radius_sentence(registration: Registration) -> str:
    """How far the overlay may be off; empty where that says nothing."""
    radius = radius_text(registration)
    if not radius or registration.verdict is Verdict.REJECTED:
        return ""
    sure = registration.verdict is Verdict.ACCEPTED
    opening = "Anywhere" if sure else "If it is right, then anywhere"
    return (
        f"{opening} in the EM image the overlay is off by at most {radius} "
        "(95 % certain)."
    )


def how_sure(registration: Registration) -> str:
    """How likely the place is right, and the one best reason."""
    percent = _percent(registration.confidence)
    opening = {
        Verdict.ACCEPTED: f"clemd is {percent} sure of this place",
        Verdict.REVIEW: f"clemd cannot vouch for this place ({percent} sure)",
        Verdict.REJECTED: "clemd found no place that it believes in",
    }[registration.verdict]
    if registration.votes is None:
        return f"{opening}."
    return f"{opening}: {count_line(registration.votes, registration.verdict)}."


def votes_legend(registration: Registration) -> str:
    """The tile-vote map's colours, as HTML."""
    if registration.votes is None:
        return ""
    colours = [
        f'<span class="key"><i style="background:rgb{STATE_COLOURS[state]}"></i> '
        f"{words}</span>"
        for state, words in STATE_WORDS.items()
    ]
    factor = arrow_factor(registration)
    drawn = f" Arrows are drawn {factor} × as long." if factor > 1 else ""
    count = count_line(registration.votes, registration.verdict)
    return f"{escape(count)}: {' '.join(colours)}.{drawn}"


def _percent(confidence: float) -> str:
    if confidence <= 0.01:
        return "at most 1 %"
    return f"{100 * confidence:.0f} %"
