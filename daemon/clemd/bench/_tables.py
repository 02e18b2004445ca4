"""The registration benchmark's tables, as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ._figures import in_words
from ._table import table
from ._trial import TIERS
from .arms import ARMS


def positives_table(rows: Sequence[dict[str, Any]]) -> str:
    """Success, verdict, radius and time on trials with a right answer."""
    head = (
        "size",
        "source",
        "tier",
        "right (error < 2 % of the EM width)",
        "right ones accepted",
        "wrong ones accepted",
        "95 % radius covers the raw error",
        "... with the truth's own 95 % radius",
        "error LM px, median / 95 %",
        "ratio error, median / 95 %",
        "s, median",
    )
    lines = [
        (
            row["size"],
            row["source"],
            row["tier"],
            row["right"],
            row["right_accepted"],
            row["wrong_accepted"],
            row["radius_covers"],
            row["radius_covers_less_doubt"] if row["source"] != "simulated" else "",
            _two(row["error_lm_px_median"], row["error_lm_px_p95"]),
            _two(row["ratio_error_median"], row["ratio_error_p95"], 100, " %"),
            in_words(row["seconds_median"]),
        )
        for row in rows
    ]
    return table(head, lines) if rows else ""


def _two(
    middle: float | None, high: float | None, factor: float = 1, unit: str = ""
) -> str:
    if middle is None or high is None:
        return "-"
    return f"{factor * middle:.3f} / {factor * high:.3f}{unit}"


def negatives_table(rows: Sequence[dict[str, Any]]) -> str:
    """What was accepted though wrong, by kind."""
    head = (
        "size",
        "answer must not be accepted",
        "trials",
        "right",
        "accepted",
        "s, median",
    )
    lines = [
        (
            row["size"],
            row["kind"],
            row["trials"],
            row["right"] or "",
            row["wrong_accepted"],
            in_words(row["seconds_median"]),
        )
        for row in rows
    ]
    return table(head, lines)


def arms_table(rows: Sequence[dict[str, Any]]) -> str:
    """Every arm on the same trials, and its settings."""
    tiers = [t for t in TIERS if any(t in row["right"] for row in rows)]
    head = ("size", "source", "arm", *tiers, "s, median", "times ours")
    lines = [
        (
            row["size"],
            row["source"],
            row["arm"],
            *(row["right"].get(tier, "-") for tier in tiers),
            in_words(row["seconds_median"]),
            in_words(row["seconds_to_ours"], 1),
        )
        for row in rows
    ]
    names = dict.fromkeys(row["arm"] for row in rows if row["arm"] in ARMS)
    settings = "\n".join(f"* {name}: {ARMS[name].summary}" for name in names)
    return f"{table(head, lines)}\n\n{settings}"
