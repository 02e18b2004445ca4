"""Where other programs put the origin of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clemd.model import Matrix

from ._matrices import apply, translation

CENTRE_TO_CORNER: Matrix = translation(0.5, 0.5)
"""Px from the centre of the first pixel -> px from its outer (upper left) corner."""


def outer_corners(shape: tuple[int, int]) -> NDArray[np.float64]:
    """The image's four outer corners, half a px beyond its corner pixels, (4, 2).

    `shape` is (height, width); clockwise from the upper left; origin at the centre of
    the first pixel, like everything else here.
    """
    right, bottom = shape[1] - 0.5, shape[0] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def from_corner(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Px points, (n, 2), counted from the first pixel's outer corner."""
    return apply(CENTRE_TO_CORNER, points)


def rows_first(matrix: Matrix) -> Matrix:
    """A matrix on (x, y) as the same matrix on (row, column) = (y, x)."""
    order = [1, 0, 2]
    return np.asarray(matrix[np.ix_(order, order)])
