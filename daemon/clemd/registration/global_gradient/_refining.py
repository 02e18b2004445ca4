"""From a rough place to a fine one: weights and matrix in turn, coarse to fine.

As published, the levels are added up (equations 6 to 9) and the sum is registered.
Their weights fall on the coarsest level, which is easiest to imitate and hardest to
place; so once the sum has been registered, the first level is registered alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clemd.geometry import decompose, middle_of
from clemd.model import FloatImage, Matrix, PreparedImage

from ._cleaning import CleanCube
from ._fusing import Fused, fuse
from ._grids import CubeGrid, GuideGrid, cube_grid, finer, guide_grid, onto, outward
from ._placing import Placed, agreement, place

PUBLISHED_SIGMAS_PX = (8.0, 4.0, 2.0, 1.0)
"""Smoothings of the one registration that the paper makes, px of the grid."""
SUM_SIGMAS_PX = (3.0, 1.5)
FINE_SIGMAS_PX = ((2.0, 1.0, 0.5), (1.0, 0.5))
"""Smoothings of each round on the first level alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """Where a cube lies on its guide, and the weights that say so."""

    matrix: Matrix
    """Map -> guide, px as stored."""
    fused: Fused
    """At that place."""
    sum_correlation: float
    """Of the two weighted sums there, -1..1."""
    fine_correlation: float
    """Of the first level alone."""


class GradientPair:
    """A cube and its guide with their gradients made once."""

    def __init__(
        self, image: PreparedImage, cube: CleanCube, guide: PreparedImage, scale: float
    ) -> None:
        """`scale`: about how many px of the guide one point of the map is wide."""
        self.cube: CubeGrid = cube_grid(image, cube)
        height, width = image.mask.shape
        self.guide: GuideGrid = guide_grid(guide, scale / finer((height, width)))

    def published(self, start: Matrix) -> Matrix:
        """As in the paper: weights once at `start`, then one registration."""
        fused = fuse(self.guide, self.cube, start)
        return self._placed(fused, start, PUBLISHED_SIGMAS_PX)[0]

    def refined(self, start: Matrix) -> Refined:
        """Weights and matrix in turn; the first level has the last word."""
        fused = fuse(self.guide, self.cube, start)
        matrix, _ = self._placed(fused, start, SUM_SIGMAS_PX)
        found = max(
            (self._fine(begin, fused) for begin in (start, matrix)),
            key=lambda one: one[1],
        )
        fused = fuse(self.guide, self.cube, found[0])
        at = onto(self.guide, self.cube, found[0])
        masks = self.guide.mask, self.cube.masks[0]
        there = agreement(fused.guide, fused.cube, *masks, at)
        return Refined(
            matrix=found[0],
            fused=fused,
            sum_correlation=there,
            fine_correlation=found[1],
        )

    def _fine(self, matrix: Matrix, fused: Fused) -> tuple[Matrix, float]:
        """The first level alone, its weights solved anew in each round."""
        correlation = -1.0
        for sigmas in FINE_SIGMAS_PX:
            fused = fuse(self.guide, self.cube, matrix)
            weights = fused.bands[0].astype(np.float32)
            first: FloatImage = np.asarray(
                np.tensordot(weights, self.cube.levels[0], 1), np.float32
            )
            found = self._at(self.guide.levels[0], first, matrix, sigmas)
            matrix = outward(self.guide, self.cube, found.matrix)
            correlation = found.correlation
        return matrix, correlation

    def _placed(
        self, fused: Fused, start: Matrix, sigmas: tuple[float, ...]
    ) -> tuple[Matrix, float]:
        found = self._at(fused.guide, fused.cube, start, sigmas)
        return outward(self.guide, self.cube, found.matrix), found.correlation

    def _at(
        self,
        guide: FloatImage,
        cube: FloatImage,
        start: Matrix,
        sigmas: tuple[float, ...],
    ) -> Placed:
        inner = onto(self.guide, self.cube, start)
        masks = self.guide.mask, self.cube.masks[0]
        return place(guide, cube, *masks, inner, sigmas)


def scale_of(matrix: Matrix, shape: tuple[int, int]) -> float:
    """Guide px per point of a map of (height, width) points."""
    return decompose(matrix, middle_of(shape)).scale
