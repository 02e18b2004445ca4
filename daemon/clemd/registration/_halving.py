"""Work in ever smaller parts where a device's memory does not suffice.

Another program may fill a GPU at any moment. What is computed for many poses at once
can be computed for half of them, twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from clemd.errors import DeviceFullError

T = TypeVar("T")
R = TypeVar("R")


def in_halves(work: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
    """`work(items)`; where that does not fit, of each half of them.

    Raises:
        DeviceFullError: not even a single one fits.
    """
    try:
        return work(items)
    except torch.OutOfMemoryError as full:
        if len(items) < 2:
            raise device_full(full) from full
    # outside the handler: the failed attempt's tensors have been let go
    torch.cuda.empty_cache()
    middle = len(items) // 2
    return in_halves(work, items[:middle]) + in_halves(work, items[middle:])


def device_full(said: BaseException) -> DeviceFullError:
    """What is raised instead of torch's many lines."""
    return DeviceFullError(
        f"the device's memory is full ({str(said).splitlines()[0]}): close what else "
        "uses it"
    )
