"""`clemd bench pairing`: is every image put on its map, and is every doubt told?"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from clemd.errors import UsageError

from ._figures import Share
from ._machine import this_machine
from ._pairing_play import OTHER_MAP, TRUE_MAP, Outcome, play
from ._pairing_world import HABITS, SKEW_H, STRIPPED, visit
from ._table import table
from ._trial import FIRST_REPORTING_SEED

GOAL = 0.99
TUNING_SEEDS = range(10, FIRST_REPORTING_SEED)


def run_pairing(trials: int, seed: int, *, as_json: bool) -> int:
    """Play `trials` sessions, once by the files alone and once with verdicts.

    Returns:
        0, or 70 where something wrong or open was told as sure.

    Raises:
        UsageError: a seed that belongs to neither set.
    """
    if seed < TUNING_SEEDS.start:
        raise UsageError("no such seed", f"--seed {seed}", "tuning seeds begin at 10")
    seeds = range(seed, seed + trials)
    with_pixels: list[Outcome] = []
    by_files: list[Outcome] = []
    for one in seeds:
        drawn = visit(one)
        with_pixels += play(drawn, one, pixels=True)
        by_files += play(drawn, one, pixels=False)
    facts: dict[str, Any] = {
        "schema": "clemd.bench.pairing/1",
        "machine": this_machine().as_json(),
        "seeds": [seeds[0], seeds[-1]],
        "tuning": seeds[0] in TUNING_SEEDS,
        "with_verdicts": _by_habit(with_pixels),
        "by_files_alone": _by_habit(by_files),
    }
    words = json.dumps(facts, default=Share.as_json) if as_json else _report(facts)
    sys.stdout.write(words + "\n")
    silent = facts["with_verdicts"]["all"]["wrong_told_as_sure"].hits
    return 70 if silent else 0


def _by_habit(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    found = {
        habit: _counted([o for o in outcomes if o.habit == habit]) for habit in HABITS
    }
    return {**found, "all": _counted(outcomes)}


def _counted(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    count = len(outcomes)
    wrong = [o for o in outcomes if not o.is_right]
    return {
        "right": Share(count - len(wrong), count),
        "open": Share(sum(o.is_open for o in wrong), count),
        "wrong_told_as_sure": Share(sum(not o.is_marked for o in wrong), count),
        "right_but_marked": Share(
            sum(o.is_right and o.is_marked for o in outcomes), count
        ),
        "tries": round(sum(o.tries for o in outcomes) / max(1, count), 2),
    }


def _report(facts: dict[str, Any]) -> str:
    first, last = facts["seeds"]
    kind = "tuning" if facts["tuning"] else "reporting"
    right = facts["with_verdicts"]["all"]["right"]
    met = "met" if right.value >= GOAL else "NOT MET"
    head = (
        "what ties the files",
        "right",
        "open",
        "wrong or open, told as sure",
        "right, marked as doubtful",
        "tries an image",
    )

    def rows(name: str) -> str:
        lines = [
            (
                habit,
                c["right"],
                c["open"],
                c["wrong_told_as_sure"],
                c["right_but_marked"],
                c["tries"],
            )
            for habit, c in facts[name].items()
        ]
        return table(head, lines)

    return "\n\n".join(
        [
            this_machine().in_words(),
            f"Seeds {first} to {last} ({kind}); intervals are Wilson's, 95 %. "
            f"{100 * STRIPPED:.0f} % of the files without metadata, clocks off by up "
            f"to {SKEW_H:.0f} h each, two specimens by turns, any order of arrival.",
            f"With verdicts (accepted {TRUE_MAP[0]:g} on the right map, "
            f"{OTHER_MAP[0]:g} on another); goal {100 * GOAL:.0f} % right: {met}.",
            rows("with_verdicts"),
            "By what the files say alone, no pixel looked at:",
            rows("by_files_alone"),
        ]
    )
