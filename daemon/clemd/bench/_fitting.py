"""The verdict's small model, fitted: `train` makes it of labelled rows.

A logistic model with non-negative weights (each witness may only speak FOR a pose),
an L2 price, and every pair held out in turn for the scores that set the thresholds.
The acceptance score is put by a margin above every wrong answer that no gate stops; the
radius is the root of the sum of the doubts' variances, with shares that make the true
errors of right answers likeliest and a factor that makes it hold 95 % of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from clemd.registration.verdict import (
    VerdictModel,
    doubts_lm_px,
    features,
    gates,
    raw_radius_lm_px,
)

from ._trial import SUCCESS

CLEARLY_WRONG = 0.05
"""Errors between success and this are neither right nor wrong for the fit."""
PRICE = 0.03
MARGIN = 1.0
"""Log odds between the best wrong answer and acceptance."""
LANDMARK_SHARE = 1.0
"""Part of a pair's landmark residual that its own truth may be off by."""


def train(rows: Sequence[dict[str, Any]], *, source: str) -> VerdictModel:
    """Weights, thresholds and radius factor from labelled rows."""
    clear = [
        r for r in rows if r["negative"] or not SUCCESS <= r["error"] < CLEARLY_WRONG
    ]
    names = list(features(clear[0]["evidence"]))
    table = np.array([[features(r["evidence"])[n] for n in names] for r in clear])
    right = np.array([not r["negative"] and r["error"] < SUCCESS for r in clear])
    groups = np.array([_group(r["pair"]) for r in clear])
    held = np.empty(len(clear))
    for group in np.unique(groups):
        out = groups == group
        weights, constant = _fit(table[~out], right[~out])
        held[out] = table[out] @ weights + constant
    weights, constant = _fit(table, right)
    open_gates = np.array([not gates(r["evidence"]) for r in clear])
    worst = float(held[~right & open_gates].max(initial=-np.inf))
    accept = max(worst + MARGIN, 1.0)
    reject = float(np.percentile(held[right], 1)) - 1.0
    near = [r for r in rows if not r["negative"] and r["error"] < SUCCESS]
    shares = _radius_shares(near)
    factor = _radius_factor(near, shares)
    sys.stderr.write(
        f"held out: {int(right.sum())} right, {int((~right).sum())} wrong; best wrong "
        f"{worst:.2f}; accepted right {np.mean(held[right] >= accept):.1%}; "
        f"radius factor {factor:.2f}\n"
    )
    return VerdictModel(
        weights={n: round(float(w), 4) for n, w in zip(names, weights, strict=True)},
        constant=round(float(constant), 4),
        accept=round(accept, 3),
        reject=round(min(reject, accept - 1.0), 3),
        radius_shares={n: round(v, 5) for n, v in shares.items()},
        radius_factor=round(factor, 3),
        source=source,
    )


def _group(pair: str) -> str:
    return "simulated" if pair.startswith("simulated") else pair.partition("/")[0]


def _fit(
    table: NDArray[np.float64], right: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """Non-negative logistic regression, both classes weighing the same."""
    sign = np.where(right, 1.0, -1.0)
    share = np.where(right, 0.5 / right.sum(), 0.5 / (~right).sum())

    def cost(p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margin = sign * (table @ p[:-1] + p[-1])
        loss = share @ np.logaddexp(0, -margin) + PRICE * p[:-1] @ p[:-1] / 10
        pull = -share * sign / (1 + np.exp(np.clip(margin, -50, 50)))
        gradient = np.r_[table.T @ pull + PRICE * p[:-1] / 5, pull.sum()]
        return float(loss), gradient

    start = np.zeros(table.shape[1] + 1)
    bounds = [(0.0, None)] * table.shape[1] + [(None, None)]
    found = minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return found.x[:-1], float(found.x[-1])


def _radius_shares(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Shares of the doubts' variances under which the true errors are likeliest.

    The error over its spread is taken as Student's t of 3 degrees: a few errors are
    much larger than most, and must not rule the fit.
    """
    names = list(doubts_lm_px(rows[0]["evidence"]))
    table = np.array(
        [[doubts_lm_px(r["evidence"])[n] ** 2 for n in names] for r in rows]
    )
    squares = np.array([true_error_lm_px(r) ** 2 for r in rows])
    groups = [r["source"] for r in rows]
    share = np.array([1 / groups.count(g) for g in groups])
    share /= share.sum()

    def cost(logs: NDArray[np.float64]) -> float:
        variance = table @ np.exp(logs) + 1e-6
        return float(
            share @ (0.5 * np.log(variance) + 2 * np.log1p(squares / (3 * variance)))
        )

    start = np.full(len(names), math.log(0.1))
    found = minimize(cost, start, bounds=[(-9.0, 3.0)] * len(names), method="L-BFGS-B")
    return dict(zip(names, np.exp(found.x).tolist(), strict=True))


def true_error_lm_px(row: dict[str, Any]) -> float:
    """Largest corner error, landmark doubt taken out."""
    floor = LANDMARK_SHARE * float(row.get("floor", 0.0))
    return math.sqrt(max(row["error_most_lm_px"] ** 2 - floor**2, 0.0))


def _radius_factor(rows: Sequence[dict[str, Any]], shares: dict[str, float]) -> float:
    """95th percentile of true error / raw radius, where the truth is exact.

    In the less fortunate of simulated and real pairs. Landmarks do not know corners to
    the fraction of a pixel that is asked here.
    """
    ratios: dict[str, list[float]] = {}
    for row in rows:
        if not row.get("floor"):
            ratio = row["error_most_lm_px"] / raw_radius_lm_px(row["evidence"], shares)
            ratios.setdefault(row["source"], []).append(ratio)
    return max(float(np.percentile(v, 95)) for v in ratios.values())
