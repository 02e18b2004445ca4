"""Targets as stage positions of a useq sequence, for pymmcore-plus and napari."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ._atomic import write_text
from ._source import ExportSource


def write_useq(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write `stage_positions` in EM stage micrometres; YAML, or JSON after `.json`.

    Raises:
        UsageError: not registered.
        ValueError: there is no stage.
        OSError: the file cannot be written.
    """
    if source.stage is None:
        raise ValueError("there is no stage to place the targets on")
    stage_um = source.stage.place(source.targets_lm_px)
    # a tenth of a nanometre; and YAML 1.1 reads 1e-05 as text
    places = np.round(stage_um, 4).tolist()
    height = {} if source.stage.z_um is None else {"z": source.stage.z_um}
    positions = [
        {"name": target.name, "x": x, "y": y, **height}
        for target, (x, y) in zip(source.targets, places, strict=True)
    ]
    if path.suffix.lower() == ".json":
        text = json.dumps({"stage_positions": positions}, indent=2, ensure_ascii=False)
    else:
        # JSON on one line is YAML too, and quotes every name safely
        items = [
            f"  - {json.dumps(position, ensure_ascii=False)}" for position in positions
        ]
        head = "# EM stage micrometres, written by clemd\nstage_positions:\n"
        text = head + "\n".join(items)
    write_text(path, text + "\n")
    return (path,)
