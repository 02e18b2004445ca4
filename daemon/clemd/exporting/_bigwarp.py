"""The transform as landmark pairs, for BigWarp in Fiji."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, pixel_to_um
from clemd.model import Registration

from ._atomic import write_text
from ._context import PairContext, usable_matrix

_PLACES = (0.1, 0.5, 0.9)
"""Where landmarks stand along each edge of the EM image, as fractions."""

Landmarks = tuple[NDArray[np.float64], NDArray[np.float64]]


def landmarks_px(registration: Registration, context: PairContext) -> Landmarks:
    """Nine places on both images, ((9, 2) LM px, (9, 2) EM px).

    Nine points fix every model, a homography included.

    Raises:
        UsageError: not registered.
    """
    height, width = context.em_shape
    em_px = np.array([[f * width, g * height] for g in _PLACES for f in _PLACES])
    return apply(usable_matrix(registration), em_px), em_px


def write_bigwarp(path: Path, registration: Registration, context: PairContext) -> None:
    """Write nine landmarks as CSV: moving = LM, fixed (target) = EM.

    Coordinates are micrometres by each image's own pixel size, or px where one is
    unknown.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    moving, fixed = _landmarks(registration, context)
    rows = [
        _row(number, (*lm, *em))
        for number, (lm, em) in enumerate(
            zip(moving.tolist(), fixed.tolist(), strict=True)
        )
    ]
    write_text(path, "\n".join(rows) + "\n")


def write_bigwarp_json(
    path: Path, registration: Registration, context: PairContext
) -> None:
    """Write the same landmarks as JSON, which newer versions of BigWarp read too.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    moving, fixed = _landmarks(registration, context)
    document = {
        "type": "BigWarpLandmarks",
        "numDimensions": 2,
        "movingPoints": moving.tolist(),
        "fixedPoints": fixed.tolist(),
        "active": [True] * len(fixed),
        "names": [f"Pt-{number}" for number in range(len(fixed))],
    }
    write_text(path, json.dumps(document, indent=2) + "\n")


def _landmarks(registration: Registration, context: PairContext) -> Landmarks:
    """(moving, fixed) in the units of the two images."""
    lm_px, em_px = landmarks_px(registration, context)
    em_spacing, lm_spacing = context.spacings
    moving = apply(pixel_to_um(lm_spacing), lm_px)
    return moving, apply(pixel_to_um(em_spacing), em_px)


def _row(number: int, coordinates: tuple[float, ...]) -> str:
    fields = [f"Pt-{number}", "true", *(repr(value) for value in coordinates)]
    return ",".join(f'"{field}"' for field in fields)
