"""`regressor`: R2 of the four parameters on specimens that it never saw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.bench._figures import Share
from clemd.bench._posed_pairs import PosedPair, published, wide
from clemd.bench._regressor_asked import (
    PARAMETERS,
    Asked,
    ask,
    r_squared,
    standardised,
)
from clemd.bench._trial import SUCCESS
from clemd.registration.regressor import LEAST_LOG_ODDS, SHA256, trained

from ._figures import RESAMPLES, Figure, median_in_words, tell

GOAL_R2, GOAL_MS = 0.98, 20.0
NORMAL_95 = 1.96
NEAR = 0.05
"""Mean corner error, of the EM width, from which `multimodal` needs no search."""
_PLACES: dict[str, tuple[Callable[[int], PosedPair], bool | None]] = {
    "published range": (published, False),
    "wide": (wide, None),
}
"""Range -> how pairs are drawn, and what is told of the mirror."""
UNITS = ("deg", "%", "% of the width", "% of the width")
FACTORS = (1.0, 100.0, 100.0, 100.0)


def run(trials: int, seed: int, data: Path | None, as_json: bool) -> int:
    """Print the table of this method; the exit code."""
    network = trained()
    cv2.setNumThreads(1)  # what is told is the time of one
    figures: list[Figure] = []
    for name, (drawn, mirror) in _PLACES.items():
        rows = [
            ask(drawn(number), network, mirror=mirror)
            for number in range(seed, seed + trials)
        ]
        figures += _of(name, rows)
    return tell(
        "regressor",
        figures,
        trials=trials,
        seed=seed,
        as_json=as_json,
        notes=(
            f"Weights {SHA256[:12]}; every answer counts in R2 and RMS, wrong places "
            "as well.",
            "published range: 15 degrees, 5 % of the EM width in x and y, 10 % of the "
            "ratio, EM field 80 to 92 % as wide as the map, not mirrored. wide: any "
            "turn, either side up, wherever the EM field (35 to 90 %) has room.",
            "Milliseconds are processor time of one thread for both fields, proposals "
            "and looks; images are prepared.",
        ),
    )


def _of(name: str, rows: Sequence[Asked]) -> list[Figure]:
    return [
        *_explained(name, rows),
        *_missed(name, rows),
        *_covered(name, rows),
        _placed(name, rows),
        _told(name, rows),
        _spent(name, rows),
    ]


def _explained(name: str, rows: Sequence[Asked]) -> list[Figure]:
    values = r_squared(rows)
    low, high = _interval(rows, r_squared)
    return [
        Figure(
            part=name,
            what=f"R2 of {parameter}",
            published="plots only; rotation and scale worst",
            ours=f"{values[i]:.4f} [{low[i]:.4f}-{high[i]:.4f}], n = {len(rows)}",
            goal=f">= {GOAL_R2}",
            met=bool(values[i] >= GOAL_R2),
            values=tuple(float(row.found[i] - row.true[i]) for row in rows),
        )
        for i, parameter in enumerate(PARAMETERS)
    ]


def _interval(
    rows: Sequence[Asked], measure: Callable[[Sequence[Asked]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95 % bootstrap interval of a measure over pairs, always the same one."""
    rng = np.random.default_rng(0)
    drawn = np.stack(
        [
            measure([rows[k] for k in rng.integers(0, len(rows), len(rows))])
            for _ in range(RESAMPLES // 4)
        ]
    )
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    return np.asarray(low), np.asarray(high)


def _missed(name: str, rows: Sequence[Asked]) -> list[Figure]:
    missed = np.abs(np.stack([row.found - row.true for row in rows])) * FACTORS
    return [
        Figure(
            part=name,
            what=f"error of {parameter}",
            published="-",
            ours=f"median {np.median(missed[:, i]):.2f}, RMS "
            f"{np.sqrt((missed[:, i] ** 2).mean()):.2f}, most {missed[:, i].max():.2f} "
            f"{UNITS[i]}",
            values=tuple(missed[:, i].tolist()),
        )
        for i, parameter in enumerate(PARAMETERS)
    ]


def _covered(name: str, rows: Sequence[Asked]) -> list[Figure]:
    inside = np.abs(standardised(rows)) <= NORMAL_95
    return [
        Figure(
            part=name,
            what=f"within 1.96 predicted deviations, {parameter}",
            published="-",
            ours=str(Share(int(inside[:, i].sum()), len(rows))),
            goal="92 to 98 %",
            met=bool(0.92 <= inside[:, i].mean() <= 0.98),
            values=tuple(inside[:, i].astype(float).tolist()),
        )
        for i, parameter in enumerate(PARAMETERS)
    ]


def _placed(name: str, rows: Sequence[Asked]) -> Figure:
    errors = [row.corner_error for row in rows]
    near = Share(sum(error < NEAR for error in errors), len(rows))
    right = Share(sum(error < SUCCESS for error in errors), len(rows))
    return Figure(
        part=name,
        what="mean corner error below 5 %; below 2 % of the EM width",
        published="-",
        ours=f"{near}; {right}",
        values=tuple(errors),
    )


def _told(name: str, rows: Sequence[Asked]) -> Figure:
    """Does it know when it is lost?"""
    lost = [row for row in rows if not row.corner_error < NEAR]
    doubted = sum(row.log_odds < LEAST_LOG_ODDS for row in lost)
    sure = sum(row.log_odds < LEAST_LOG_ODDS for row in rows) - doubted
    return Figure(
        part=name,
        what="of those further off, doubted by itself; of the others",
        published="-",
        ours=f"{Share(doubted, len(lost)) if lost else 'none is'}; "
        f"{Share(sure, len(rows) - len(lost))}",
        values=tuple(row.log_odds for row in rows),
    )


def _spent(name: str, rows: Sequence[Asked]) -> Figure:
    spent = [1e3 * row.cpu_s for row in rows]
    return Figure(
        part=name,
        what="milliseconds a pair, one thread",
        published='"real-time", no number',
        ours=f"{median_in_words(spent, 'ms', 1)}, least {min(spent):.1f}, most "
        f"{max(spent):.1f}",
        goal=f"<= {GOAL_MS:g} ms",
        met=float(np.median(spent)) <= GOAL_MS,
        values=tuple(spent),
    )
