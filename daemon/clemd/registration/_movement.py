"""Fit the movement of the tiles that collects the most correlation.

The tiles' surfaces are interpolated by cubic B-splines, so value, slope and curvature
are exact, and the sum over tiles is climbed by a damped Newton method, all starting
matrices at once. Parameters are in px at the image's edge (coordinates are divided by
the half-width), so that every step has the same meaning.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as nn
from torch import Tensor

from clemd.geometry import middle_of
from clemd.model import TransformModel

from ._surfaces import Surfaces

SURFACE_BLUR_PX = 0.8
ITERATIONS = 14
SETTLED_PX = 1e-3
"""Steps below this end the climb."""
PERSPECTIVE_PRICE = 0.4
"""Times the stiffness: enough to hold still what no tile speaks of."""
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
    """Fits movements of one family to a batch of tile surfaces.

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
        centre = torch.tensor(middle_of(shape), dtype=torch.float64, device=device)
        self.centre = centre
        self.half = max(shape) / 2
        self.xy = (surfaces.centres - centre) / self.half
        self.coefficients = _spline_coefficients(self.values, SURFACE_BLUR_PX)

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
        p, gain = self._climb(
            self._free_basis()[:, :6], self._still(6), stiffness * _price(6)
        )
        return self._movement(p[:, :4].reshape(-1, 2, 2), p[:, 4:6], gain)

    def homography(self, *, stiffness: float) -> Movement:
        """Eight parameters; an affine of the same price, and perspective priced too.

        To first order the last row (g, h) moves a point at (x, y) by
        -(g x + h y)·(x, y); a few rounds make that exact.
        """
        p, gain = self._climb(self._free_basis(), self._still(8), stiffness * _price(8))
        return self._movement(
            p[:, :4].reshape(-1, 2, 2), p[:, 4:6], gain, perspective=p[:, 6:]
        )

    def fit(self, model: TransformModel, *, stiffness: float) -> Movement:
        """The movement of that family, from no movement."""
        if model is TransformModel.SIMILARITY:
            return self.similarity(capture=False)
        if model is TransformModel.AFFINE:
            return self.affine(stiffness=stiffness)
        return self.homography(stiffness=stiffness)

    def _free_basis(self) -> Tensor:
        """(2, 8, tiles): xx xy yx yy, shift x, shift y, perspective g, h."""
        x, y = self.xy.T
        one, zero = torch.ones_like(x), torch.zeros_like(x)
        return torch.stack(
            [
                torch.stack([x, y, zero, zero, one, zero, -x * x, -x * y]),
                torch.stack([zero, zero, x, y, zero, one, -x * y, -y * y]),
            ]
        )

    def gain_of(self, matrices: Tensor) -> Tensor:
        """Sum of the (weighted) surfaces if the tiles moved by `matrices`; (batch,)."""
        shift = (self._at_tiles(matrices) - self._tiles_px()).transpose(1, 2)
        limit = self.reach - 1.0
        kept = shift.clamp(-limit, limit) + self.reach
        return _spline_at(self.coefficients, kept)[0].sum(1)

    def _still(self, parameters: int) -> Tensor:
        n = len(self.values)
        return torch.zeros(n, parameters, dtype=torch.float64, device=self.xy.device)

    def _movement(
        self,
        linear: Tensor,
        shift: Tensor,
        gain: Tensor,
        perspective: Tensor | None = None,
    ) -> Movement:
        """Parameters -> matrices; a tile at x is better placed at x + movement."""
        n = len(shift)
        eye = torch.eye(3, dtype=torch.float64, device=shift.device).repeat(n, 1, 1)
        there, back, m = eye.clone(), eye.clone(), eye.clone()
        there[:, :2, 2] -= self.centre
        back[:, :2, 2] += self.centre
        m[:, :2, :2] += linear / self.half
        m[:, :2, 2] = shift
        if perspective is not None:
            m[:, 2, :2] = perspective / self.half**2
        m = back @ m @ there
        m = m / m[:, 2:, 2:]
        moved = self._at_tiles(m) - self._tiles_px()
        return Movement(
            matrices=m, largest_px=moved.abs().flatten(1).amax(1), gain=gain
        )

    def _tiles_px(self) -> Tensor:
        return self.xy * self.half + self.centre

    def _at_tiles(self, matrices: Tensor) -> Tensor:
        """Where `matrices` put the tiles' centres; (batch, tiles, 2) px."""
        at = self._tiles_px()
        whole = torch.cat([at, torch.ones_like(at[:, :1])], 1)
        moved = torch.einsum("bij,tj->bti", matrices, whole)
        return moved[..., :2] / moved[..., 2:]

    def _captured(self) -> Tensor:
        """Best of a coarse turn x scale grid, every shift by summing surfaces.

        On surfaces of half the resolution: Newton's method takes it from there.
        """
        half = nn.avg_pool2d(
            self.values.float().flatten(0, 1)[:, None], 2, ceil_mode=True
        )
        n = half.shape[-1]
        small = half.reshape(*self.values.shape[:2], n, n)
        r = self.reach
        # half the largest movement of a tile; those of tiny images end beyond the edge
        room = math.ceil(0.7 * r * max(1.0, float(self.xy.abs().max()))) + 1
        padded = nn.pad(small, (room,) * 4)
        device = self.xy.device
        x, y = self.xy.T
        turns = torch.linspace(-0.7, 0.7, 7, dtype=torch.float64, device=device)
        scales = torch.linspace(-0.6, 0.6, 5, dtype=torch.float64, device=device)
        best = torch.full((len(small),), -math.inf, device=device)
        start = self._still(4)
        window = torch.arange(n, device=device)
        tile = torch.arange(len(x), device=device)[:, None, None]
        for a, b in itertools.product((r * scales).tolist(), (r * turns).tolist()):
            dx = room + torch.round((a * x - b * y) / 2).long()
            dy = room + torch.round((b * x + a * y) / 2).long()
            rows = (dy[:, None] + window)[:, :, None]
            columns = (dx[:, None] + window)[:, None, :]
            total = padded[:, tile, rows, columns].sum(1).flatten(1)
            value, at = total.max(1)
            better = value > best
            best = torch.where(better, value, best)
            # a block of two px has its middle half a px after its first
            at_x, at_y = (2.0 * v + 0.5 - r for v in (at % n, at // n))
            found = torch.stack(
                [torch.full_like(at_x, a), torch.full_like(at_x, b), at_x, at_y], 1
            )
            start = torch.where(better[:, None], found.double(), start)
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
            if float(step.abs().max()) < SETTLED_PX:
                break
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


def _price(parameters: int) -> Tensor:
    """Price on (xx - yy)² + (xy + yx)², and on perspective if there is any."""
    price = torch.zeros(parameters, parameters, dtype=torch.float64)
    for i, j, value in [(0, 0, 1), (3, 3, 1), (0, 3, -1), (3, 0, -1)]:
        price[i, j] += value
    for i, j, value in [(1, 1, 1), (2, 2, 1), (1, 2, 1), (2, 1, 1)]:
        price[i, j] += value
    for i in range(6, parameters):
        price[i, i] += PERSPECTIVE_PRICE
    return price


def _spline_coefficients(values: Tensor, blur_px: float) -> Tensor:
    """Cubic B-spline coefficients of `values` (..., n, n) smoothed by a Gaussian."""
    solve = _spline_solver(values.shape[-1], blur_px).to(values.device)
    coefficients: Tensor = solve @ values @ solve.T
    return coefficients


@cache
def _spline_solver(n: int, blur_px: float) -> Tensor:
    """(n, n): smooth along one axis (edges replicated), then solve for the spline."""
    index = torch.arange(n)
    band = torch.zeros(n, n, dtype=torch.float64)
    band[index, index] = 4 / 6
    band[index[:-1], index[1:]] = 1 / 6
    band[index[1:], index[:-1]] = 1 / 6
    reach = math.ceil(3 * blur_px) if blur_px > 0 else 0
    taps = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (taps.double() / max(blur_px, 1e-9)) ** 2)
    smooth = torch.zeros(n, n, dtype=torch.float64)
    for tap, weight in zip(
        taps.tolist(), (kernel / kernel.sum()).tolist(), strict=True
    ):
        smooth[index, (index + tap).clamp(0, n - 1)] += weight
    solver: Tensor = torch.linalg.inv(band) @ smooth
    return solver


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

    across = patch @ torch.stack([part[:, 0] for part in (w0, w1, w2)], -1)
    down = torch.stack([part[:, 1] for part in (w0, w1, w2)], -2)
    # [i, j]: the i-th derivative along y of the j-th along x
    along = down @ across
    value, xy = along[..., 0, 0], along[..., 1, 1]
    slope = torch.stack([along[..., 0, 1], along[..., 1, 0]], 1)
    bend = torch.stack(
        [
            torch.stack([along[..., 0, 2], xy], 1),
            torch.stack([xy, along[..., 2, 0]], 1),
        ],
        1,
    )
    return value, slope, bend
