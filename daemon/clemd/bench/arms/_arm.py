"""The contract of a benchmark arm: somebody else's way to register the same pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from clemd.model import Matrix

Image = NDArray[np.uint8]
"""(height, width), grey, as read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmResult:
    """What an arm made of one pair."""

    em_to_lm: Matrix | None
    """EM px -> LM px, pixel centres; None where it found nothing."""
    seconds: float
    """Wall clock from two arrays to the matrix; loading its libraries is not in it."""
    note: str = ""
    """What a reader of the figure must know, in one line."""


class Arm(Protocol):
    """One published or customary method with its settings fixed."""

    @property
    def name(self) -> str:
        """What the command line and the table call it."""
        ...

    @property
    def summary(self) -> str:
        """Its settings in one line, for the table."""
        ...

    @property
    def package(self) -> str | None:
        """The importable name of the optional package it needs."""
        ...

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """Lay `em` on `lm`; never told the pose nor the mirror.

        Args:
            em: uint8 (height, width) as read, its info bar included.
            lm: uint8 (height, width) as read.
            ratio: LM / EM pixel size as the metadata state it, possibly wrong.
                None: both images are taken to show equal fields.
            threads: how many it may use.
            seed: of whatever it draws, 0 or more.
        """
        ...
