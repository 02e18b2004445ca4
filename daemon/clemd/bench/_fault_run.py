"""`clemd bench faults`: is a wrong number noticed before its result is published?"""

from __future__ import annotations

import cProfile
import json
import math
import pstats
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from clemd.errors import UsageError
from clemd.model import Verdict
from clemd.registration import EngineContext, engine_named, recheck, use_threads

from ._campaign import Progress, fingerprint
from ._fault_kinds import KINDS
from ._faults import MOVED_LM_PX, NONE, Outcome, faults_of, pair_of
from ._figures import Share, wilson
from ._forking import STOPPED
from ._machine import this_machine
from ._rows import open_rows
from ._table import Row, rows_table, table
from ._trial import FIRST_REPORTING_SEED

SCHEMA = "clemd.bench.faults/1"
EACH = 24
"""Faults in registrations of one pair."""
ENOUGH = 2000
"""Registrations with a fault that the goals were set for."""
WRONG_LM_PX = 1.0
_CHECKS = frozenset(
    {
        "demand_inner_products",
        "demand_histogram",
        "demand_field",
        "demand_numbers",
        "check_result",
    }
)
_TIMED = 5
"""Registrations whose time is taken apart."""


def run_faults(trials: int, seed: int, rows: Path | None, *, as_json: bool) -> int:
    """Put `trials` faults into registrations of pairs from `seed` on; print the tables.

    Returns:
        0, or 70 where a result that is off by more than a light pixel would have been
        published as accepted.

    Raises:
        UsageError: a seed of neither set, or the rows are of another engine.
    """
    if seed < 10:
        raise UsageError("no such seed", f"--seed {seed}", "tuning seeds begin at 10")
    machine = this_machine()
    facts = {
        "run": "clemd.bench.rows/1",
        "engine": fingerprint(with_model=True),
        "machine": machine.as_json(),
    }
    saved, add = open_rows(rows, facts)
    seeds = range(seed, seed + math.ceil(trials / EACH))
    missing = [one for one in seeds if (f"faults-{one}", NONE) not in saved.done]
    progress = Progress(len(missing), len(seeds) - len(missing))
    for one in missing:
        outcomes = [asdict(outcome) for outcome in faults_of(pair_of(one), EACH)]
        add({"key": f"faults-{one}", "arm": NONE, "outcomes": outcomes})
        progress.one_more()
    progress.end()
    wanted = {f"faults-{one}" for one in seeds}
    found = [
        Outcome(**outcome)
        for row in saved.rows
        if row["key"] in wanted
        for outcome in row["outcomes"]
    ]
    lines = [*fault_rows(found), cost_row(seed)]
    if as_json:
        answer: dict[str, Any] = {
            "schema": SCHEMA,
            "engine": facts["engine"],
            "machine": facts["machine"],
            "seeds": [seeds[0], seeds[-1]],
            "tuning": seed < FIRST_REPORTING_SEED,
            "rows": [line.as_json() for line in lines],
            "kinds": [dict(zip(HEAD, one, strict=True)) for one in kind_lines(found)],
        }
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        said = f"{machine.in_words()}; engine {facts['engine']}"
        tuning = " (tuning seeds)" if seed < FIRST_REPORTING_SEED else ""
        sys.stdout.write(f"{said}; pairs {seeds[0]} to {seeds[-1]}{tuning}\n\n")
        sys.stdout.write(rows_table(lines) + "\n\n" + table(HEAD, kind_lines(found)))
        sys.stdout.write("\n")
    return 70 if any(is_dangerous(one, found) for one in found) else 0


def has_ended(one: Outcome) -> bool:
    """An exception ended it: the worker is recycled and the job tried again."""
    return one.end == "failed"


def was_stopped(one: Outcome) -> bool:
    """Noticed, and not followed: whether it would have moved is not known."""
    return one.end == STOPPED


def has_moved(one: Outcome) -> bool:
    """The fault has moved the matrix, or there is none any more."""
    gone = one.moved_lm_px is None or one.moved_lm_px > MOVED_LM_PX
    return gone and not has_ended(one) and not was_stopped(one)


def is_caught(one: Outcome) -> bool:
    """Not published as accepted: noticed, or not accepted at all."""
    return bool(one.noticed) or one.end != Verdict.ACCEPTED.value


def is_dangerous(one: Outcome, all_of_them: Sequence[Outcome]) -> bool:
    """Accepted, unnoticed, and off by more than a light pixel by the fault."""
    if one.kind == NONE or is_caught(one) or one.error_lm_px is None:
        return False
    undisturbed = next(
        other for other in all_of_them if other.seed == one.seed and other.kind == NONE
    )
    before = undisturbed.error_lm_px or 0.0
    return one.error_lm_px > WRONG_LM_PX >= before


