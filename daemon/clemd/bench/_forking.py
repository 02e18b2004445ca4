"""A registration that forks where its device is to compute wrongly."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ._fault_kinds import KINDS, Past
from .pretend_device import PretendDevice

CHILD_S = 600
"""A registration that hangs is killed, as a worker would be."""
STOPPED = "stopped"
FOLLOWED = 1.1
"""A child that the checks have complained of is ended after so many times the
operations of the undisturbed registration: it searches for what is lost by then."""
_LARGEST_KEPT = 1 << 20
"""Results with more numbers are not kept for a stale buffer."""


class Watcher:
    """Sees every operation of a pretended device, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self.device: PretendDevice | None = None
        self.notes: list[str] = []
        """What the checks say, once the registration has begun."""

    def __call__(self, name: str, result: Tensor) -> Tensor | None:
        """What the device says instead; None = the truth."""
        self.count += 1
        return None


class Forking(Watcher):
    """Breaks one result in a child of this process, at each of `at`."""

    def __init__(
        self,
        at: dict[int, tuple[str, bool]],
        rng: np.random.Generator,
        operations: int,
    ) -> None:
        """`at`: which operations, each with its kind of fault and whether it stays.

        `operations`: how many the undisturbed registration has.
        """
        super().__init__()
        self.at, self.rng = at, rng
        self.most = FOLLOWED * operations
        self.past: Past = {}
        self.child: _Child | None = None
        self.heard: list[dict[str, Any]] = []

    def __call__(self, name: str, result: Tensor) -> Tensor | None:
        """What the device says instead; None = the truth."""
        here, self.count = self.count, self.count + 1
        said = None
        if self.child is not None:
            if self.notes and self.count > self.most:
                self.child.end({"end": STOPPED, "noticed": self.notes[0]})
            said = self.child.again(name, result, self.past)
        elif here in self.at:
            kind, stays = self.at[here]
            said = self._fork(here, kind, name, result, stays=stays)
        if result.numel() <= _LARGEST_KEPT:
            self.past[name, tuple(result.shape), result.dtype] = result
        return said

    def _fork(
        self, here: int, kind: str, name: str, result: Tensor, *, stays: bool
    ) -> Tensor | None:
        seed = int(self.rng.integers(1 << 31))
        broken = KINDS[kind](name, result, self.past, np.random.default_rng(seed))
        if broken is None or _same(broken, result):
            return None  # this kind cannot be here: no registration is spent on it
        told, tell = os.pipe()
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            os.close(told)
            signal.alarm(CHILD_S)
            self.child = _Child(tell, name, kind, seed, stays=stays)
            self.past = self.past if stays else {}
            if not stays and self.device is not None:
                self.device.release()
            return broken
        os.close(tell)
        with os.fdopen(told) as lines:
            text = lines.read()
        os.waitpid(process, 0)
        heard: dict[str, Any] = (
            json.loads(text)
            if text
            else {"end": "failed", "said": "ended without word"}
        )
        self.heard.append(
            heard | {"operation": here, "name": name, "kind": kind, "stays": stays}
        )
        return None


class _Child:
    """A registration that goes on with a fault in it."""

    def __init__(
        self, tell: int, name: str, kind: str, seed: int, *, stays: bool
    ) -> None:
        self.tell, self.name, self.kind = tell, name, kind
        self.rng = np.random.default_rng(seed)
        self.stays = stays

    def again(self, name: str, result: Tensor, past: Past) -> Tensor | None:
        """A device that stays broken is wrong whenever it does the same again."""
        if not self.stays or name != self.name:
            return None
        return KINDS[self.kind](name, result, past, self.rng)

    def end(self, told: dict[str, Any]) -> None:
        """Tell the parent, and be gone."""
        os.write(self.tell, json.dumps(told).encode())
        os._exit(0)


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(torch.equal(one, other))
