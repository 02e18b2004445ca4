"""Fit the movement of the tiles that collects the most correlation.

The tiles' surfaces are interpolated by cubic B-splines, so value, slope and curvature
are exact, and the sum over tiles is climbed by a damped Newton method, all starting
matrices at once. Parameters are in px at the image's edge (coordinates are divided by
the half-width), so that every step has the same meaning.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ._fields import blur
from ._surfaces import Surfaces

SURFACE_BLUR_PX = 0.8
CAPTURE_BLUR_PX = 1.2
ITERATIONS = 14
_BASIS = (
    torch.tensor(
        [[1, 4, 1, 0], [-3, 0, 3, 0], [3, -6, 3, 0], [-1, 3, -3, 1]],
        dtype=torch.float64,
    )
    / 6.0
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How the EM grid should move, one matrix for each of a batch."""

    matrices: Tensor
    """(batch, 3, 3): corrected EM field px -> EM field px the surfaces were made at."""
    largest_px: Tensor
    """(batch,) largest movement of any tile."""
    gain: Tensor
    """(batch,) sum of the surfaces at the movement."""


class MovementFit:
    """Fits similarity or affine movements to a batch of tile surfaces.

    Source of the idea: sums of local correlation surfaces instead of their peaks
    (ensemble correlation, Meinhart, Wereley & Santiago 2000), here under a
    parametric movement.
    """

    def __init__(
        self,
        surfaces: Surfaces,
        shape: tuple[int, int],
        tile_weights: Tensor | None = None,
    ) -> None:
        """`tile_weights` (batch or 1, tiles) gives each tile its number of votes."""
        self.reach = surfaces.reach_px
        self.values = surfaces.values
        if tile_weights is not None:
            self.values = self.values * tile_weights[..., None, None]
        self.shape = shape
        device = self.values.device
        centre = torch.tensor(
            [(shape[1] - 1) / 2, (shape[0] - 1) / 2], dtype=torch.float64, device=device
        )
        self.centre = centre
        self.half = max(shape) / 2
        self.xy = (surfaces.centres - centre) / self.half
        smooth = blur(self.values, SURFACE_BLUR_PX)
        self.coefficients = _spline_coefficients(smooth)

    def similarity(self, *, capture: bool) -> Movement:
        """Turn, scale and shift; `capture` starts from an exhaustive coarse grid."""
        x, y = self.xy.T
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        # rows: dx, dy; parameters: a (scale), b (turn), shift x, shift y
        basis = torch.stack(
            [torch.stack([x, -y, one, zero]), torch.stack([y, x, zero, one])]
        )
        start = self._captured() if capture else self._still(4)
        p, gain = self._climb(basis, start, torch.zeros(4, 4, dtype=torch.float64))
        linear = torch.stack(
            [torch.stack([p[:, 0], -p[:, 1]], -1), torch.stack([p[:, 1], p[:, 0]], -1)],
            -2,
        )
        return self._movement(linear, p[:, 2:], gain)

    def affine(self, *, stiffness: float) -> Movement:
        """Six parameters; leaving the similarities costs `stiffness` per px²."""
        x, y = self.xy.T
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        basis = torch.stack(
            [
                torch.stack([x, y, zero, zero, one, zero]),
                torch.stack([zero, zero, x, y, zero, one]),
            ]
        )
        # price on (xx - yy)² + (xy + yx)²
        price = torch.zeros(6, 6, dtype=torch.float64)
        for i, j, value in [(0, 0, 1), (3, 3, 1), (0, 3, -1), (3, 0, -1)]:
            price[i, j] += value
        for i, j, value in [(1, 1, 1), (2, 2, 1), (1, 2, 1), (2, 1, 1)]:
            price[i, j] += value
        p, gain = self._climb(basis, self._still(6), stiffness * price)
        linear = torch.stack([p[:, 0:2], p[:, 2:4]], -2)
        return self._movement(linear, p[:, 4:], gain)

    def gain_of(self, matrices: Tensor) -> Tensor:
        """Sum of the (weighted) surfaces if the tiles moved by `matrices`; (batch,)."""
        at = self.xy * self.half + self.centre
        ones = torch.ones_like(at[:, :1])
        moved = torch.einsum("bij,tj->bti", matrices, torch.cat([at, ones], 1))
        shift = (moved[..., :2] / moved[..., 2:] - at).transpose(1, 2)
        limit = self.reach - 1.0
        kept = shift.clamp(-limit, limit) + self.reach
        return _spline_at(self.coefficients, kept)[0].sum(1)

    def _still(self, parameters: int) -> Tensor:
        n = len(self.values)
        return torch.zeros(n, parameters, dtype=torch.float64, device=self.xy.device)

    def _movement(self, linear: Tensor, shift: Tensor, gain: Tensor) -> Movement:
        """Parameters -> matrices; a tile at x is better placed at x + movement."""
        n = len(shift)
        m = torch.eye(3, dtype=torch.float64, device=shift.device).repeat(n, 1, 1)
        scaled = linear / self.half
        m[:, :2, :2] += scaled
        m[:, :2, 2] = shift - (scaled @ self.centre)
        moved = torch.einsum("bij,tj->bti", linear, self.xy) + shift[:, None]
        return Movement(
            matrices=m, largest_px=moved.abs().flatten(1).amax(1), gain=gain
        )

    def _captured(self) -> Tensor:
        """Best of a coarse turn x scale grid, every shift by summing surfaces."""
        r, n = self.reach, 2 * self.reach + 1
        padded = torch.nn.functional.pad(
            blur(self.values, CAPTURE_BLUR_PX), (2 * r, 2 * r, 2 * r, 2 * r)
        )
        device = self.xy.device
        best = torch.full((len(self.values),), -math.inf, dtype=torch.float64)
        best = best.to(device)
        start = self._still(4)
        window = torch.arange(n, device=device)
        x, y = self.xy.T
        for a in torch.linspace(-0.6, 0.6, 5).tolist():
            for b in torch.linspace(-0.7, 0.7, 7).tolist():
                dx = (2 * r + torch.round(r * (a * x - b * y))).long()
                dy = (2 * r + torch.round(r * (b * x + a * y))).long()
                rows = (dy[:, None] + window)[:, :, None]
                columns = (dx[:, None] + window)[:, None, :]
                tile = torch.arange(len(x), device=device)[:, None, None]
                total = padded[:, tile, rows, columns].sum(1).flatten(1)
                value, at = total.max(1)
                better = value > best
                best = torch.where(better, value, best)
                found = torch.stack(
                    [
                        torch.full_like(value, a * r),
                        torch.full_like(value, b * r),
                        (at % n - r).double(),
                        (at // n - r).double(),
                    ],
                    1,
                )
                start = torch.where(better[:, None], found, start)
        return start

    def _climb(
        self, basis: Tensor, start: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Damped Newton ascent of the summed surfaces minus the price."""
        price = price.to(start.device)
        eye = torch.eye(start.shape[1], dtype=torch.float64, device=start.device)
        p = start
        value, slope, bend = self._look(basis, p, price)
        damping = torch.full_like(value, 1e-2)
        for _ in range(ITERATIONS):
            size = bend.diagonal(dim1=1, dim2=2).abs().amax(1) + 1e-12
            # make the curvature safely negative, then damp it
            eigen, vectors = torch.linalg.eigh(bend)
            stiff = eigen.abs().clamp(min=1e-3 * size[:, None])
            bowl = vectors @ torch.diag_embed(stiff) @ vectors.transpose(1, 2)
            bowl = bowl + (damping * size)[:, None, None] * eye
            step = torch.linalg.solve(bowl, slope)
            longest = step.abs().amax(1, keepdim=True).clamp(min=1e-9)
            step = step * torch.clamp(1.5 / longest, max=1.0)
            tried = p + step
            new_value, new_slope, new_bend = self._look(basis, tried, price)
            better = new_value > value
            p = torch.where(better[:, None], tried, p)
            slope = torch.where(better[:, None], new_slope, slope)
            bend = torch.where(better[:, None, None], new_bend, bend)
            value = torch.where(better, new_value, value)
            damping = torch.where(better, damping * 0.3, damping * 6.0)
        return p, value

    def _look(
        self, basis: Tensor, p: Tensor, price: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Value, gradient and curvature of the objective at parameters `p`."""
        moved = torch.einsum("cpt,bp->bct", basis, p)
        limit = self.reach - 1.0
        kept = moved.clamp(-limit, limit)
        value, slope, bend = _spline_at(self.coefficients, kept + self.reach)
        # beyond the surface nothing is known: it slopes gently back
        outside = moved - kept
        value = value.sum(1) - 1e-3 * (outside**2).sum((1, 2))
        inside = (outside == 0).double()
        slope = slope * inside - 2e-3 * outside
        pair = inside[:, :, None] * inside[:, None, :]
        bend = bend * pair
        gradient = torch.einsum("cpt,bct->bp", basis, slope)
        curvature = torch.einsum("cpt,bcdt,dqt->bpq", basis, bend, basis)
        value = value - torch.einsum("bp,pq,bq->b", p, price, p)
        gradient = gradient - 2 * torch.einsum("pq,bq->bp", price, p)
        return value, gradient, curvature - 2 * price


def _spline_coefficients(values: Tensor) -> Tensor:
    """Cubic B-spline coefficients that interpolate `values` on their grid."""
    n = values.shape[-1]
    band = torch.zeros(n, n, dtype=torch.float64)
    index = torch.arange(n)
    band[index, index] = 4 / 6
    band[index[:-1], index[1:]] = 1 / 6
    band[index[1:], index[:-1]] = 1 / 6
    solve = torch.linalg.inv(band).to(values.device)
    coefficients: Tensor = solve @ values @ solve.T
    return coefficients


def _spline_at(coefficients: Tensor, at: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Value, gradient and Hessian of each surface at (x, y).

    `coefficients` (batch, tiles, n, n); `at` (batch, 2, tiles) in surface px.
    Returns (batch, tiles), (batch, 2, tiles), (batch, 2, 2, tiles).
    """
    basis = _BASIS.to(at.device)
    n = coefficients.shape[-1]
    base = at.floor().clamp(1, n - 3)
    f = at - base
    power = torch.stack([torch.ones_like(f), f, f * f, f**3], -1)
    first = torch.stack([torch.zeros_like(f), torch.ones_like(f), 2 * f, 3 * f * f], -1)
    second = torch.stack(
        [torch.zeros_like(f), torch.zeros_like(f), 2 * torch.ones_like(f), 6 * f], -1
    )
    w0, w1, w2 = power @ basis, first @ basis, second @ basis
    taps = torch.arange(-1, 3, device=at.device)
    columns = base[:, 0].long()[..., None] + taps
    rows = base[:, 1].long()[..., None] + taps
    batch = torch.arange(len(at), device=at.device)[:, None, None, None]
    tile = torch.arange(at.shape[2], device=at.device)[None, :, None, None]
    patch = coefficients[batch, tile, rows[..., None], columns[..., None, :]]

    def blend(wy: Tensor, wx: Tensor) -> Tensor:
        return torch.einsum("bti,btij,btj->bt", wy, patch, wx)

    x0, y0, x1, y1 = w0[:, 0], w0[:, 1], w1[:, 0], w1[:, 1]
    value = blend(y0, x0)
    slope = torch.stack([blend(y0, x1), blend(y1, x0)], 1)
    xy = blend(y1, x1)
    bend = torch.stack(
        [
            torch.stack([blend(y0, w2[:, 0]), xy], 1),
            torch.stack([xy, blend(w2[:, 1], x0)], 1),
        ],
        1,
    )
    return value, slope, bend
