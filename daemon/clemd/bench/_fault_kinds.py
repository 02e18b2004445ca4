"""What a device may do wrong to one of its results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Past = dict[tuple[str, tuple[int, ...], torch.dtype], Tensor]
"""The last result of each operation, shape and kind of number."""
Kind = Callable[[str, Tensor, Past, np.random.Generator], Tensor | None]

_BITS = {
    torch.float32: (torch.int32, 32),
    torch.float64: (torch.int64, 64),
    torch.int64: (torch.int64, 64),
}


def flip(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """One bit of one number."""
    return _flipped(result, 1, rng)


def burst(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """One bit of every number in a stretch of memory, a hundredth of the result."""
    return _flipped(result, max(2, result.numel() // 100), rng)


def stale(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """What the operation said last time, where it was of the same shape."""
    return past.get((name, tuple(result.shape), result.dtype))


def not_a_number(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """One NaN."""
    if not (result.is_floating_point() or result.is_complex()):
        return None
    broken = result.contiguous().clone()
    broken.view(-1)[int(rng.integers(result.numel()))] = float("nan")
    return broken


def swapped(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """The parts of a batch in each other's places."""
    if result.dim() < 2 or result.shape[0] < 2:
        return None
    return result.roll(1, 0)


def scaled(
    name: str, result: Tensor, past: Past, rng: np.random.Generator
) -> Tensor | None:
    """Everything a little too large, as by a clock out of step with its memory."""
    if not (result.is_floating_point() or result.is_complex()):
        return None
    return result * (1.0 + float(rng.choice([0.001, 0.01, 0.1])))


KINDS: dict[str, Kind] = {
    "bit": flip,
    "burst": burst,
    "stale": stale,
    "nan": not_a_number,
    "swapped": swapped,
    "scaled": scaled,
}


def _flipped(result: Tensor, count: int, rng: np.random.Generator) -> Tensor | None:
    if result.is_complex():
        inner = _flipped(torch.view_as_real(result.resolve_conj()), count, rng)
        return None if inner is None else torch.view_as_complex(inner)
    if result.dtype is torch.bool:
        broken = result.contiguous().clone()
        flat = broken.view(-1)
        start = int(rng.integers(len(flat)))
        flat[start : start + count] = ~flat[start : start + count]
        return broken
    if result.dtype not in _BITS:
        return None
    whole, bits = _BITS[result.dtype]
    broken = result.contiguous().clone()
    flat = broken.view(-1).view(whole)
    start = int(rng.integers(len(flat)))
    bit = int(rng.integers(bits))
    mask = torch.tensor(1 << bit if bit < bits - 1 else -(1 << bit), dtype=whole)
    flat[start : start + count] ^= mask
    return broken
