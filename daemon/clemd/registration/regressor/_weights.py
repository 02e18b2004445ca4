"""The weights that come with the program: one small file, pinned by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import torch
from safetensors.torch import load, save

from clemd.errors import UsageError

from ._network import TwoHeads

NAME = "weights.safetensors"
SHA256 = "da064b2d4b675902172e5630d6805932866adc0177b95dfbc998b2857fba8085"
"""Of the file that `scripts/train` has made."""
CALIBRATION = "calibration"
"""Four factors on the predicted deviations, beside the network's own tensors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A network that has learned, and what its deviations are to be multiplied by."""

    network: TwoHeads
    calibration: tuple[float, ...]


@cache
def trained() -> Trained:
    """The network of this version; read once.

    Raises:
        UsageError: the file is missing or is not the one that belongs to this version.
    """
    try:
        content = (files(__package__) / NAME).read_bytes()
    except OSError as failed:
        raise UsageError(
            "the regressor's weights cannot be read", str(failed), "reinstall clemd"
        ) from failed
    return checked(content)


def checked(content: bytes) -> Trained:
    """The network in `content`, if it is the one that is pinned.

    Raises:
        UsageError: it is another one, or damaged.
    """
    found = sha256_of(content)
    if found != SHA256:
        raise UsageError(
            "the regressor's weights are not those of this version",
            f"{NAME}: {found[:12]} instead of {SHA256[:12]}",
            "reinstall clemd",
        )
    return from_bytes(content)


def sha256_of(content: bytes) -> str:
    """As it is pinned."""
    return hashlib.sha256(content).hexdigest()


def as_bytes(network: TwoHeads, calibration: tuple[float, ...]) -> bytes:
    """A network as a file (safetensors: numbers and names, nothing that runs)."""
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in network.state_dict().items()
    }
    tensors[CALIBRATION] = torch.tensor(calibration, dtype=torch.float64)
    return save(tensors)


def from_bytes(content: bytes) -> Trained:
    """The inverse of `as_bytes`."""
    tensors = load(content)
    factors = tuple(tensors.pop(CALIBRATION).tolist())
    network = TwoHeads()
    network.load_state_dict(tensors)
    return Trained(network=network.eval(), calibration=factors)
