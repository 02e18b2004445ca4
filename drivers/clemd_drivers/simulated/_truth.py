"""The right answers, for judges; never inside a folder that the daemon watches."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from clemd.geometry import as_rows

from ._session import Session
from ._shots import ElectronShot

SCHEMA = "clemd.truth/1"


def truth_of(session: Session) -> dict[str, Any]:
    """Poses and true pixel sizes of a session.

    `em_to_lm` takes stored EM px to LM px, pixel centres, info bar rows included in
    the coordinates; null where the EM image is not on that map.
    """
    light = session.light
    return {
        "schema": SCHEMA,
        "plan": session.plan.name,
        "seed": session.seed,
        "sample": light.sample,
        "lm": {
            light.name: {
                "shape": list(light.field.shape),
                "pixel_um": light.field.pixel_um,
                "metadata_pixel_um": light.metadata_pixel_um,
            }
        },
        "em": {shot.name: _entry(session, shot) for shot in session.electrons},
    }


def _entry(session: Session, shot: ElectronShot) -> dict[str, Any]:
    light = session.light
    matrix = session.em_to_lm(shot)
    return {
        "em_to_lm": {light.name: None if matrix is None else as_rows(matrix)},
        "shape": list(shot.stored_shape),
        "info_bar_rows": shot.bar_rows,
        "pixel_um": shot.field.pixel_um,
        "metadata_pixel_um": shot.metadata_pixel_um,
        "pixel_size_ratio": light.field.pixel_um / shot.field.pixel_um,
        "rotation_deg": session.rotation_deg,
        "mirrored": session.mirrored,
        "vendor": shot.vendor,
        "habit": shot.habit,
    }


def write_truth(session: Session, path: Path) -> None:
    """Write the truth file whole or not at all."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(truth_of(session), stream, indent=1)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)
