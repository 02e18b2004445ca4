"""Registration by a neural estimate of mutual information, as published.

Written anew after the papers: DRMIME (arXiv:2001.09865), and TFUDL-CLEM, which is the
same procedure run longer. A small network learns to tell pairs of grey values that
belong together from pairs that were shuffled; how well it can is a lower bound of the
mutual information, and the pose climbs that bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from clemd.model import Matrix

from ._pyramid import Level

HIDDEN = 100

_GENERATORS = torch.tensor(
    [
        [[0, 0, 1], [0, 0, 0], [0, 0, 0]],  # shift along x
        [[0, 0, 0], [0, 0, 1], [0, 0, 0]],  # shift along y
        [[0, 1, 0], [0, 0, 0], [0, 0, 0]],  # shear of x; with the next: a turn
        [[0, 0, 0], [1, 0, 0], [0, 0, 0]],  # shear of y
        [[1, 0, 0], [0, -1, 0], [0, 0, 0]],  # stretch that keeps the area
        [[0, 0, 0], [0, 0, 0], [0, 0, 1]],  # size, by the last element
    ],
    dtype=torch.float32,
)
_SHARED, _FINEST = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Learning rates of one published procedure."""

    network: float
    pose: float
    """Of the generator vector that all levels share."""
    finest: float
    """Of the vector added at the finest level only."""


class Climb:
    """The optimisation of one pair, an iteration at a time."""

    def __init__(self, levels: list[Level], rates: Rates, seed: int) -> None:
        self._levels = levels
        self._random = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self._network = _network()
        self._pose = nn.Parameter(torch.zeros(len(_GENERATORS)))
        self._finest = nn.Parameter(torch.zeros(len(_GENERATORS)))
        self._optimiser = torch.optim.Adam(
            [
                {"params": self._network.parameters(), "lr": rates.network},
                {"params": [self._pose], "lr": rates.pose},
                {"params": [self._finest], "lr": rates.finest},
            ],
            amsgrad=True,
        )

    def step(self) -> None:
        """One iteration over all levels."""
        self._optimiser.zero_grad()
        poses = self._poses()
        leaf = poses.detach().requires_grad_()
        for number, level in enumerate(self._levels):
            # level by level: the gradient of their mean in a sixth of the memory
            pose = leaf[_FINEST if number == 0 else _SHARED]
            torch.autograd.backward(-self._bound(level, pose) / len(self._levels))
        torch.autograd.backward(poses, leaf.grad)
        self._optimiser.step()

    def matrix(self) -> Matrix:
        """Fixed -> moving, both in -1..1 from edge to edge."""
        with torch.no_grad():
            found = self._poses()[_FINEST].double().numpy()
        return np.asarray(found / found[2, 2])

    def _poses(self) -> Tensor:
        """(2, 3, 3): of the shared vector, and of it and the finest level's."""
        vectors = torch.stack([self._pose, self._pose + self._finest])
        return torch.matrix_exp(torch.einsum("pg,gij->pij", vectors, _GENERATORS))

    def _bound(self, level: Level, pose: Tensor) -> Tensor:
        """Donsker and Varadhan's lower bound of the mutual information, nats."""
        moved = level.places @ pose.T
        grid = (moved[:, :2] / moved[:, 2:])[None, None]
        values = grid_sample(level.moving, grid, align_corners=False).ravel()
        order = torch.randperm(len(values), generator=self._random)
        together: Tensor = self._network(torch.stack([level.fixed, values], 1))
        shuffled = self._network(torch.stack([level.fixed, values[order]], 1))
        apart = torch.logsumexp(shuffled, 0) - math.log(len(values))
        return (together.mean() - apart).squeeze()


def _network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(2, HIDDEN),
        nn.ReLU(inplace=True),
        nn.Linear(HIDDEN, HIDDEN),
        nn.ReLU(inplace=True),
        nn.Linear(HIDDEN, 1),
    )


@contextmanager
def torch_threads(threads: int) -> Iterator[None]:
    """Torch uses as many as it is told, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
