"""Matrices between pixels and micrometres; the one place that knows half pixels."""

from ._matrices import (
    PoseParts,
    apply,
    as_matrix,
    as_rows,
    binning,
    compose,
    corner_errors,
    corners,
    cropping,
    decompose,
    in_um,
    invert,
    mirroring,
    pixel_to_um,
    resizing,
    similarity,
    translation,
)
from ._origins import CENTRE_TO_CORNER, from_corner, outer_corners, rows_first
from ._points import PointFit, similarity_through

__all__ = [
    "CENTRE_TO_CORNER",
    "PointFit",
    "PoseParts",
    "apply",
    "as_matrix",
    "as_rows",
    "binning",
    "compose",
    "corner_errors",
    "corners",
    "cropping",
    "decompose",
    "from_corner",
    "in_um",
    "invert",
    "mirroring",
    "outer_corners",
    "pixel_to_um",
    "resizing",
    "rows_first",
    "similarity",
    "similarity_through",
    "translation",
]
