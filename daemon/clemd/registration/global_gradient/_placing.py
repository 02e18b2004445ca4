"""Equation 10: the affine matrix under which the two gradient images differ least.

Gauss-Newton with damping, from heavily smoothed images to sharp ones. A gain and an
offset between the images are fitted along, so that only their pattern counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import middle_of
from clemd.model import BoolImage, FloatImage, Matrix

from ._grids import seen_through

ROUNDS = 25
STILL_PX = 0.01
"""A step that moves no corner further ends a level."""
STIFFNESS = 0.02
"""Price of leaving the similarities, as a share of the fit's own stiffness."""
LEAST_OVERLAP = 0.25
"""Share of the map that must stay on the guide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where the images differ least."""

    matrix: Matrix
    """Map grid px -> guide grid px."""
    correlation: float
    """Between the images there, -1..1."""


def place(
    guide: FloatImage,
    cube: FloatImage,
    guide_mask: BoolImage,
    cube_mask: BoolImage,
    matrix: Matrix,
    sigmas_px: Sequence[float],
    *,
    affine: bool = True,
) -> Placed:
    """Move `matrix` to the nearest minimum, once for each smoothing.

    With `affine` the last two may leave the similarities.
    """
    found = Placed(matrix=matrix, correlation=-1.0)
    for turn, sigma in enumerate(sigmas_px):
        free = affine and turn >= len(sigmas_px) - 2
        found = _settled(
            _Look(guide, cube, guide_mask, cube_mask, sigma), found.matrix, free
        )
    return found


def agreement(
    guide: FloatImage,
    cube: FloatImage,
    guide_mask: BoolImage,
    cube_mask: BoolImage,
    matrix: Matrix,
) -> float:
    """Correlation between the images at `matrix`, -1..1."""
    return _correlation(_Look(guide, cube, guide_mask, cube_mask, 0.0), matrix)


class _Look:
    """Both images at one smoothing, with the guide's derivatives."""

    def __init__(
        self,
        guide: FloatImage,
        cube: FloatImage,
        guide_mask: BoolImage,
        cube_mask: BoolImage,
        sigma: float,
    ) -> None:
        self.guide, self.valid = _soft(guide, guide_mask, sigma)
        self.cube, _ = _soft(cube, cube_mask, sigma)
        self.cube_mask = cube_mask
        self.along: FloatImage = np.asarray(
            cv2.Sobel(self.guide, cv2.CV_32F, 1, 0, scale=1 / 8), np.float32
        )
        self.down: FloatImage = np.asarray(
            cv2.Sobel(self.guide, cv2.CV_32F, 0, 1, scale=1 / 8), np.float32
        )
        self.shape = (int(cube.shape[0]), int(cube.shape[1]))

    def at(self, matrix: Matrix) -> tuple[BoolImage, FloatImage]:
        """Which px of the map lie on the guide, and what the guide shows there."""
        inside = self.cube_mask & (seen_through(self.valid, matrix, self.shape) > 0.99)
        return inside, seen_through(self.guide, matrix, self.shape)


def _soft(
    image: FloatImage, mask: BoolImage, sigma: float
) -> tuple[FloatImage, FloatImage]:
    """Smoothed over the valid px alone; the mask as numbers."""
    valid = mask.astype(np.float32)
    if sigma <= 0:
        return image, valid
    top = cv2.GaussianBlur(image * valid, (0, 0), sigma)
    share = cv2.GaussianBlur(valid, (0, 0), sigma)
    return np.asarray(top / np.maximum(share, 1e-3), np.float32), valid


def _settled(look: _Look, matrix: Matrix, free: bool) -> Placed:
    best = _correlation(look, matrix)
    damping = 1e-3
    for _ in range(ROUNDS):
        step = _step(look, matrix, damping, free)
        if step is None:
            break
        tried = matrix @ step
        value = _correlation(look, tried)
        if value > best:
            moved = _largest_move(step, look.shape)
            matrix, best, damping = tried, value, damping / 3
            if moved < STILL_PX:
                break
        else:
            damping *= 8
            if damping > 1e4:
                break
    return Placed(matrix=matrix, correlation=best)


def _correlation(look: _Look, matrix: Matrix) -> float:
    inside, seen = look.at(matrix)
    if inside.sum() < LEAST_OVERLAP * max(1, look.cube_mask.sum()):
        return -1.0
    a, b = seen[inside].astype(np.float64), look.cube[inside].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    power = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / power if power > 0 else -1.0


def _step(look: _Look, matrix: Matrix, damping: float, free: bool) -> Matrix | None:
    """A movement of the map's own px that lowers the difference, or None."""
    inside, seen = look.at(matrix)
    rows, columns = np.nonzero(inside)
    if len(rows) < 64:
        return None
    middle = np.array(middle_of(look.shape))
    unit = max(look.shape) / 2
    x, y = (columns - middle[0]) / unit, (rows - middle[1]) / unit
    along = seen_through(look.along, matrix, look.shape)[inside].astype(np.float64)
    down = seen_through(look.down, matrix, look.shape)[inside].astype(np.float64)
    # derivative by the map's own px: a step moves the map under the matrix
    gx = along * matrix[0, 0] + down * matrix[1, 0]
    gy = along * matrix[0, 1] + down * matrix[1, 1]
    columns_of = [gx, gy, gx * x + gy * y, gy * x - gx * y]
    if free:
        columns_of += [gx * x - gy * y, gy * x + gx * y]
    a, b = seen[inside].astype(np.float64), look.cube[inside].astype(np.float64)
    plain = np.stack([a, np.ones_like(a)], 1)
    gain, *_ = np.linalg.lstsq(plain.T @ plain, plain.T @ b, rcond=None)
    if gain[0] <= 0:
        gain[0] = 1e-3 * b.std() / max(float(a.std()), 1e-12)
    full = np.column_stack([gain[0] * np.stack(columns_of, 1), plain])
    normal = full.T @ full
    count = len(columns_of)
    scale = np.trace(normal[:count, :count]) / count
    normal[range(count), range(count)] += damping * scale
    if free:
        normal[4:6, 4:6] += STIFFNESS * scale * np.eye(2)
    try:
        found = np.linalg.solve(normal, full.T @ (b - plain @ gain))
    except np.linalg.LinAlgError:
        return None
    return _movement(found[:count], middle, unit)


def _movement(
    found: NDArray[np.float64], middle: NDArray[np.float64], unit: float
) -> Matrix:
    """Shift, growth, turn (and two strains) about the middle, as a matrix."""
    dx, dy, growth, turn, *strain = found
    stretch, shear = strain or (0.0, 0.0)
    linear = np.array(
        [[1 + (growth + stretch) / unit, (shear - turn) / unit],
         [(shear + turn) / unit, 1 + (growth - stretch) / unit]]
    )  # fmt: skip
    step = np.eye(3)
    step[:2, :2] = linear
    step[:2, 2] = middle + np.array([dx, dy]) - linear @ middle
    return step


def _largest_move(step: Matrix, shape: tuple[int, int]) -> float:
    ends = np.array(
        [[0, 0, 1], [shape[1], 0, 1], [0, shape[0], 1], [shape[1], shape[0], 1]]
    )
    return float(np.abs(ends @ (step - np.eye(3)).T).max())
