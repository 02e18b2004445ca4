"""A second opinion on the last fraction of a pixel: mutual information.

The gradient field that finds the place looks at edges only. Mutual information (Viola &
Wells 1997; Parzen histogram of Thévenaz & Unser 2000) asks how well one image's grey
predicts the other's, everywhere. It is smooth only near the answer, so it may polish
and witness, never search.

Histograms are products of dense bin weights, not scattered sums: the same to the last
bit on every run of one device. Sample positions are jittered off the grid, or the
interpolation itself would prefer whole pixels (Pluim, Maintz & Viergever 2000).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from clemd.geometry import middle_of

from ._fields import blur
from ._identities import demand_histogram
from ._lanes import lanes_on

BINS = 24
SAMPLES = 16_000
"""Enough for a histogram of 24 x 24; more only costs time."""
LEAST_SAMPLES = 1_000
STEPS = 25
MOST_MOVE_PX = 3.0
"""A polish that wants more than this has left the place it was asked about."""
AWAY_PX = 9.0
LEAST_BITS = 0.005
"""Bits that differ by less are alike."""
_SEED = 20_221


@dataclass(frozen=True, slots=True, kw_only=True)
class Polished:
    """Where mutual information has its nearest maximum."""

    movement: Tensor
    """(3, 3): corrected EM field px -> EM field px before."""
    before_bits: float
    after_bits: float
    standing: float
    """Bits before above those of places a little way off, in their deviations."""


class Information:
    """Mutual information of two images under small movements of one matrix."""

    def __init__(
        self, em: Tensor, lm: Tensor, em_valid: Tensor, lm_valid: Tensor, matrix: Tensor
    ) -> None:
        """`em`, `lm`: greys (h, w), 0..1; `matrix` (3, 3) EM px -> LM px, float64."""
        self.shape = (int(em.shape[0]), int(em.shape[1]))
        self.matrix = matrix
        self.lm = _Spline(blur(lm[None, None], 1.0)[0, 0], lm_valid)
        x, y = _positions(em_valid)
        fixed = _Spline(blur(em[None, None], 1.0)[0, 0], em_valid)
        grey, _, _, inside = fixed.at(x, y)
        self.x, self.y = x[inside], y[inside]
        self.em_weights = _bin_weights(grey[inside])[0]
        half = max(self.shape) / 2
        centre_x, centre_y = middle_of(self.shape)
        u, v = (self.x - centre_x) / half, (self.y - centre_y) / half
        one, zero = torch.ones_like(u), torch.zeros_like(u)
        # rows dx, dy; columns scale, turn, shift x, shift y
        self.basis = torch.stack(
            [torch.stack([u, -v, one, zero]), torch.stack([v, u, zero, one])]
        )
        self.half, self.centre = half, (centre_x, centre_y)

    @property
    def is_answerable(self) -> bool:
        """Are there samples enough to ask?"""
        return len(self.x) >= LEAST_SAMPLES

    def polish(self) -> Polished:
        """Climb from no movement to the nearest maximum over the similarities."""
        start = np.zeros(4)
        before, _ = self.bits(start)

        def cost(p: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            bits, slope = self.bits(p)
            return -bits, -slope

        def climbed() -> tuple[NDArray[np.float64], float]:
            found = minimize(
                cost,
                start,
                jac=True,
                method="L-BFGS-B",
                bounds=[(-MOST_MOVE_PX, MOST_MOVE_PX)] * 4,
                options={"maxiter": STEPS, "ftol": 1e-7},
            )
            return np.asarray(found.x), -float(found.fun)

        def compared() -> tuple[NDArray[np.float64], float]:
            return start, self._standing(before)

        (best, after), (_, standing) = lanes_on(self.x.device).run([climbed, compared])
        return Polished(
            movement=self._movement(best),
            before_bits=before,
            after_bits=after,
            standing=standing,
        )

    def _standing(self, here_bits: float) -> float:
        elsewhere = [
            self.bits(np.array([0.0, 0.0, dx, dy]))[0]
            for dx, dy in itertools.product((-AWAY_PX, 0.0, AWAY_PX), repeat=2)
            if (dx, dy) != (0.0, 0.0)
        ]
        return float(
            (here_bits - np.mean(elsewhere)) / (np.std(elsewhere) + LEAST_BITS)
        )

    def bits(
        self, parameters: NDArray[np.float64]
    ) -> tuple[float, NDArray[np.float64]]:
        """Mutual information in bits and its slope per px of each parameter."""
        p = torch.as_tensor(parameters, dtype=torch.float64, device=self.x.device)
        moved = torch.einsum("cpk,p->ck", self.basis, p)
        x, y = self.x + moved[0], self.y + moved[1]
        a = self.matrix
        u = a[0, 0] * x + a[0, 1] * y + a[0, 2]
        v = a[1, 0] * x + a[1, 1] * y + a[1, 2]
        grey, du, dv, inside = self.lm.at(u, v)
        weights, slopes = _bin_weights(grey)
        keep = inside.double()[:, None]
        weights, slopes = weights * keep, slopes * keep
        n = keep.sum().clamp(min=1.0)
        joint = self.em_weights.T @ weights / n
        demand_histogram(joint, keep.sum() / n)
        joint = joint + 1e-12
        e = joint.sum(1, keepdim=True)
        m = joint.sum(0, keepdim=True)
        bits = (joint * torch.log2(joint / (e * m))).sum()
        pull = torch.log2(joint / m)
        per_grey = ((self.em_weights @ pull) * slopes).sum(1) / n
        per_u, per_v = per_grey * du, per_grey * dv
        per_x = per_u * a[0, 0] + per_v * a[1, 0]
        per_y = per_u * a[0, 1] + per_v * a[1, 1]
        slope = self.basis[0] @ per_x + self.basis[1] @ per_y
        return float(bits), slope.cpu().numpy()

    def _movement(self, p: NDArray[np.float64]) -> Tensor:
        scale, turn, dx, dy = p
        linear = np.array([[scale, -turn], [turn, scale]]) / self.half
        m = np.eye(3)
        m[:2, :2] += linear
        m[:2, 2] = [dx, dy] - linear @ self.centre
        return torch.from_numpy(m).to(self.matrix.device)


def _positions(valid: Tensor) -> tuple[Tensor, Tensor]:
    """Sample positions: a jittered grid of about `SAMPLES` points."""
    h, w = valid.shape
    step = max(1.0, (h * w / SAMPLES) ** 0.5)
    rng = np.random.default_rng(_SEED)
    y, x = np.mgrid[0 : h - 1 : step, 0 : w - 1 : step]
    jitter = rng.uniform(-0.5, 0.5, (2, *x.shape)) * step
    x = np.clip(x + jitter[0], 0, w - 1).ravel()
    y = np.clip(y + jitter[1], 0, h - 1).ravel()
    device = valid.device
    return torch.from_numpy(x).to(device), torch.from_numpy(y).to(device)


class _Spline:
    """A grey image as a cubic B-spline: value and slope anywhere."""

    def __init__(self, grey: Tensor, valid: Tensor) -> None:
        # the samples serve as coefficients: the spline then smooths a little more
        self.c = grey.double()
        self.valid = valid

    def at(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(value, d/dx, d/dy, inside) at positions in px."""
        h, w = self.c.shape
        near_x, near_y = x.round().long(), y.round().long()
        inside = (x >= 1) & (x <= w - 3) & (y >= 1) & (y <= h - 3)
        inside &= self.valid[near_y.clamp(0, h - 1), near_x.clamp(0, w - 1)] > 0.5
        column, row = x.floor().clamp(1, w - 3), y.floor().clamp(1, h - 3)
        wx, sx = _cubic(x - column)
        wy, sy = _cubic(y - row)
        taps = torch.arange(-1, 3, device=x.device)
        patch = self.c[
            (row.long()[:, None] + taps)[:, :, None],
            (column.long()[:, None] + taps)[:, None, :],
        ]
        across = (patch * wx[:, None, :]).sum(2)
        value = (across * wy).sum(1)
        slope_y = (across * sy).sum(1)
        slope_x = ((patch * sx[:, None, :]).sum(2) * wy).sum(1)
        return value, slope_x, slope_y, inside


