"""The section cut next: the same tissue, a little further down.

Recipe: every cell keeps its place in the rows of the tissue, but its seed point is
moved on its own, up to `MOVED` of the pitch along each axis, and the walls between
the cells follow; all that the cells hold (nucleus, bodies, lines) is drawn anew. Cells
move independently of each other, so no similarity takes one section to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._field import Points
from ._layout import Tissue
from ._specimen import Specimen

MOVED = 0.25
"""Largest shift of a cell along each axis, as a part of the pitch."""
_ANOTHER = 90_000_049
"""What is added to the seed for each section."""
_SALT = 10


class NextSection(Specimen):
    """The specimen of `seed`, `section` cuts further down (1 or more)."""

    def __init__(self, seed: int, section: int, *, pitch_um: float = 11.0) -> None:
        super().__init__(seed + section * _ANOTHER, pitch_um=pitch_um)
        self._tissue = MovedTissue(seed, pitch_um, section)


@dataclass(frozen=True)
class MovedTissue(Tissue):
    """The cells of a tissue, each moved."""

    section: int = 1

    def _seeds(
        self, box_um: tuple[float, float, float, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Points]:
        columns, rows, seeds_um = super()._seeds(box_um)
        salt = _SALT * self.section
        chances = [self._chance(columns, rows, salt + axis) for axis in (0, 1)]
        shifts = 2 * MOVED * self.pitch_um * (np.stack(chances, axis=1) - 0.5)
        return columns, rows, seeds_um + shifts
