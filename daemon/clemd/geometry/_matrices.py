"""Pixel matrices: every bin, crop and flip as the 3x3 it applied.

Pixel coordinates are (x, y), x right, y down, with the origin at the CENTRE of the
first pixel of the image as stored. Column vectors, float64. This is the only module
that knows about half pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clemd.model import Matrix, Matrix3


def translation(x_px: float, y_px: float) -> Matrix:
    """Shift points by (x_px, y_px)."""
    return np.array([[1.0, 0, x_px], [0, 1.0, y_px], [0, 0, 1.0]])


def binning(factor_x: float, factor_y: float | None = None) -> Matrix:
    """Full px -> px after averaging blocks of `factor`: x' = (x + 0.5)/b - 0.5."""
    fx, fy = factor_x, factor_y if factor_y is not None else factor_x
    return np.array(
        [[1 / fx, 0, 0.5 / fx - 0.5], [0, 1 / fy, 0.5 / fy - 0.5], [0, 0, 1.0]]
    )


def resizing(from_shape: tuple[int, int], to_shape: tuple[int, int]) -> Matrix:
    """Px of an image of `from_shape` -> px after resampling it to `to_shape`.

    Shapes are (height, width); both images cover the same field edge to edge.
    """
    return binning(from_shape[1] / to_shape[1], from_shape[0] / to_shape[0])


def cropping(x0_px: int, y0_px: int) -> Matrix:
    """Full px -> px of the crop whose first pixel was (x0_px, y0_px)."""
    return translation(-x0_px, -y0_px)


def mirroring(width_px: int) -> Matrix:
    """Px -> px after a left-right flip of an image `width_px` wide."""
    return np.array([[-1.0, 0, width_px - 1], [0, 1.0, 0], [0, 0, 1.0]])


def similarity(
    *,
    scale: float,
    rotation_deg: float,
    mirrored: bool = False,
    about: tuple[float, float] = (0.0, 0.0),
    onto: tuple[float, float] = (0.0, 0.0),
) -> Matrix:
    """Mirror left-right (optional), turn, scale; the point `about` lands on `onto`.

    Positive `rotation_deg` turns clockwise as displayed (y points down).
    """
    t = math.radians(rotation_deg)
    linear = scale * np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    if mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.asarray(onto) - linear @ np.asarray(about)
    return matrix


def compose(*matrices: Matrix) -> Matrix:
    """The matrix that applies the LAST argument first (matrix-product order)."""
    result = np.eye(3)
    for matrix in matrices:
        result = result @ matrix
    return result


def invert(matrix: Matrix) -> Matrix:
    """The matrix that undoes `matrix`.

    Raises:
        numpy.linalg.LinAlgError: it cannot be undone.
    """
    inverse = np.linalg.inv(matrix)
    return np.asarray(inverse / inverse[2, 2])


def apply(matrix: Matrix, points: ArrayLike) -> NDArray[np.float64]:
    """Move points, shape (n, 2) as (x, y), by `matrix`; returns (n, 2)."""
    xy = np.atleast_2d(np.asarray(points, np.float64))
    moved = np.c_[xy, np.ones(len(xy))] @ np.asarray(matrix, np.float64).T
    return np.asarray(moved[:, :2] / moved[:, 2:])


def corners(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Centres of the four corner pixels, (4, 2) as (x, y), clockwise from 0, 0."""
    height, width = shape
    right, bottom = width - 1.0, height - 1.0
    return np.array([[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]])


def middle_of(shape: tuple[int, ...]) -> tuple[float, float]:
    """The middle of an image of (height, width, ...) px, as (x, y)."""
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def corner_errors(
    found: Matrix, true: Matrix, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Distance between where two matrices put the corners of an image, (4,)."""
    difference = apply(found, corners(shape)) - apply(true, corners(shape))
    return np.asarray(np.linalg.norm(difference, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseParts:
    """A matrix in the words a microscopist uses."""

    scale: float
    """Geometric mean of the two axis scales."""
    rotation_deg: float
    """Clockwise as displayed, (-180, 180]."""
    mirrored: bool
    anisotropy: float
    """Larger axis scale / smaller axis scale - 1."""
    shear_deg: float


def decompose(matrix: Matrix, at: tuple[float, float] = (0.0, 0.0)) -> PoseParts:
    """Scale, rotation, mirror, anisotropy and shear of `matrix` near point `at`."""
    m = np.asarray(matrix, np.float64)
    w = m[2, 0] * at[0] + m[2, 1] * at[1] + m[2, 2]
    x, y = (m[:2] @ np.array([at[0], at[1], 1.0])) / w
    linear = (m[:2, :2] - np.outer([x, y], m[2, :2])) / w
    mirrored = bool(np.linalg.det(linear) < 0)
    upright = linear @ np.diag([-1.0, 1.0]) if mirrored else linear
    # the rotation nearest to the linear part, whatever its shear
    angle = math.atan2(upright[1, 0] - upright[0, 1], upright[0, 0] + upright[1, 1])
    singular = np.linalg.svd(upright, compute_uv=False)
    ex, ey = upright[:, 0], upright[:, 1]
    cosine = float(ex @ ey / (np.linalg.norm(ex) * np.linalg.norm(ey)))
    return PoseParts(
        scale=float(math.sqrt(singular[0] * singular[1])),
        rotation_deg=math.degrees(angle),
        mirrored=mirrored,
        anisotropy=float(singular[0] / singular[1] - 1),
        shear_deg=math.degrees(math.asin(max(-1.0, min(1.0, cosine)))),
    )


def pixel_to_um(pixel_size_um: tuple[float, float]) -> Matrix:
    """Px -> µm, both with their origin at the centre of the first pixel."""
    return np.diag([pixel_size_um[0], pixel_size_um[1], 1.0])


def in_um(
    em_to_lm: Matrix,
    em_pixel_um: tuple[float, float],
    lm_pixel_um: tuple[float, float],
) -> Matrix:
    """The EM -> LM px matrix as EM µm -> LM µm."""
    return compose(pixel_to_um(lm_pixel_um), em_to_lm, invert(pixel_to_um(em_pixel_um)))


def as_rows(matrix: Matrix) -> Matrix3:
    """The matrix as plain numbers, for facts and JSON."""
    a, b, c = ((float(r[0]), float(r[1]), float(r[2])) for r in np.asarray(matrix))
    return (a, b, c)


def as_matrix(rows: Matrix3 | list[list[float]]) -> Matrix:
    """Plain numbers as a (3, 3) float64 array."""
    return np.asarray(rows, np.float64)
