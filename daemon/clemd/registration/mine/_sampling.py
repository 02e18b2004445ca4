"""Which pixels take part: edges of the fixed image, level by level of a pyramid.

As published, at most the first million edge pixels in raster order are kept: of a large
image only the top is seen, and the far corners drift. Ours are drawn from all over the
image, and where the moving image ends a mask says so instead of padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clemd.geometry import compose, invert, resizing
from clemd.model import BoolImage, Matrix

PYRAMID_SIGMA_PX = 2 / 3
EDGE_BLUR_PX = 21
EDGE_THRESHOLDS = (0, 30)
EDGE_GROWTH_PX = 5
MOST_SAMPLES = 1_000_000
HELD_BLOCKS = 12
"""Blocks along the longer side that are held out as a whole: neighbours know of each
other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a pyramid is sampled."""

    levels: int
    least_side_px: int
    """No level has a shorter side."""
    most: int
    """Pixels kept of a level."""
    permuted: bool
    """Drawn from all over the image; else the first in raster order."""
    held_out: float
    """Share of blocks that no step sees."""
    isotropic: bool
    """One unit of the movement is half the longer side, along both axes; else half of
    each side, which makes the capture range depend on the direction."""


PUBLISHED = Sampling(
    levels=6,
    least_side_px=1,
    most=MOST_SAMPLES,
    permuted=False,
    held_out=0.0,
    isotropic=False,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One image on its finest level."""

    grey: NDArray[np.float32]
    valid: BoolImage | None = None
    """None: ends where it ends, and reads 0 beyond."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """One level of the pyramid, ready to be sampled."""

    places: Tensor
    """(n, 3) homogeneous, in units of the movement; held-out ones last."""
    fixed: Tensor
    """(n,) grey values 0..1 there."""
    moving: Tensor
    """(1, 1 or 2, height, width): grey 0..1, and valid where there is a mask."""
    onto: Tensor
    """(3, 3): units of the movement -> -1..1 of `moving`, edge to edge."""
    fitted: int
    """How many of the places are there for the fit."""
    px_per_unit: float
    """Px of the fixed image's level in one unit, along the longer side."""

    def to(self, device: torch.device) -> Level:
        """The same on another device."""
        return Level(
            places=self.places.to(device),
            fixed=self.fixed.to(device),
            moving=self.moving.to(device),
            onto=self.onto.to(device),
            fitted=self.fitted,
            px_per_unit=self.px_per_unit,
        )


def levels_of(
    fixed: Plane, moving: Plane, start: Matrix, sampling: Sampling, seed: int = 0
) -> list[Level]:
    """The pyramid of two images, finest first; `start` fixed px -> moving px."""
    rng = np.random.default_rng([seed, 31])
    # the same blocks on every level: a coarser one shows what is held out as well
    blocks = rng.random((HELD_BLOCKS, HELD_BLOCKS)) < sampling.held_out
    shapes = fixed.grey.shape, moving.grey.shape
    levels: list[Level] = []
    for step in range(sampling.levels):
        if step:
            if min(fixed.grey.shape) // 2 < sampling.least_side_px:
                break
            fixed, moving = _halved(fixed), _halved(moving)
        unit = unit_from_px(_shape(fixed), isotropic=sampling.isotropic)
        onto = compose(
            unit_from_px(_shape(moving), isotropic=False),
            resizing(shapes[1], _shape(moving)),
            start,
            resizing(_shape(fixed), shapes[0]),
            invert(unit),
        )
        levels.append(_level(fixed, moving, unit, onto, sampling, blocks, rng))
    return levels


def unit_from_px(shape: tuple[int, ...], *, isotropic: bool) -> Matrix:
    """Px of (height, width) -> units about the centre, 1 at the edge."""
    # onto one pixel: its centre is 0 and its edges -0.5 and 0.5
    one = resizing((shape[0], shape[1]), (1, 1))
    longest = max(shape)
    share = [shape[1] / longest, shape[0] / longest] if isotropic else [1.0, 1.0]
    return compose(np.diag([2.0 * share[0], 2.0 * share[1], 1.0]), one)


def _shape(plane: Plane) -> tuple[int, int]:
    return int(plane.grey.shape[0]), int(plane.grey.shape[1])


def _halved(plane: Plane) -> Plane:
    """Half the size, edge to edge."""
    smooth = cv2.GaussianBlur(plane.grey, (0, 0), PYRAMID_SIGMA_PX)
    size = (-(-smooth.shape[1] // 2), -(-smooth.shape[0] // 2))
    half = cv2.resize(smooth, size, interpolation=cv2.INTER_LINEAR)
    grey = np.asarray(half, np.float32)
    if plane.valid is None:
        return Plane(grey=grey)
    share = cv2.GaussianBlur(plane.valid.astype(np.float32), (0, 0), PYRAMID_SIGMA_PX)
    valid = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR) > 0.99
    return Plane(grey=grey, valid=np.asarray(valid))


def _level(
    fixed: Plane,
    moving: Plane,
    unit: Matrix,
    onto: Matrix,
    sampling: Sampling,
    blocks: BoolImage,
    rng: np.random.Generator,
) -> Level:
    grey = _stretched(fixed)
    height, width = grey.shape
    chosen = edge_pixels(grey)
    if fixed.valid is not None:
        chosen = chosen[fixed.valid.ravel()[chosen]]
    if sampling.permuted:
        chosen = rng.permutation(chosen)
    chosen = chosen[: sampling.most]
    rows, columns = np.divmod(chosen, width)
    share = HELD_BLOCKS / max(height, width)
    held = blocks[(rows * share).astype(int), (columns * share).astype(int)]
    order = np.argsort(held, kind="stable")
    chosen, rows, columns = chosen[order], rows[order], columns[order]
    places = np.stack([columns, rows, np.ones(len(chosen))], 1) @ unit.T
    planes = [_stretched(moving)]
    if moving.valid is not None:
        planes.append(moving.valid.astype(np.float32))
    return Level(
        places=torch.from_numpy(places.astype(np.float32)),
        fixed=torch.from_numpy(grey.ravel()[chosen]),
        moving=torch.from_numpy(np.stack(planes))[None],
        onto=torch.from_numpy(onto.astype(np.float32)),
        fitted=int((~held).sum()),
        px_per_unit=max(height, width) / 2,
    )


def _stretched(plane: Plane) -> NDArray[np.float32]:
    """Darkest valid 0, brightest 1."""
    seen = plane.grey if plane.valid is None else plane.grey[plane.valid]
    if not seen.size:
        return np.zeros_like(plane.grey)
    low, high = float(seen.min()), float(seen.max())
    scaled = (plane.grey - low) / (high - low or 1.0)
    return np.asarray(np.clip(scaled, 0, 1), np.float32)


def edge_pixels(grey: NDArray[Any]) -> NDArray[np.intp]:
    """Flat indices of the pixels around edges; all where there is no edge."""
    blur = (EDGE_BLUR_PX, EDGE_BLUR_PX)
    smooth = cv2.GaussianBlur(np.asarray(255 * grey, np.uint8), blur, 0)
    edges = cv2.Canny(smooth, *EDGE_THRESHOLDS)
    grown = cv2.dilate(edges, np.ones((EDGE_GROWTH_PX, EDGE_GROWTH_PX), np.uint8))
    chosen = np.flatnonzero(grown)
    return chosen if len(chosen) else np.arange(grey.size)
