"""Independent pieces of work, side by side.

A registration is hundreds of steps of milliseconds. Threads that share every step wait
for each other more than they help (decision 7); threads that each have a piece of their
own do not wait. What the pieces are never depends on how many lanes there are, so
neither does any result, to the last bit.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

import torch

T = TypeVar("T")

_inside = threading.local()


class Lanes:
    """So many pieces at a time."""

    def __init__(self, count: int) -> None:
        self.count = max(1, count)
        self._pool: ThreadPoolExecutor | None = None

    def run(self, pieces: Sequence[Callable[[], T]]) -> list[T]:
        """The results of `pieces`, in their order.

        All have ended when this returns; the first one's exception is raised. Pieces
        of a piece run one after the other.
        """
        alone = self.count == 1 or len(pieces) == 1
        if alone or getattr(_inside, "lane", False):
            return [piece() for piece in pieces]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(
                self.count, thread_name_prefix="lane", initializer=_begin
            )
        running = [self._pool.submit(_in_lane, piece) for piece in pieces]
        wait(running)
        return [one.result() for one in running]

    def resize(self, count: int) -> None:
        """So many from now on; only between two runs."""
        if self._pool is not None:
            self._pool.shutdown()
        self.count, self._pool = max(1, count), None


def _begin() -> None:
    torch.set_num_threads(1)  # partly a thread's own: a lane is one thread


def _in_lane(piece: Callable[[], T]) -> T:
    _inside.lane = True
    with torch.inference_mode():  # this is a thread's own
        return piece()


_CPU = Lanes(int(os.environ.get("CLEMD_THREADS") or min(2, os.cpu_count() or 1)))
_ALONE = Lanes(1)


def lanes_on(device: torch.device) -> Lanes:
    """For pieces of work on `device`; a GPU has a queue of its own, and gets one."""
    return _CPU if device.type == "cpu" else _ALONE


def use_threads(count: int) -> None:
    """Registrations of this process use so many threads from now on."""
    _CPU.resize(count)
