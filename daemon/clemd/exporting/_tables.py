"""Matrices and targets as plain tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from clemd.geometry import apply, in_um, invert

from ._atomic import write_text
from ._source import ExportSource

_TARGET_COLUMNS = (
    "name",
    "x_lm_px",
    "y_lm_px",
    "x_em_px",
    "y_em_px",
    "x_stage_um",
    "y_stage_um",
    "radius_um",
)


def write_csv(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write the matrices, three rows each: em_to_lm_px and back, and in micrometres.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    pixels = source.em_to_lm
    matrices = {"em_to_lm_px": pixels, "lm_to_em_px": invert(pixels)}
    if source.context.is_calibrated:
        physical = in_um(pixels, *source.context.spacings)
        matrices |= {"em_to_lm_um": physical, "lm_to_em_um": invert(physical)}
    rows = [
        (name, number, *row)
        for name, matrix in matrices.items()
        for number, row in enumerate(matrix.tolist())
    ]
    write_text(path, _table(("matrix", "row", "x", "y", "1"), rows))
    return (path,)


def write_targets(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write every target in LM px, EM px and, where known, EM stage micrometres.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    lm_px = source.targets_lm_px
    em_px = apply(invert(source.em_to_lm), lm_px)
    unknown = np.full(lm_px.shape, None, dtype=object)
    stage_um = unknown if source.stage is None else source.stage.place(lm_px)
    rows = [
        (target.name, *lm, *em, *um, target.radius_um)
        for target, lm, em, um in zip(
            source.targets,
            lm_px.tolist(),
            em_px.tolist(),
            stage_um.tolist(),
            strict=True,
        )
    ]
    write_text(path, _table(_TARGET_COLUMNS, rows))
    return (path,)


def _table(header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
