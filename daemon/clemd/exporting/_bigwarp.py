"""The transform as landmark pairs, for BigWarp in Fiji."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clemd.geometry import apply, pixel_to_um
from clemd.model import Registration

from ._atomic import write_text
from ._context import PairContext, usable_matrix

_PLACES = (0.1, 0.5, 0.9)
"""Where landmarks stand along each edge of the EM image, as fractions."""


def write_bigwarp(path: Path, registration: Registration, context: PairContext) -> None:
    """Write nine landmarks: moving = LM, fixed (target) = EM.

    Coordinates are micrometres by each image's own pixel size, or px where one is
    unknown. Nine points fix every model, a homography included.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    em_to_lm = usable_matrix(registration)
    em_spacing, lm_spacing = context.spacings
    height, width = context.em_shape
    em_px = np.array([[f * width, g * height] for g in _PLACES for f in _PLACES])
    fixed = apply(pixel_to_um(em_spacing), em_px)
    moving = apply(pixel_to_um(lm_spacing), apply(em_to_lm, em_px))
    rows = [
        _row(number, (*lm, *em))
        for number, (lm, em) in enumerate(
            zip(moving.tolist(), fixed.tolist(), strict=True)
        )
    ]
    write_text(path, "\n".join(rows) + "\n")


def _row(number: int, coordinates: tuple[float, ...]) -> str:
    fields = [f"Pt-{number}", "true", *(repr(value) for value in coordinates)]
    return ",".join(f'"{field}"' for field in fields)
