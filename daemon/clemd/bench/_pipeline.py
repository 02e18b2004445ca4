"""`clemd bench pipeline`: the whole service, measured from outside."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from clemd.errors import UsageError

from ._kills import measure_kills
from ._machine import this_machine
from ._pipeline_demo import demo_rows, frames_table, run_demo
from ._pipeline_latency import measure_service
from ._table import Row, rows_table, table

PARTS = ("demo", "latency", "memory", "idle", "kills")
DONE, DEFECT = 0, 70
_HARMLESS = frozenset({"latency", "memory", "idle"})
"""A missed goal of these is slow or large, not wrong."""


def run_pipeline(
    *, trials: int, seed: int, kills: int, parts: str, as_json: bool
) -> int:
    """Measure the wanted parts, print them; 70 where a result was wrong or lost.

    Raises:
        UsageError: no such part.
        TransientError: the daemon or the demo failed.
    """
    wanted = wanted_parts(parts)
    began = time.monotonic()
    report = _Report(seed=seed, trials=trials, kills=kills, parts=wanted)
    with tempfile.TemporaryDirectory(prefix="clemd-bench-") as name:
        folder = Path(name).resolve()
        if "demo" in wanted:
            _say("the demo")
            report.take_demo(run_demo(folder, seed=seed))
        if _HARMLESS & set(wanted):
            measured = measure_service(
                folder / "latency", wanted, trials=trials, seed=seed, say=_say
            )
            report.rows += measured.rows
            report.body["trials"] = [t.as_json() for t in measured.trials]
            report.tables += [trials_table(report.body["trials"])]
        if "kills" in wanted:
            rows, run, findings = measure_kills(
                folder / "kills", kills=kills, seed=seed, say=_say
            )
            report.rows += rows
            report.body["problems"] = [
                *findings.problems,
                *run.own_ends,
                *(f"outlived its daemon: {child}" for child in run.survivors),
            ]
    report.body["seconds"] = round(time.monotonic() - began, 1)
    sys.stdout.write(report.as_json() if as_json else report.in_words())
    return DEFECT if any(is_defect(row) for row in report.rows) else DONE


class _Report:
    """Rows and tables as they come in."""

    def __init__(
        self, *, seed: int, trials: int, kills: int, parts: Collection[str]
    ) -> None:
        # The load is that of the moment before we add our own.
        self.machine = this_machine()
        self.rows: list[Row] = []
        self.tables: list[str] = []
        self.body: dict[str, Any] = {
            "seed": seed,
            "trials_wanted": trials,
            "kills_wanted": kills,
            "parts": list(parts),
        }

    def take_demo(self, summary: dict[str, Any]) -> None:
        self.rows += demo_rows(summary)
        self.tables.append(frames_table(summary))
        self.body["demo"] = summary

    def as_json(self) -> str:
        body = {
            "schema": "clemd.bench.pipeline/1",
            "machine": self.machine.as_json(),
            **self.body,
            "rows": [row.as_json() for row in self.rows],
        }
        return json.dumps(body) + "\n"

    def in_words(self) -> str:
        seeds = f"seed {self.body['seed']}, {self.body['seconds']:.0f} s in all"
        problems = [f"- {line}" for line in self.body.get("problems", [])]
        blocks = [
            f"{self.machine.in_words()}; {seeds}",
            rows_table(self.rows),
            *self.tables,
            "\n".join(problems),
        ]
        return "\n\n".join(block for block in blocks if block) + "\n"


def wanted_parts(parts: str) -> tuple[str, ...]:
    """The parts of a comma-separated list, in their order; all where it is empty.

    Raises:
        UsageError: one of them does not exist.
    """
    named = {part.strip() for part in parts.split(",") if part.strip()}
    if unknown := sorted(named - set(PARTS)):
        raise UsageError(
            "no such part", f"--parts {unknown[0]}", f"choose of {', '.join(PARTS)}"
        )
    return tuple(part for part in PARTS if part in named or not named)


def is_defect(row: Row) -> bool:
    """Was something wrong or lost, rather than only slow or large?"""
    if row.met is not False:
        return False
    return row.part == "kills" or "wrong but accepted" in row.what


def trials_table(trials: list[dict[str, Any]]) -> str:
    """Every timed pair; empty where none was."""
    if not trials:
        return ""
    return table(
        ("seed", "to message", "engine", "verdict", "error", "SimpleITK", "its error"),
        [
            (
                t["seed"],
                f"{t['seconds']:.2f} s",
                f"{t['engine_seconds']:.2f} s",
                t["verdict"],
                _percent(t["error"]),
                "" if t["peer_seconds"] is None else f"{t['peer_seconds']:.2f} s",
                _percent(t["peer_error"]),
            )
            for t in trials
        ],
    )


def _percent(error: float | None) -> str:
    return "" if error is None else f"{100 * error:.2f} %"


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")
    sys.stderr.flush()
