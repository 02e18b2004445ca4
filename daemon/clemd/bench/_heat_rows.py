"""What ten thousand traces say, as rows with their goals."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence

from ._figures import Share, percentile
from ._heat_outcome import (
    COOL_SHARE,
    DWELL_S,
    EXCESS_C,
    HOT_SHARE,
    Outcome,
    is_hot,
)
from ._table import Row

_RESAMPLES = 1000


def heat_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    """The figures of all traces."""
    fair = [one for one in outcomes if not one.is_doomed]
    return [
        *_limit_rows(outcomes, fair),
        *_state_rows(outcomes),
        *_job_rows(outcomes),
        *_work_rows(fair),
    ]


def _limit_rows(outcomes: Sequence[Outcome], fair: Sequence[Outcome]) -> list[Row]:
    seen = [one for one in fair if not one.is_stuck]
    stuck = [one for one in fair if one.is_stuck]
    doomed = [one for one in outcomes if one.is_doomed]
    blind = [one for one in fair if one.blind_excess_c is not None]
    return [
        _excess("limit", "highest above the limit", seen, goal=True),
        _over("limit", "traces above it by more than 1 °C", seen, goal=True),
        _excess("limit", "with a stuck thermometer", stuck, goal=False),
        _over("limit", "of those, above it by more than 1 °C", stuck, goal=False),
        _excess(
            "limit", "where air or tenant alone drive it there", doomed, goal=False
        ),
        _beyond("limit", "of those, beyond what they alone reach", doomed),
        _blind("CPU rule", [one for one in blind if not one.blind_slow]),
        _blind("slow rule", [one for one in blind if one.blind_slow]),
    ]


def _excess(part: str, what: str, some: Sequence[Outcome], *, goal: bool) -> Row:
    worst = max(some, key=lambda one: one.excess_c, default=None)
    if worst is None:
        return Row(part=part, what=what, value="-")
    p99 = percentile([one.excess_c for one in some], 99)
    return Row(
        part=part,
        what=what,
        value=f"{worst.excess_c:.2f} °C (seed {worst.seed}); 99 % below "
        f"{p99:.2f} °C, n = {len(some)}",
        goal=f"<= {EXCESS_C:g} °C" if goal else "",
        met=worst.excess_c <= EXCESS_C if goal else None,
        figure=worst.excess_c,
    )


def _beyond(part: str, what: str, some: Sequence[Outcome]) -> Row:
    """Our own share of an excess that nobody could avoid."""
    ours = [one.excess_c - max(0.0, one.rest_excess_c) for one in some]
    if not ours:
        return Row(part=part, what=what, value="-")
    p50, p99 = percentile(ours, 50), percentile(ours, 99)
    said = f"{max(ours):.2f} °C; median {p50:.2f} °C, 99 % below {p99:.2f} °C"
    return Row(part=part, what=what, value=said, figure=max(ours))


def _over(part: str, what: str, some: Sequence[Outcome], *, goal: bool) -> Row:
    over = sum(one.excess_c > EXCESS_C for one in some)
    return Row(
        part=part,
        what=what,
        value=str(Share(over, len(some))),
        goal="0" if goal else "",
        met=over == 0 if goal else None,
        figure=over,
    )


def _blind(rule: str, some: Sequence[Outcome]) -> Row:
    """Unseen work must not bring the device over the limit."""
    rises = [one.blind_excess_c for one in some if one.blind_excess_c is not None]
    worst = max(rises, default=None)
    return Row(
        part="blind",
        what=f"highest above limit reached while unseen, {rule}",
        value="-" if worst is None else f"{worst:.2f} °C, n = {len(rises)}",
        goal=f"<= {EXCESS_C:g} °C",
        met=None if worst is None else worst <= EXCESS_C,
        figure=worst,
    )


def _state_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    quick = sum(one.too_quick for one in outcomes)
    changes = sum(one.changes for one in outcomes)
    return [
        Row(
            part="states",
            what=f"changes within {DWELL_S:g} s of the one before",
            value=f"{quick} of {changes}",
            goal="0",
            met=quick == 0,
            figure=quick,
        )
    ]


def _job_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    left = sum(one.unfinished for one in outcomes)
    jobs = sum(one.jobs for one in outcomes)
    deferrals = sum(one.deferrals for one in outcomes)
    on_cpu = sum(one.on_cpu for one in outcomes)
    longest_s = max(one.longest_wait_s for one in outcomes)
    return [
        Row(
            part="jobs",
            what="never finished",
            value=f"{left} of {jobs}",
            goal="0",
            met=left == 0,
            figure=left,
        ),
        Row(
            part="jobs",
            what="deferrals; taken by the CPU; longest from coming to end",
            value=f"{deferrals}; {on_cpu}; {longest_s:.0f} s",
        ),
    ]


def _work_rows(fair: Sequence[Outcome]) -> list[Row]:
    hot = [one.ratio for one in fair if is_hot(one) and not one.has_fault]
    cool = [
        one.ratio for one in fair if one.best_share >= COOL_SHARE and not one.has_fault
    ]
    hot_ratios = [ratio for ratio in hot if ratio is not None]
    cool_ratios = [ratio for ratio in cool if ratio is not None]
    above = sum(ratio >= HOT_SHARE for ratio in hot_ratios)
    return [
        _mean("work", "hot: work / best schedule's, mean", hot_ratios, at_least=0.9),
        Row(
            part="work",
            what="hot: traces with at least 90 % of the best",
            value=str(Share(above, len(hot_ratios))),
            figure=above / len(hot_ratios) if hot_ratios else None,
        ),
        _mean("work", "cool: work / best schedule's, mean", cool_ratios, at_least=0.99),
    ]


def _mean(part: str, what: str, values: Sequence[float], *, at_least: float) -> Row:
    if not values:
        return Row(part=part, what=what, value="-")
    mean = statistics.fmean(values)
    low, high = bootstrap(values)
    p5 = percentile(values, 5)
    return Row(
        part=part,
        what=what,
        value=f"{100 * mean:.2f} % [{100 * low:.2f}-{100 * high:.2f}], "
        f"95 % of {len(values)} above {100 * (p5 or 0.0):.1f} %",
        goal=f">= {100 * at_least:g} %",
        met=mean >= at_least,
        figure=mean,
    )


def bootstrap(values: Sequence[float], *, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean, by drawing anew."""
    rng = random.Random(seed)  # noqa: S311 - draws samples, not secrets
    count = min(len(values), 2000)
    means = sorted(
        statistics.fmean(rng.choices(values, k=count)) for _ in range(_RESAMPLES)
    )
    return means[int(0.025 * _RESAMPLES)], means[int(0.975 * _RESAMPLES)]
