"""The pyramid that the neural arms sample: edges of the EM image, level by level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

PYRAMID_LEVELS = 6
PYRAMID_SIGMA_PX = 2 / 3
EDGE_BLUR_PX = 21
EDGE_THRESHOLDS = (0, 30)
EDGE_GROWTH_PX = 5
MOST_SAMPLES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of the pyramid, ready to be sampled."""

    places: Tensor
    """(n, 3) homogeneous in -1..1 of the fixed image's edges."""
    fixed: Tensor
    """(n,) grey values 0..1 there."""
    moving: Tensor
    """(1, 1, height, width), 0..1."""


def levels_of(fixed: NDArray[Any], moving: NDArray[Any]) -> list[Level]:
    """The pyramid of two images of one shape, finest first."""
    levels = []
    for step in range(PYRAMID_LEVELS):
        if step:
            fixed, moving = _halved(fixed), _halved(moving)
        levels.append(_level(fixed, moving))
        if min(fixed.shape) < 2:
            break
    return levels


def _halved(image: NDArray[Any]) -> NDArray[np.float32]:
    """Half the size, edge to edge."""
    smooth = cv2.GaussianBlur(image, (0, 0), PYRAMID_SIGMA_PX)
    size = (-(-image.shape[1] // 2), -(-image.shape[0] // 2))
    return np.asarray(
        cv2.resize(smooth, size, interpolation=cv2.INTER_LINEAR), np.float32
    )


def _level(fixed: NDArray[Any], moving: NDArray[Any]) -> Level:
    fixed, moving = _stretched(fixed), _stretched(moving)
    height, width = fixed.shape
    chosen = _samples(fixed)
    rows, columns = np.divmod(chosen, width)
    places = np.stack(
        [
            (2 * columns + 1) / width - 1,
            (2 * rows + 1) / height - 1,
            np.ones(len(chosen)),
        ],
        axis=1,
    )
    return Level(
        places=torch.from_numpy(places.astype(np.float32)),
        fixed=torch.from_numpy(fixed.ravel()[chosen]),
        moving=torch.from_numpy(moving)[None, None],
    )


def _stretched(image: NDArray[Any]) -> NDArray[np.float32]:
    """Darkest 0, brightest 1."""
    low, high = float(image.min()), float(image.max())
    return np.asarray((image - low) / (high - low or 1.0), np.float32)


def _samples(fixed: NDArray[np.float32]) -> NDArray[np.intp]:
    """Flat indices of the pixels around edges; all where the level has no edge.

    At most the first million in raster order, as published: of a large image only
    the top is seen.
    """
    smooth = cv2.GaussianBlur(
        np.asarray(255 * fixed, np.uint8), (EDGE_BLUR_PX, EDGE_BLUR_PX), 0
    )
    edges = cv2.Canny(smooth, *EDGE_THRESHOLDS)
    grown = cv2.dilate(edges, np.ones((EDGE_GROWTH_PX, EDGE_GROWTH_PX), np.uint8))
    chosen = np.flatnonzero(grown)
    return chosen[:MOST_SAMPLES] if len(chosen) else np.arange(fixed.size)
