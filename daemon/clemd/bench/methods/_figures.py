"""What a method's module prints: published figures, and ours beside them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from clemd.bench._machine import this_machine
from clemd.bench._table import table

RESAMPLES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of a method's table."""

    part: str
    """The experiment."""
    what: str
    """What was measured, with its unit."""
    published: str
    """The paper's figure, or a dash where it states none."""
    ours: str
    """Ours, with its interval and how many it is of."""
    goal: str = ""
    met: bool | None = None
    """None where there is no goal."""
    values: tuple[float, ...] = ()
    """What `ours` was made from, for programs."""


def tell(
    method: str,
    figures: Sequence[Figure],
    *,
    trials: int,
    seed: int,
    as_json: bool,
    notes: Sequence[str] = (),
) -> int:
    """Print one method's figures with machine, versions and seeds; the exit code.

    A missed goal is shown, and is no failure of the command.
    """
    machine = this_machine()
    if as_json:
        facts: dict[str, Any] = {
            "schema": "clemd.bench.methods/1",
            "method": method,
            "seeds": [seed, seed + trials - 1],
            "machine": machine.as_json(),
            "figures": [asdict(figure) for figure in figures],
            "notes": list(notes),
        }
        sys.stdout.write(json.dumps(facts) + "\n")
        return 0
    marks = {True: "met", False: "NOT MET", None: ""}
    lines = [
        (f.part, f.what, f.published, f.ours, f.goal, marks[f.met]) for f in figures
    ]
    head = ("part", "measure", "published", "ours", "goal", "")
    words = [
        machine.in_words(),
        f"Seeds {seed} to {seed + trials - 1}. Shares with Wilson's, medians with "
        "bootstrap intervals, 95 %.",
        table(head, lines),
        *(f"* {note}" for note in notes),
    ]
    sys.stdout.write("\n\n".join(words) + "\n\n")
    return 0


def median_in_words(values: Sequence[float], unit: str, digits: int = 2) -> str:
    """Median, its bootstrap interval and the number of values.

    >>> median_in_words([1.0, 1.0, 1.0], "px")
    '1.00 px [1.00-1.00], n = 3'
    """
    if not values:
        return "-"
    low, high = bootstrap_median(values)
    return (
        f"{float(np.median(values)):.{digits}f} {unit} "
        f"[{low:.{digits}f}-{high:.{digits}f}], n = {len(values)}"
    )


def bootstrap_median(values: Sequence[float]) -> tuple[float, float]:
    """95 % interval of a median by resampling (Efron 1979), always the same one."""
    drawn = np.random.default_rng(0).choice(
        np.asarray(values, np.float64), (RESAMPLES, len(values))
    )
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return float(low), float(high)
