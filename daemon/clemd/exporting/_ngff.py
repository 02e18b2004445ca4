"""The transform as OME-NGFF metadata: 0.5, and 0.6.dev3 for those who ask for it.

0.5 knows scale and translation only. Coordinate transformations between images come
with 0.6, of which one draft is written and named in the file; drafts change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from clemd.errors import UsageError
from clemd.geometry import apply, compose, corners, invert, pixel_to_um, rows_first
from clemd.model import Matrix

from ._atomic import write_text
from ._context import PixelUm
from ._source import ExportSource

STABLE, DRAFT = "0.5", "0.6.dev3"
_SAME_LM_PX = 0.01
"""Largest error, LM px, at which a matrix counts as scale and translation alone."""


def write_ngff(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write a `zarr.json` (0.5) that puts the EM image into the LM map's frame.

    The EM's array is expected as dataset `0` beside it.

    Raises:
        UsageError: not registered, or more than scale and translation.
        OSError: the file cannot be written.
    """
    context = source.context
    _em, lm_spacing = context.spacings
    matrix = _upright(source)
    placed = compose(pixel_to_um(lm_spacing), matrix)
    transformations = scale_and_translation(placed)
    multiscale = {
        "name": context.em_name,
        "axes": space_axes(calibrated=context.is_calibrated),
        "datasets": [{"path": "0", "coordinateTransformations": transformations}],
    }
    ome = {"version": STABLE, "multiscales": [multiscale]}
    return _write(path, ome, source)


def write_ngff_draft(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write a scene's `zarr.json` (0.6.dev3) with the affine from LM to EM.

    Both coordinate systems, `lm` and `em`, are defined in the scene itself: axes
    (y, x), micrometres (or px), origin at the centre of the first pixel.

    Raises:
        UsageError: not registered, or a homography.
        OSError: the file cannot be written.
    """
    em_to_lm = source.affine_um("an NGFF affine", "export bigwarp or json")
    lm_to_em = rows_first(invert(em_to_lm))[:2]
    axes = space_axes(calibrated=source.context.is_calibrated)
    scene = {
        "coordinateSystems": [{"name": name, "axes": axes} for name in ("lm", "em")],
        "coordinateTransformations": [
            {
                "type": "affine",
                "name": "lm to em",
                "input": {"name": "lm"},
                "output": {"name": "em"},
                "affine": lm_to_em.tolist(),
            }
        ],
    }
    return _write(path, {"version": DRAFT, "scene": scene}, source)


def space_axes(*, calibrated: bool) -> list[dict[str, str]]:
    """The axes (y, x); with their unit where there is one."""
    unit = {"unit": "micrometer"} if calibrated else {}
    return [{"name": name, "type": "space", **unit} for name in ("y", "x")]


def scale_and_translation(
    matrix: Matrix, *, leading: int = 0
) -> list[dict[str, object]]:
    """The diagonal and shift of `matrix` in array order, behind `leading` free axes."""
    scale: PixelUm = (float(matrix[1, 1]), float(matrix[0, 0]))
    shift: PixelUm = (float(matrix[1, 2]), float(matrix[0, 2]))
    return [
        {"type": "scale", "scale": [1.0] * leading + list(scale)},
        {"type": "translation", "translation": [0.0] * leading + list(shift)},
    ]


def _upright(source: ExportSource) -> Matrix:
    """EM -> LM px if scale and translation say it all.

    Raises:
        UsageError: they do not, or not registered.
    """
    instead = f"export ngff-{DRAFT}, which carries affine transforms, or itk"
    matrix = source.affine_px(f"NGFF {STABLE}", "export bigwarp or json")
    upright = matrix.copy()
    upright[0, 1] = upright[1, 0] = 0.0
    ends = corners(source.context.em_shape)
    off_px = float(np.abs(apply(matrix, ends) - apply(upright, ends)).max())
    if off_px > _SAME_LM_PX or matrix[0, 0] <= 0 or matrix[1, 1] <= 0:
        raise UsageError(
            f"NGFF {STABLE} holds scale and translation only, and the EM image is "
            "turned or mirrored",
            "ngff",
            instead,
        )
    return matrix


def _write(path: Path, ome: dict[str, Any], source: ExportSource) -> tuple[Path, ...]:
    document = group_metadata(ome, source)
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return (path,)


def group_metadata(ome: dict[str, Any], source: ExportSource) -> dict[str, Any]:
    """The `zarr.json` of a Zarr 3 group with OME attributes."""
    attributes = {"ome": ome, "clemd": source.provenance()}
    return {"zarr_format": 3, "node_type": "group", "attributes": attributes}