def fault_rows(found: Sequence[Outcome]) -> list[Row]:
    """The figures of all faults, with their goals."""
    faults = [one for one in found if one.kind != NONE]
    clean = [one for one in found if one.kind == NONE]
    moved = [one for one in faults if has_moved(one)]
    return [
        Row(
            part="faults",
            what="registrations with a fault",
            value=str(len(faults)),
            goal=f">= {ENOUGH}",
            met=len(faults) >= ENOUGH,
        ),
        _row("of these: ended by an exception (tried again)", faults, has_ended),
        _row("of these: noticed, and not followed to the end", faults, was_stopped),
        _row(
            "of these: the matrix moved by more than 0.1 LM px, or was lost",
            faults,
            has_moved,
        ),
        _row("of those: caught before publication", moved, is_caught, least=0.99),
        _row("... by the checks", moved, lambda one: bool(one.noticed)),
        _row(
            "... by the verdict alone",
            moved,
            lambda one: not one.noticed and is_caught(one),
        ),
        _row(
            "published as accepted and off by more than 1 LM px",
            faults,
            lambda one: is_dangerous(one, found),
            most=0.0,
        ),
        _row(
            "false alarms: no fault, and yet a check complains",
            clean,
            lambda one: bool(one.noticed),
            most=0.005,
        ),
    ]


def _row(
    what: str,
    of: Sequence[Outcome],
    is_so: Callable[[Outcome], bool],
    *,
    least: float | None = None,
    most: float | None = None,
) -> Row:
    """A rate with its interval; its goal is met where the interval's far end is."""
    share = Share(sum(map(is_so, of)), len(of))
    low, high = wilson(share.hits, share.of)
    goal, met, is_sure = "", None, True
    if least is not None:
        goal, met = f">= {100 * least:g} %", share.value >= least if of else None
        is_sure = low >= least
    if most is not None:
        goal, met = f"<= {100 * most:g} %", share.value <= most if of else None
        # no interval ends at 0: then as many trials as the goal was set for
        is_sure = high <= most if most else len(of) >= ENOUGH
    is_open = met is True and not is_sure
    return Row(
        part="faults",
        what=what,
        value=str(share),
        goal=goal,
        met=None if is_open else met,
        is_open=is_open,
        figure=share.value,
    )


HEAD = (
    "fault",
    "registrations",
    "exceptions",
    "noticed, stopped",
    "moved or lost",
    "of these noticed",
    "by the verdict",
    "missed",
    "largest missed, LM px",
)


def kind_lines(found: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """One line for each kind of fault, and each for those that stay."""
    lines: list[tuple[str, ...]] = []
    for kind in KINDS:
        for stays in (False, True):
            of = [one for one in found if (one.kind, one.stays) == (kind, stays)]
            moved = [one for one in of if has_moved(one)]
            missed = [one for one in moved if not is_caught(one)]
            largest = max((one.moved_lm_px or 0.0 for one in missed), default=None)
            noticed = sum(bool(one.noticed) for one in moved)
            lines.append(
                (
                    f"{kind}, stays" if stays else kind,
                    str(len(of)),
                    str(sum(map(has_ended, of))),
                    str(sum(map(was_stopped, of))),
                    str(len(moved)),
                    str(noticed),
                    str(len(moved) - noticed - len(missed)),
                    str(len(missed)),
                    "-" if largest is None else f"{largest:.2f}",
                )
            )
    return lines


def cost_row(seed: int) -> Row:
    """Share of a registration's time that the checks take, on the CPU."""
    shares = sorted(_checked_share(seed + number) for number in range(_TIMED))
    share = median(shares)
    return Row(
        part="checks",
        what=f"their share of a registration's time (median of {_TIMED})",
        value=f"{100 * share:.1f} % ({100 * shares[0]:.1f} to {100 * shares[-1]:.1f})",
        goal="<= 2 %",
        met=share <= 0.02,
        figure=share,
    )


def _checked_share(seed: int) -> float:
    """Of the processor's time, on one thread: what runs beside it is all seen."""
    pair = pair_of(seed)
    engine, context = engine_named("multimodal"), EngineContext(seed=seed)
    use_threads(1)
    found = engine.register(pair.em, pair.lm, pair.prior, context)  # warms up
    recheck(pair.em, pair.lm, found)
    inside, last = (
        cProfile.Profile(time.process_time, builtins=False) for _ in range(2)
    )
    found = inside.runcall(engine.register, pair.em, pair.lm, pair.prior, context)
    last.runcall(recheck, pair.em, pair.lm, found)
    whole, after = pstats.Stats(inside), pstats.Stats(last)
    checks = sum(
        cumulative
        for (_, _, name), (_, _, _, cumulative, _) in whole.stats.items()  # type: ignore[attr-defined]
        if name in _CHECKS
    )
    own: float = after.total_tt  # type: ignore[attr-defined]
    return float((checks + own) / (whole.total_tt + own))  # type: ignore[attr-defined]
