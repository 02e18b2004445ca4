"""The governor against ten thousand simulated worlds.

Each trace is a device whose constants the governor does not know, air and other
programs around it, a thermometer with its faults, and jobs that breathe. The monitor
and the governor are the real ones; only the device and the clock are simulated.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from clemd.thermal import Governor, Limits

from ._heat_kinds import HEAD, kind_lines
from ._heat_oracle import best_work_s
from ._heat_outcome import Outcome, outcome_of
from ._heat_play import Player
from ._heat_rows import heat_rows
from ._heat_traces import draw_trace
from ._machine import this_machine
from ._table import Row, rows_table, table

SCHEMA = "clemd.bench.heat/1"
FIRST_FREE_SEED = 1000
"""Smaller ones were used while the governor was tuned."""
_SAY_EVERY = 500


def run_heat(trials: int, seed: int, as_json: bool) -> int:
    """Play `trials` traces from `seed` on and print the tables.

    Exit code 70 where a trace passed the limit, a state flapped or a job was lost.
    """
    machine, began_s = this_machine(), time.monotonic()
    outcomes = play_all(trials, seed, say=_say)
    rows = [*heat_rows(outcomes), cost_row()]
    seconds = time.monotonic() - began_s
    if as_json:
        answer: dict[str, Any] = {
            "schema": SCHEMA,
            "machine": machine.as_json(),
            "trials": trials,
            "seed": seed,
            "tuned_on": seed < FIRST_FREE_SEED,
            "seconds": round(seconds, 1),
            "rows": [row.as_json() for row in rows],
            "kinds": [
                dict(zip(HEAD, line, strict=True)) for line in kind_lines(outcomes)
            ],
        }
        print(json.dumps(answer))
    else:
        print(f"{machine.in_words()}; seeds {seed} to {seed + trials - 1}, ", end="")
        print(f"{seconds:.0f} s in all\n")
        if seed < FIRST_FREE_SEED:
            print(f"Seeds below {FIRST_FREE_SEED} were used for tuning.\n")
        print(rows_table(rows), table(HEAD, kind_lines(outcomes)), sep="\n\n")
    is_unsafe = any(row.met is False for row in rows if row.part != "work")
    return 70 if is_unsafe else 0


def play_all(trials: int, seed: int, *, say: Callable[[str], None]) -> list[Outcome]:
    """Every trace, judged."""
    outcomes = []
    for number in range(trials):
        trace = draw_trace(seed + number)
        outcomes.append(outcome_of(trace, Player(trace).run(), best_work_s(trace)))
        if (number + 1) % _SAY_EVERY == 0:
            say(f"{number + 1} of {trials} traces")
    return outcomes


def cost_row(looks: int = 2000) -> Row:
    """Processor time of the governor itself: one look and two breaths a second."""
    governor = Governor(Limits())
    governor.observe(0.0, 60.0)
    governor.started(0.0)
    costs_s = []
    for second in range(1, looks):
        began_s = time.perf_counter()
        governor.observe(float(second), 60.0 + second % 3)
        governor.breathe(second + 0.2, 0.4)
        governor.breathe(second + 0.6, 0.4)
        costs_s.append(time.perf_counter() - began_s)
    share = statistics.median(costs_s)
    return Row(
        part="work",
        what="processor time of a look and two breaths a second",
        value=f"{1e6 * share:.0f} µs, {100 * share:.4f} % of the time",
        goal="<= 1 %",
        met=share <= 0.01,
        figure=share,
    )


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
