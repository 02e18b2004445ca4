"""The map and its guide on grids of one pitch, with their gradients level by level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, invert, resizing
from clemd.model import BoolImage, FloatImage, Matrix, PreparedImage

from ._cleaning import CleanCube
from ._gradients import LEVELS, Stack, from_first, grown, pyramid, sobel, sobels

MAP_SIDE_PX = 200
"""Longest side to which a smaller map is brought by bicubic interpolation."""
MOST_FINER = 4
"""But never finer than this many px per point."""
SPOT_PX = 0.5
"""Sigma that is taken for the spot of the map's instrument, points of the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CubeGrid:
    """The bands' gradients, on the map's grid and those of its coarser levels."""

    levels: tuple[Stack, ...]
    """(bands, height, width) of each level."""
    grams: tuple[NDArray[np.float64], ...]
    """A'A of each level over all of the map."""
    masks: tuple[BoolImage, ...]
    from_full: Matrix
    """Points of the map as stored -> px of the first level."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the first level."""
        rows, columns = self.masks[0].shape
        return int(rows), int(columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class GuideGrid:
    """The guide's gradient of each level, all brought to the size of the first."""

    levels: Stack
    """(levels, height, width)."""
    mask: BoolImage
    from_full: Matrix
    """Px of the guide as stored -> px of these."""


def finer(shape: tuple[int, int]) -> int:
    """Px per point of a map of (height, width) points."""
    return max(1, min(MOST_FINER, round(MAP_SIDE_PX / max(shape))))


def cube_grid(image: PreparedImage, cube: CleanCube) -> CubeGrid:
    """The map's gradients; `image` is where `cube` came from."""
    height, width = image.mask.shape
    factor = finer((height, width))
    size = (height * factor, width * factor)
    large = np.stack([_enlarged(band, size) for band in cube.bands])
    levels = tuple(sobels(stack) for stack in pyramid(large))
    masks = tuple(_inside(image.mask, stack.shape[1:]) for stack in levels)
    return CubeGrid(
        levels=levels,
        grams=tuple(gram_of(s, m) for s, m in zip(levels, masks, strict=True)),
        masks=masks,
        from_full=compose(resizing((height, width), size), image.from_full),
    )


def guide_grid(image: PreparedImage, pitch_px: float) -> GuideGrid:
    """The guide sampled at `pitch_px` px as stored, as blurred as a map would be."""
    grey = np.asarray(np.mean(image.layers, axis=0), np.float32)
    mask = image.mask
    grey = np.where(mask, grey, np.float32(np.median(grey[mask])))
    per_full = math.sqrt(abs(float(np.linalg.det(image.from_full[:2, :2]))))
    factor = max(pitch_px * per_full, 0.25)
    height, width = grey.shape
    size = (max(8, round(height / factor)), max(8, round(width / factor)))
    area = cv2.INTER_AREA if factor > 1 else cv2.INTER_CUBIC
    small = np.asarray(cv2.resize(grey, size[::-1], interpolation=area), np.float32)
    levels = [sobel(stack[0]) for stack in pyramid(small[None])]
    return GuideGrid(
        levels=np.stack([grown(level, size) for level in levels]),
        mask=_inside(mask, size),
        from_full=compose(resizing((height, width), size), image.from_full),
    )


def gram_of(stack: Stack, mask: BoolImage) -> NDArray[np.float64]:
    """A'A where the columns of A are the planes inside `mask`."""
    flat = stack[:, mask]
    return np.asarray(flat @ flat.T, np.float64)


def onto(guide: GuideGrid, cube: CubeGrid, matrix: Matrix, level: int = 0) -> Matrix:
    """Px of a level of the map -> px of the guide's grid; `matrix` map -> guide."""
    first = invert(from_first(cube.levels[level].shape[1:], cube.shape))
    return compose(guide.from_full, matrix, invert(cube.from_full), first)


def outward(guide: GuideGrid, cube: CubeGrid, inner: Matrix) -> Matrix:
    """The inverse of `onto` for the first level: map -> guide, as stored."""
    return compose(invert(guide.from_full), inner, cube.from_full)


def seen_through(
    plane: FloatImage, matrix: Matrix, shape: tuple[int, int]
) -> FloatImage:
    """`plane` at the places to which `matrix` takes px of an image of `shape`."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(plane, matrix[:2], shape[::-1], flags=flags)
    return np.asarray(seen, np.float32)


def _enlarged(band: FloatImage, size: tuple[int, int]) -> FloatImage:
    return np.asarray(
        cv2.resize(band, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32
    )


def _inside(mask: BoolImage, shape: tuple[int, ...]) -> BoolImage:
    """`mask` on another grid, without a rim of one px and what it touches."""
    size = (int(shape[1]), int(shape[0]))
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    solid = (share > 0.99).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    return cv2.erode(
        solid, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0
    ).astype(bool)


__all__ = [
    "LEVELS",
    "CubeGrid",
    "GuideGrid",
    "cube_grid",
    "finer",
    "gram_of",
    "guide_grid",
    "onto",
    "outward",
    "seen_through",
]