def _cubic(f: Tensor) -> tuple[Tensor, Tensor]:
    """Cubic B-spline weights of the four taps around f in 0..1, and their slopes."""
    f = f.clamp(0, 1)
    g = 1 - f
    weights = torch.stack(
        [
            g**3 / 6,
            (3 * f**3 - 6 * f**2 + 4) / 6,
            (3 * g**3 - 6 * g**2 + 4) / 6,
            f**3 / 6,
        ],
        1,
    )
    slopes = torch.stack(
        [-(g**2) / 2, (3 * f**2 - 4 * f) / 2, -(3 * g**2 - 4 * g) / 2, f**2 / 2], 1
    )
    return weights, slopes


def _bin_weights(grey: Tensor) -> tuple[Tensor, Tensor]:
    """Parzen weights (n, BINS) of greys 0..1 and their slopes per grey."""
    at = 1.0 + grey.clamp(0, 1) * (BINS - 3)
    base = at.floor().clamp(1, BINS - 3)
    weights, slopes = _cubic(at - base)
    bins = base.long()[:, None] + torch.arange(-1, 3, device=grey.device)
    empty = torch.zeros(len(grey), BINS, dtype=torch.float64, device=grey.device)
    spread = empty.scatter(1, bins, weights)
    steep = empty.scatter(1, bins, slopes)
    return spread, steep * (BINS - 3)
