"""The statistics network: one value for a pair of greys."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

HIDDEN = 100
Arrays = dict[str, NDArray[np.generic]]


def network_of(seed: int) -> nn.Sequential:
    """2-100-100-1, drawn from `seed`; the caller's own draws are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Linear(2, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HIDDEN, 1),
        )


def asked(network: nn.Module, fixed: Tensor, moving: Tensor) -> Tensor:
    """The network's values (n,) of pairs of greys, (n,) each."""
    values: Tensor = network(torch.stack([fixed, moving], 1))
    return values[:, 0]


def weights_of(network: nn.Module) -> Arrays:
    """Its weights, copied."""
    return {
        name: value.detach().cpu().numpy().copy()
        for name, value in network.state_dict().items()
    }


def take_weights(network: nn.Module, weights: Arrays) -> None:
    """Put `weights` into it."""
    network.load_state_dict(
        {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    )
