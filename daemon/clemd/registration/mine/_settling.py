"""The last fraction of a pixel: the network as it is, the pose to its maximum.

A network of two greys is a surface over a square. Read from a table, it costs
nothing, so that every pixel may take part instead of a draw, and the shuffled pairs
are all pairs there are: the product of the two histograms. What is climbed is then
smooth and the same at every call, and a few dozen evaluations end it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from clemd.model import TransformModel

from ._climb import SEEN
from ._network import asked
from ._pose import AFFINE, EIGHT, SIMILARITY, matrices_of
from ._sampling import Level

NODES = 33
"""Greys per axis of the table."""
MOST_PLACES = 30_000
STEPS = 40
STIFFNESS = 0.02
"""Nats that a movement of one px at the image's edge costs which keeps no shape; with
2 % of the mutual information that EM and LM images share it must earn its freedom."""
EARNED_NATS = 0.002
"""What held-out places must gain before a freer model is believed."""
LEAST_OVERLAP = 0.3
"""Share of a level's places that must lie on the moving image."""

MODELS = {
    SIMILARITY: TransformModel.SIMILARITY,
    AFFINE: TransformModel.AFFINE,
    len(EIGHT): TransformModel.HOMOGRAPHY,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Where the bound of a network that no longer learns has its maximum."""

    vector: NDArray[np.float64]
    """Of `EIGHT`."""
    nats: float
    """The bound there."""
    freedom: int = len(EIGHT)
    """How many of `EIGHT` were free."""

    @property
    def model(self) -> TransformModel:
        """The family in which it was fitted."""
        return MODELS[self.freedom]


def settle(
    network: nn.Module, levels: list[Level], start: NDArray[np.float64]
) -> Settled:
    """Climb from `start` over all levels, coarsest first.

    In no freer a model than held-out places of the finest level ask for.
    """
    vector = np.r_[start[:SIMILARITY], np.zeros(len(EIGHT) - SIMILARITY)]
    for level in reversed(levels):
        vector = _climbed(_Surface(network, level), vector, SIMILARITY)
    finest = levels[0]
    fitted = _Surface(network, finest, slice(0, finest.fitted))
    held = _Surface(network, finest, slice(finest.fitted, None))
    best, earned, freedom = vector, _nats(held, vector), SIMILARITY
    for freer in (AFFINE, len(EIGHT)):
        tried = _climbed(fitted, best, freer)
        nats = _nats(held, tried)
        if nats > earned + EARNED_NATS:
            best, earned, freedom = tried, nats, freer
    surface = _Surface(network, finest)
    best = _climbed(surface, best, freedom)
    return Settled(vector=best, nats=_nats(surface, best), freedom=freedom)


def _nats(surface: _Surface, vector: NDArray[np.float64]) -> float:
    with torch.no_grad():
        return float(surface.bound(torch.from_numpy(vector)))


def _climbed(
    surface: _Surface, start: NDArray[np.float64], freedom: int
) -> NDArray[np.float64]:
    """The nearest maximum, the first `freedom` of `EIGHT` being free."""

    def value_and_slope(
        movable: NDArray[np.float64],
    ) -> tuple[float, NDArray[np.float64]]:
        vector = torch.from_numpy(np.r_[movable, start[freedom:]]).requires_grad_()
        nats = surface.bound(vector)
        (slope,) = torch.autograd.grad(nats, vector)
        return -float(nats.detach()), -slope.numpy()[:freedom]

    # in px of the level, so that one tolerance suits all parameters
    unit = surface.units_per_px

    def scaled(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value, slope = value_and_slope(x * unit)
        return value, slope * unit

    found = minimize(
        scaled,
        start[:freedom] / unit,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": STEPS, "ftol": 1e-9, "gtol": 1e-6},
    )
    return np.asarray(np.r_[found.x * unit, start[freedom:]], np.float64)


class _Surface:
    """The bound of one level as a smooth function of the pose."""

    def __init__(
        self, network: nn.Module, level: Level, rows: slice = slice(None)
    ) -> None:
        places, greys_there = level.places[rows], level.fixed[rows]
        step = max(1, len(places) // MOST_PLACES)
        device = places.device
        self._places = places[::step].double()
        self._onto = level.onto.double()
        self._moving = level.moving.double()
        greys = torch.linspace(0, 1, NODES, device=device)
        both = torch.cartesian_prod(greys, greys)
        with torch.no_grad():
            table = asked(network, both[:, 0], both[:, 1]).reshape(NODES, NODES)
        table = table.double()
        self._fixed = _hats(greys_there[::step].double())
        self._rows = self._fixed @ table
        self._highest = table.max()
        self._exp = torch.exp(table - self._highest)
        self._generators = EIGHT.double().to(device)
        self.units_per_px = 1 / level.px_per_unit

    def bound(self, vector: Tensor) -> Tensor:
        """Nats at a pose (8,), less the price of what keeps no shape."""
        pose = matrices_of(vector[None].to(self._places.device), self._generators)[0]
        moved = self._places @ (self._onto @ pose).T
        grid = (moved[:, :2] / moved[:, 2:])[None, None]
        read = grid_sample(self._moving, grid, align_corners=False)[0, :, 0]
        share = torch.ones_like(read[0]) if len(read) == 1 else _soft(read[1])
        total = share.sum().clamp(min=1.0)
        # of the greys seen, how far between which nodes of the table
        at = read[0].clamp(0, 1) * (NODES - 1)
        low = at.detach().floor().clamp(max=NODES - 2).long()
        part = at - low
        # all pairs there are: the histogram of the fixed greys, and every grey seen
        pairs = (self._fixed * share[:, None]).sum(0) / total @ self._exp
        together = _between(self._rows, low, part)
        apart = torch.log((_between(pairs, low, part) * share).sum() / total)
        bent = vector[SIMILARITY:] / self.units_per_px
        lost = (LEAST_OVERLAP - total / len(share)).clamp(min=0)
        nats: Tensor = (together * share).sum() / total - apart - self._highest - lost
        return nats.cpu() - STIFFNESS * (bent**2).sum()


def _between(table: Tensor, low: Tensor, part: Tensor) -> Tensor:
    """Read each row of `table` (n, nodes), or one row (nodes,), between two nodes."""
    if table.dim() == 1:
        left, right = table[low], table[low + 1]
    else:
        left = table.gather(1, low[:, None])[:, 0]
        right = table.gather(1, low[:, None] + 1)[:, 0]
    return left + part * (right - left)


def _hats(greys: Tensor) -> Tensor:
    """(n, nodes): how far each grey belongs to each node; rows sum to 1."""
    at = (greys.clamp(0, 1) * (NODES - 1))[:, None]
    nodes = torch.arange(NODES, device=greys.device, dtype=greys.dtype)
    return (1 - (at - nodes).abs()).clamp(min=0)


def _soft(valid: Tensor) -> Tensor:
    """Places that leave the image fade out instead of vanishing."""
    return ((valid - 0.5) / (SEEN - 0.5)).clamp(0, 1).detach()
