"""`clemd bench watching`: is every file found, and none before it is complete?"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clemd.errors import UsageError

from ._machine import this_machine
from ._table import Row, rows_table
from ._watching_claims import measure_claimed
from ._watching_mutated import measure_mutated
from ._watching_play import measure_habits
from ._watching_scans import measure_frozen, measure_known, measure_polled

PARTS = ("habits", "frozen", "known", "polled", "claimed", "mutated")
MOST_CLAIMS = 300
"""Files whose way is timed one by one."""
DONE, DEFECT = 0, 70
_HARMLESS = frozenset({"known", "polled", "claimed"})
"""A missed goal of these is slow, not wrong."""


def run_watching(
    *,
    trials: int,
    seed: int,
    data: Path | None,
    parts: str,
    jobs: int,
    rows: Path | None,
    as_json: bool,
) -> int:
    """Measure the wanted parts, print them; 70 where something was lost or wrong.

    Args:
        trials: 1000 are the numbers that the goals speak of; fewer shrink every part
            alike.
        seed: of writers and mutations.
        data: folder whose files are mutated too.
        parts: some of `PARTS`, by commas; all where empty.
        jobs: readers of the part `mutated`.
        rows: file that keeps every mutation; the same command goes on where it ends.
        as_json: one JSON object instead of tables.

    Raises:
        UsageError: no such part.
        TransientError: the daemon failed.
    """
    wanted = _wanted(parts)
    machine, began = this_machine(), time.monotonic()
    found: list[Row] = []
    tables: list[str] = []
    with tempfile.TemporaryDirectory(prefix="clemd-bench-") as name:
        for part in wanted:
            _say(part)
            wishes = _Wishes(
                Path(name).resolve() / part, trials, seed, data, jobs, rows
            )
            more, texts = _MEASURES[part](wishes)
            found += more
            tables += texts
    seconds = round(time.monotonic() - began, 1)
    if as_json:
        body: dict[str, Any] = {
            "schema": "clemd.bench.watching/1",
            "machine": machine.as_json(),
            "seed": seed,
            "trials": trials,
            "parts": list(wanted),
            "seconds": seconds,
            "rows": [row.as_json() for row in found],
        }
        words = json.dumps(body)
    else:
        head = f"{machine.in_words()}; seed {seed}, {seconds:.0f} s in all"
        words = "\n\n".join([head, rows_table(found), *tables])
    sys.stdout.write(words + "\n")
    wrong = any(row.met is False and row.part not in _HARMLESS for row in found)
    return DEFECT if wrong else DONE


@dataclass(frozen=True, slots=True)
class _Wishes:
    folder: Path
    trials: int
    seed: int
    data: Path | None
    jobs: int
    rows: Path | None


Measured = tuple[list[Row], list[str]]
"""Rows with their goals, further tables."""


def _habits(wishes: _Wishes) -> Measured:
    rows, text = measure_habits(
        wishes.folder, trials=wishes.trials, seed=wishes.seed, say=_say
    )
    return rows, [text]


def _frozen(wishes: _Wishes) -> Measured:
    return measure_frozen(wishes.folder, files=30 * wishes.trials, say=_say), []


def _known(wishes: _Wishes) -> Measured:
    return measure_known(wishes.folder, files=100 * wishes.trials, say=_say), []


def _polled(wishes: _Wishes) -> Measured:
    rows = measure_polled(
        wishes.folder,
        files=100 * wishes.trials,
        trials=min(MOST_CLAIMS, wishes.trials),
        say=_say,
    )
    return rows, []


def _claimed(wishes: _Wishes) -> Measured:
    rows = measure_claimed(
        wishes.folder,
        trials=min(MOST_CLAIMS, wishes.trials),
        seed=wishes.seed,
        say=_say,
    )
    return rows, []


def _mutated(wishes: _Wishes) -> Measured:
    rows, text = measure_mutated(
        wishes.folder,
        files=20 * wishes.trials,
        seed=wishes.seed,
        data=wishes.data,
        jobs=wishes.jobs,
        rows=wishes.rows,
        say=_say,
    )
    return rows, [text]


_MEASURES: dict[str, Callable[[_Wishes], Measured]] = {
    "habits": _habits,
    "frozen": _frozen,
    "known": _known,
    "polled": _polled,
    "claimed": _claimed,
    "mutated": _mutated,
}


def _wanted(parts: str) -> tuple[str, ...]:
    named = {part.strip() for part in parts.split(",") if part.strip()}
    if unknown := sorted(named - set(PARTS)):
        raise UsageError(
            "no such part", f"--parts {unknown[0]}", f"choose of {', '.join(PARTS)}"
        )
    return tuple(part for part in PARTS if part in named or not named)


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
