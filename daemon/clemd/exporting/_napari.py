"""The transform as napari's layers take it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from clemd.geometry import invert, rows_first

from ._atomic import write_text
from ._source import ExportSource

SCHEMA = "clemd.napari/1"


def write_napari(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write `scale` and `affine` of both layers, in napari's (row, column) order.

    The world is the EM image's own frame. napari applies `affine` after `scale`.

    Raises:
        UsageError: not registered, or a homography.
        OSError: the file cannot be written.
    """
    em_to_lm = source.affine_um("a napari layer", "export bigwarp or json")
    em_spacing, lm_spacing = source.context.spacings
    layers = {
        "em": {"scale": list(em_spacing[::-1]), "affine": np.eye(3).tolist()},
        "lm": {
            "scale": list(lm_spacing[::-1]),
            "affine": rows_first(invert(em_to_lm)).tolist(),
        },
    }
    document = {
        "schema": SCHEMA,
        "axes": ["row", "column"],
        "units": source.context.unit,
        "world": "the EM image's frame, origin at the centre of its first pixel",
        "layers": layers,
        "source": source.provenance(),
    }
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return (path,)
