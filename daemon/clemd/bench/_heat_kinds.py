"""A line for each kind of trace."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from ._heat_outcome import EXCESS_C, Outcome, is_hot

HEAD = (
    "kind",
    "traces",
    "excluded",
    "highest over",
    "over 1 °C",
    "hot: work, mean",
    "hot: work, least",
    "deferrals",
    "on CPU",
)


def kind_lines(outcomes: Sequence[Outcome]) -> list[tuple[str, ...]]:
    """A line for each kind of trace, worst values included."""
    lines: list[tuple[str, ...]] = []
    for kind in dict.fromkeys(one.kind for one in outcomes):
        own = [one for one in outcomes if one.kind == kind]
        fair = [one for one in own if not one.is_doomed]
        seen = [one for one in fair if not one.is_stuck]
        hot = [one.ratio for one in fair if is_hot(one) and one.ratio is not None]
        lines.append(
            (
                kind,
                str(len(own)),
                str(len(own) - len(fair)),
                _degrees(max((one.excess_c for one in seen), default=None)),
                str(sum(one.excess_c > EXCESS_C for one in seen)),
                _percent(hot, statistics.fmean),
                _percent(hot, min),
                str(sum(one.deferrals for one in own)),
                str(sum(one.on_cpu for one in own)),
            )
        )
    return lines


def _degrees(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} °C"


def _percent(values: Sequence[float], of: Callable[[Sequence[float]], float]) -> str:
    return f"{100 * of(values):.1f} %" if values else "-"
