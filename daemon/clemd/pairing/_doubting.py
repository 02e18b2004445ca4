"""Why a decision may be wrong, and what an image waits for, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from ._arrived import Arrived, Told
from ._candidates import Candidate, LeftOut
from ._clues import Kind


class Tried(StrEnum):
    """What became of one pair."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REVIEW = "review"
    REJECTED = "rejected"
    FORBIDDEN = "forbidden"
    """A person said that the two do not belong together."""


def doubt_of(em: Arrived, fit: list[Candidate], mixed: Collection[str]) -> str:
    """Why the likeliest map may not be the right one; empty where it is sure."""
    if not fit:
        return ""
    best = fit[0]
    strong = [clue.kind for clue in best.clues if clue.agrees]
    if best.against is not None:
        return f"its files contradict each other: {best.against.words}"
    if len(fit) > 1 and fit[1].rank >= best.rank:
        ties = sum(one.rank >= best.rank for one in fit)
        return f"{ties} maps are equally likely by what the files say"
    if not strong:
        return "nothing but the time speaks for this map"
    if strong == [Kind.SESSION] and em.session in mixed:
        return "the session holds several specimens, and nothing says which one it is"
    return ""


def doubt_of_accepted(
    fit: list[Candidate], left: Sequence[LeftOut], tried: Mapping[str, Tried]
) -> str:
    """Why an accepted place may be wrong; empty where it is sure."""
    accepted = {lm for lm, state in tried.items() if state is Tried.ACCEPTED}
    among = [one for one in fit if one.lm.frame_id in accepted]
    if not among:
        older = {one.lm_frame_id for one in left if one.is_superseded}
        # accepted before a newer map came: what was published stays
        return "" if accepted & older else "accepted on a map the files speak against"
    if len(among) > 1:
        return f"accepted on {len(among)} maps of different places"
    if against := among[0].against:
        return f"accepted although {against.words}"
    rivals = [one for one in fit if one.lm.frame_id not in accepted]
    if rivals and rivals[0].rank > among[0].rank:
        return "accepted on a map that the files make less likely than another"
    untried = sum(
        one.rank >= among[0].rank
        and tried.get(one.lm.frame_id, Tried.OPEN) is Tried.OPEN
        for one in rivals
    )
    some = "map is" if untried == 1 else "maps are"
    return f"{untried} equally likely {some} not tried yet" if untried else ""


def missing(em: Arrived, maps: Sequence[Arrived], left: Sequence[LeftOut]) -> str:
    """What an image without any candidate waits for."""
    if not maps:
        return "no LM map has arrived yet"
    if em.told is not Told.NOBODY and all(lm.session != em.session for lm in maps):
        return f"no LM map in session {em.session!r} yet"
    reasons = list(dict.fromkeys(one.reason for one in left))
    more = f" (and {len(reasons) - 1} more reasons)" if len(reasons) > 1 else ""
    return f"none of {len(maps)} LM maps fits: {reasons[0]}{more}"


def session_from(em: Arrived, best: Candidate) -> str | None:
    """The session of its map, for an image that knows none."""
    if em.told is not Told.NOBODY or best.lm.told is Told.NOBODY:
        return None
    return best.lm.session
