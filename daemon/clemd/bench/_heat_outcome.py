"""One trace in figures."""

from __future__ import annotations

from dataclasses import dataclass

from ._heat_jobs import Played
from ._heat_oracle import highest_at_rest_c
from ._heat_traces import LIMIT_C, HeatTrace
from ._heat_world import LASTS_S

EXCESS_C = 1.0
DWELL_S = 10.0
HOT_SHARE = 0.9
"""An environment is hot where the best schedule works less than this."""
COOL_SHARE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One trace in figures."""

    seed: int
    kind: str
    is_doomed: bool
    has_fault: bool
    is_stuck: bool
    blind_slow: bool
    excess_c: float
    """Over the limit; negative below."""
    rest_excess_c: float
    """Of the device over the limit if it had never worked for us."""
    blind_excess_c: float | None
    """Further than when it went blind; None where it never was."""
    ratio: float | None
    """Work against the best schedule's; None where that can do none."""
    best_share: float
    """Of the time that the best schedule works."""
    too_quick: int
    """Changes of the shown state within a dwell of the one before."""
    changes: int
    unfinished: int
    jobs: int
    deferrals: int
    on_cpu: int
    longest_wait_s: float


def outcome_of(trace: HeatTrace, played: Played, best_s: float) -> Outcome:
    """Judge one trace."""
    pairs = zip(played.changes_s, played.changes_s[1:], strict=False)
    return Outcome(
        seed=trace.seed,
        kind=trace.kind,
        is_doomed=trace.is_doomed,
        has_fault=trace.has_fault,
        is_stuck=trace.sensor.stuck is not None,
        blind_slow=trace.blind_slow,
        excess_c=played.highest_c - LIMIT_C,
        rest_excess_c=highest_at_rest_c(trace) - LIMIT_C,
        blind_excess_c=played.blind_excess_c,
        ratio=played.worked_s / best_s if best_s > 1.0 else None,
        best_share=best_s / LASTS_S,
        too_quick=sum(after - before < DWELL_S - 1e-6 for before, after in pairs),
        changes=len(played.changes_s),
        unfinished=played.begun - played.ended,
        jobs=played.begun,
        deferrals=played.deferrals,
        on_cpu=played.on_cpu,
        longest_wait_s=played.longest_wait_s,
    )


def is_hot(one: Outcome) -> bool:
    """The limit decides how much can be done."""
    return one.best_share < HOT_SHARE and one.ratio is not None
