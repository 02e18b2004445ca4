"""The transform as a matrix file of TransformJ in Fiji."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clemd.geometry import apply, compose, corners, invert, pixel_to_um, translation

from ._atomic import write_text
from ._source import ExportSource


def write_transformj(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write the 4x4 matrix that moves the LM image into the EM's place.

    TransformJ turns about the middle of the image, in its calibrated units, and draws
    on a canvas of the input's size and pixel size. The first pixel of that canvas lies
    on the first pixel of the EM image.

    Raises:
        UsageError: not registered, or a homography.
        OSError: the file cannot be written.
    """
    em_to_lm = source.affine_um("a TransformJ matrix", "export bigwarp or json")
    _em, lm_spacing = source.context.spacings
    extent = apply(pixel_to_um(lm_spacing), corners(source.context.lm_shape))
    x, y = extent.mean(axis=0)
    about_middle = compose(translation(-x, -y), invert(em_to_lm), translation(x, y))
    solid = np.eye(4)
    solid[:2, :2] = about_middle[:2, :2]
    solid[:2, 3] = about_middle[:2, 2]
    rows = ["\t".join(repr(value) for value in row) for row in solid.tolist()]
    write_text(path, "\n".join(rows) + "\n")
    return (path,)
