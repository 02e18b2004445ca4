"""The contract of a registration engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from clemd.model import PosePrior, PreparedImage, Registration


class Checkpoints(Protocol):
    """Where an engine that takes minutes leaves how far it has come."""

    def load(self, key: str) -> bytes | None:
        """What was left under `key`; None if nothing, or nothing whole."""
        ...

    def save(self, key: str, state: bytes) -> None:
        """Leave `state`; what was there is replaced at once or not at all."""
        ...

    def drop(self, key: str) -> None:
        """The work is done: nothing is left under `key`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineContext:
    """What an engine is given beside the images."""

    device: str = "cpu"
    """torch device, already resolved."""
    seed: int = 0
    tolerance: float = 0.02
    """Largest error radius that may be accepted, fraction of the EM width."""
    time_limit_s: float = 300.0
    breathe: Callable[[str], None] = field(default=lambda _stage: None)
    """Called at every breathing point with the stage's name; may block (heat) or
    raise (stop)."""
    checkpoints: Checkpoints | None = None
    """None: an engine that is stopped begins anew."""


class Engine(Protocol):
    """Lays a prepared EM image on a prepared LM image."""

    name: str
    version: str

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Find, refine and judge the pose.

        Returns a `rejected` registration without a matrix where nothing can be
        said; never a matrix that only looks like an answer.

        Raises:
            RegistrationRefusedError: an input cannot be registered at all.
            DeviceError: the device failed; recycle the worker and try again.
        """
        ...
