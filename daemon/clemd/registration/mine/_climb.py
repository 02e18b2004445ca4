"""Network and pose climb the bound together, one step at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import grid_sample

from clemd.model import Matrix

from ._estimate import Estimate
from ._network import Arrays, asked, network_of, take_weights, weights_of
from ._pose import matrices_of
from ._sampling import Level

_SHARED, _FINEST = 0, 1
LEAST_PAIRS = 16
"""With fewer a level says nothing."""
SEEN = 0.99
"""Least share of valid px around a place of the moving image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Learning rates of Adam (with AMSGrad)."""

    network: float
    pose: float
    """Of the vector that all levels share."""
    finest: float = 0.0
    """Of a vector added at the finest level only; 0 = there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one step does."""

    generators: Tensor
    """(n, 3, 3), see `_pose`."""
    estimate: Estimate
    rates: Rates
    batch: int | None = None
    """Places of a level that are drawn for each step; None = all of them."""


class Climb:
    """The optimisation of one pair."""

    def __init__(self, levels: list[Level], settings: Settings, seed: int) -> None:
        """`levels`, finest first, are all on one device."""
        device = levels[0].places.device
        self.levels = levels
        self.settings = settings
        # drawn on the CPU, whatever the device: one seed, one sequence
        self._random = torch.Generator().manual_seed(seed)
        self.network = network_of(seed).to(device)
        size = len(settings.generators)
        self._generators = settings.generators.to(device)
        self._pose = nn.Parameter(torch.zeros(size, device=device))
        self._finest = nn.Parameter(torch.zeros(size, device=device))
        groups = [
            {"params": list(self.network.parameters()), "lr": settings.rates.network},
            {"params": [self._pose], "lr": settings.rates.pose},
        ]
        if settings.rates.finest:
            groups.append({"params": [self._finest], "lr": settings.rates.finest})
        self._optimiser = torch.optim.Adam(groups, amsgrad=True)

    def step(self, *, moves: bool = True) -> None:
        """One iteration over all levels; the pose stays where it is if not `moves`."""
        self._optimiser.zero_grad()
        poses = self._poses()
        leaf = poses.detach().requires_grad_(moves)
        for number, level in enumerate(self.levels):
            # level by level: the gradient of their mean in a fraction of the memory
            pose = leaf[_FINEST if number == 0 else _SHARED]
            pairs = self._pairs(level, pose, self._drawn(level))
            if len(pairs[0]) >= LEAST_PAIRS:  # else the pose has left the image
                loss = self.settings.estimate.loss(*pairs)
                torch.autograd.backward(loss / len(self.levels))
        if moves and leaf.grad is not None:
            torch.autograd.backward(poses, leaf.grad)
        self._optimiser.step()

    def held_out(self) -> float:
        """The bound over the places that no step sees; nats.

        The same shuffle at every call: two values differ by pose and network only.
        """
        random = torch.Generator().manual_seed(0)
        values = []
        with torch.no_grad():
            pose = self._poses()[_FINEST]
            for level in self.levels:
                rows = slice(level.fitted, None)
                together, shuffled = self._pairs(level, pose, rows, random)
                if len(together) >= LEAST_PAIRS:
                    bound = self.settings.estimate.bound(together, shuffled)
                    values.append(float(bound))
        return float(np.mean(values)) if values else -math.inf

    def constant(self) -> float:
        """The constant in the network's values, at the finest level: log E[exp T].

        The true bound has none; where nothing holds it, it wanders until exp T is no
        number.
        """
        random = torch.Generator().manual_seed(0)
        with torch.no_grad():
            pose = self._poses()[_FINEST]
            _, shuffled = self._pairs(self.levels[0], pose, slice(None), random)
            return float(self.settings.estimate.apart(shuffled))

    def overlap(self) -> float:
        """Share of the finest level's places that lie on the moving image."""
        with torch.no_grad():
            _, kept = self.seen(self.levels[0], self._poses()[_FINEST], slice(None))
        return float(kept.float().mean())

    def matrix(self) -> Matrix:
        """Movement, units -> units of the fixed image."""
        with torch.no_grad():
            found = self._poses()[_FINEST].cpu().double().numpy()
        return np.asarray(found / found[2, 2])

    @property
    def vector(self) -> NDArray[np.float64]:
        """The finest level's, a copy."""
        both = (self._pose + self._finest).detach().cpu().double()
        return np.asarray(both.numpy(), np.float64)

    def put(self, vector: NDArray[np.float64]) -> None:
        """Go to a pose; the finest level's own vector is none."""
        with torch.no_grad():
            self._pose.copy_(torch.from_numpy(vector))
            self._finest.zero_()

    def slow_down(self, factor: float) -> None:
        """Make the pose's steps smaller."""
        for group in self._optimiser.param_groups[1:]:
            group["lr"] *= factor

    def seen(
        self, level: Level, pose: Tensor, rows: slice | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Greys of the moving image at places of a level, and which of them count."""
        moved = level.places[rows] @ (level.onto @ pose).T
        grid = (moved[:, :2] / moved[:, 2:])[None, None]
        read = grid_sample(level.moving, grid, align_corners=False)[0, :, 0]
        if len(read) == 1:
            return read[0], torch.ones_like(read[0], dtype=torch.bool)
        return read[0], read[1].detach() > SEEN

    def state(self) -> Arrays:
        """All that the next step depends on."""
        arrays: Arrays = {
            f"network.{name}": value for name, value in weights_of(self.network).items()
        }
        arrays["pose"] = self._pose.detach().cpu().numpy().copy()
        arrays["finest"] = self._finest.detach().cpu().numpy().copy()
        arrays["random"] = self._random.get_state().numpy().copy()
        arrays["rates"] = np.array([g["lr"] for g in self._optimiser.param_groups])
        for at, moments in self._optimiser.state_dict()["state"].items():
            for name, value in moments.items():
                arrays[f"adam.{at}.{name}"] = value.cpu().numpy().copy()
        return arrays

    def resume(self, arrays: Arrays) -> None:
        """Go on from a `state`, to the bits that would have followed it."""
        self.take(arrays)
        self._random.set_state(torch.from_numpy(arrays["random"].copy()))
        kept = self._optimiser.state_dict()
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in arrays.items():
            if name.startswith("adam."):
                _, at, which = name.split(".")
                moments.setdefault(int(at), {})[which] = torch.from_numpy(value.copy())
        for group, rate in zip(kept["param_groups"], arrays["rates"], strict=True):
            group["lr"] = float(rate)
        self._optimiser.load_state_dict({**kept, "state": moments})

    def take(self, arrays: Arrays) -> None:
        """Network and pose of a `state`, without what the optimiser remembers."""
        prefix = "network."
        take_weights(
            self.network,
            {n.removeprefix(prefix): v for n, v in arrays.items() if prefix in n},
        )
        with torch.no_grad():
            for parameter, name in ((self._pose, "pose"), (self._finest, "finest")):
                parameter.copy_(torch.from_numpy(arrays[name].copy()))

    def _poses(self) -> Tensor:
        """(2, 3, 3): of the shared vector, and of it and the finest level's."""
        vectors = torch.stack([self._pose, self._pose + self._finest])
        return matrices_of(vectors, self._generators)

    def _drawn(self, level: Level) -> slice | Tensor:
        batch = self.settings.batch
        if batch is None or level.fitted <= batch:
            return slice(0, level.fitted)
        drawn = torch.randint(level.fitted, (batch,), generator=self._random)
        return drawn.to(level.places.device)

    def _pairs(
        self,
        level: Level,
        pose: Tensor,
        rows: slice | Tensor,
        random: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The network's values of pairs that belong together, and of shuffled ones."""
        greys, kept = self.seen(level, pose, rows)
        fixed, greys = level.fixed[rows][kept], greys[kept]
        order = torch.randperm(len(greys), generator=random or self._random)
        together = asked(self.network, fixed, greys)
        shuffled = asked(self.network, fixed, greys[order.to(greys.device)])
        return together, shuffled
