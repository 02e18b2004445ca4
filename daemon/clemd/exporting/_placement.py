"""LM channels resampled into the EM image's pixels, whole or one region at a time."""

from __future__ import annotations

import cv2
import numpy as np

from clemd.geometry import apply, compose, corners, cropping, invert
from clemd.model import BoolImage, Matrix

from ._context import Plane
from ._contrast import Binned, bin_plane
from ._enlarging import enlarged

_MARGIN_PX = 4
"""LM px kept around what a region needs, so that interpolation has neighbours."""


class PlacedLayer:
    """One LM plane seen on a grid of EM px.

    `grid_to_lm` maps px of that grid (EM px, or EM px after binning) to LM px. Where
    one grid px covers several LM px the plane is averaged first, so nothing aliases.
    `for_the_eye` enlarges by Lanczos instead of linearly: not for values that somebody
    may measure.
    """

    def __init__(
        self,
        plane: Plane,
        grid_to_lm: Matrix,
        grid_shape: tuple[int, int],
        *,
        for_the_eye: bool = False,
    ) -> None:
        step = _lm_px_per_grid_px(grid_to_lm, grid_shape)
        factor = max(1, min(int(step + 1e-6), *plane.shape))
        self._by_lanczos = for_the_eye and step < 1
        binned = bin_plane(plane, factor)
        self._binned = binned
        self._to_binned = compose(binned.from_full, grid_to_lm)

    def region(self, y0: int, x0: int, height: int, width: int) -> Plane:
        """The layer on grid rows y0..y0+height, columns x0..x0+width; 0 outside LM."""
        return self.look(y0, x0, height, width)[0]

    def look(
        self, y0: int, x0: int, height: int, width: int
    ) -> tuple[Plane, BoolImage]:
        """The same, and where the centres of the grid's px lie on the LM image."""
        shape = (height, width)
        to_binned = compose(self._to_binned, invert(cropping(x0, y0)))
        window = _window(self._binned, to_binned, shape)
        if window is None:
            return np.zeros(shape, self._binned.plane.dtype), np.zeros(shape, np.bool_)
        top, left, crop = window
        to_crop = compose(cropping(left, top), to_binned)
        pull = cv2.WARP_INVERSE_MAP
        # nearest neighbour: pixels are squares, the LM ends half a px past its centres
        there = np.full(crop.shape, 255, np.uint8)
        near = cv2.INTER_NEAREST | pull
        inside = cv2.warpPerspective(there, to_crop, (width, height), flags=near) > 0
        if self._by_lanczos:
            placed = enlarged(crop, to_crop, shape)
        else:
            placed = cv2.warpPerspective(
                crop,
                to_crop,
                (width, height),
                flags=cv2.INTER_LINEAR | pull,
                borderMode=cv2.BORDER_REPLICATE,
            )
        placed[~inside] = 0
        return np.asarray(placed), np.asarray(inside)


def _window(
    binned: Binned, to_binned: Matrix, shape: tuple[int, int]
) -> tuple[int, int, Plane] | None:
    """(top, left, crop) of the LM px that a region needs; None if it needs none."""
    reached = apply(to_binned, corners(shape))
    left, top = np.floor(reached.min(axis=0)).astype(int) - _MARGIN_PX
    right, bottom = np.ceil(reached.max(axis=0)).astype(int) + _MARGIN_PX + 1
    rows, columns = binned.plane.shape
    left, right = max(0, int(left)), min(columns, int(right))
    top, bottom = max(0, int(top)), min(rows, int(bottom))
    if left >= right or top >= bottom:
        return None
    return top, left, binned.plane[top:bottom, left:right]


def _lm_px_per_grid_px(grid_to_lm: Matrix, shape: tuple[int, int]) -> float:
    x, y = shape[1] / 2, shape[0] / 2
    here, right, below = apply(grid_to_lm, [(x, y), (x + 1, y), (x, y + 1)])
    return float(min(np.linalg.norm(right - here), np.linalg.norm(below - here)))
