"""Sobel magnitudes on a Gaussian pyramid, every level on its own grid.

Levels are halved edge to edge, so that a level brought back to the first one's size
lies where it was. (A pyramid that keeps every second pixel moves its fourth level by
3.5 px.)
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import resizing
from clemd.model import FloatImage, Matrix

LEVELS = 4
"""Levels of the pyramid, as published."""
LEAST_TOP_PX = 6
"""Shorter side of the coarsest level; below it a Sobel operator sees borders only."""
HALVING_SIGMA_PX = 1.0

Stack = NDArray[np.float32]
"""(planes, height, width)."""


def sobel(plane: FloatImage) -> FloatImage:
    """Gradient magnitude per px, 3 x 3 Sobel operator."""
    along = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)
    return np.asarray(np.hypot(along, down), np.float32)


def sobels(stack: Stack) -> Stack:
    """Gradient magnitude of each plane."""
    return np.stack([sobel(plane) for plane in stack])


def pyramid(stack: Stack, levels: int = LEVELS) -> list[Stack]:
    """The planes on `levels` grids, each half as fine as the one before."""
    found = [stack]
    for _ in range(levels - 1):
        found.append(np.stack([_halved(plane) for plane in found[-1]]))
    return found


def grown(plane: FloatImage, shape: tuple[int, int]) -> FloatImage:
    """`plane` brought to (height, width) by bicubic interpolation, not below zero."""
    if plane.shape == shape:
        return plane
    large = cv2.resize(plane, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.maximum(large, 0), np.float32)


def from_first(shape: tuple[int, int], first: tuple[int, int]) -> Matrix:
    """Px of the first level -> px of a level of `shape`."""
    return resizing(first, shape)


def _halved(plane: FloatImage) -> FloatImage:
    height, width = plane.shape
    soft = cv2.GaussianBlur(plane, (0, 0), HALVING_SIGMA_PX)
    size = max(1, width // 2), max(1, height // 2)
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.float32)
