"""Where the EM field lies: inside the map, over its edge, or beside it."""

from __future__ import annotations

import cv2
import numpy as np

from clemd.geometry import apply, compose, corners, translation

from ._field import Field

_HALVINGS = 30
_BESIDE_UM = 2.0
"""Least gap between the map and a field that lies beside it."""


def share_inside(field: Field, lm_field: Field) -> float:
    """Part of the area of `field` that lies on `lm_field`, 0..1."""
    rim = apply(field.um_from_px, corners(field.shape)).astype(np.float32)
    around = apply(lm_field.um_from_px, corners(lm_field.shape)).astype(np.float32)
    common, _ = cv2.intersectConvexConvex(rim, around)
    return float(common / cv2.contourArea(rim))


def off_centre(lm_field: Field, field: Field, offset: tuple[float, float]) -> Field:
    """`field` so many of its own widths (x, y) from the middle of the map."""
    width_um = field.shape[1] * field.pixel_um
    return _at(field, lm_field, width_um * np.asarray(offset))


def over_the_edge(
    rng: np.random.Generator, lm_field: Field, field: Field, overlap: float
) -> Field:
    """`field` pushed from the middle of the map until `overlap` of it is left inside.

    A field too large for that stays in the middle.
    """
    direction = _direction(rng)
    # Along a ray the common area of two convex shapes only shrinks.
    near, far = 0.0, _reach_um(lm_field) + _reach_um(field)
    if share_inside(_at(field, lm_field, np.zeros(2)), lm_field) <= overlap:
        return _at(field, lm_field, np.zeros(2))
    for _ in range(_HALVINGS):
        middle = (near + far) / 2
        inside = share_inside(_at(field, lm_field, middle * direction), lm_field)
        near, far = (middle, far) if inside > overlap else (near, middle)
    return _at(field, lm_field, near * direction)


def beside(rng: np.random.Generator, lm_field: Field, field: Field) -> Field:
    """`field` on the same specimen, near the map, with no point in common."""
    gap_um = _reach_um(lm_field) + _reach_um(field) + _BESIDE_UM
    return _at(field, lm_field, gap_um * _direction(rng))


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _middle_um(field: Field) -> np.ndarray:
    return np.asarray(apply(field.um_from_px, corners(field.shape)).mean(axis=0))


def _reach_um(field: Field) -> float:
    rim = apply(field.um_from_px, corners(field.shape))
    return float(np.linalg.norm(rim - rim.mean(axis=0), axis=1).max())


def _at(field: Field, lm_field: Field, offset_um: np.ndarray) -> Field:
    x, y = _middle_um(lm_field) + offset_um - _middle_um(field)
    return Field(
        field.shape, compose(translation(float(x), float(y)), field.um_from_px)
    )
