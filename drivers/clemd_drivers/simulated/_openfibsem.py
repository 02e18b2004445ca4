"""OpenFIBSEM TIFF: a JSON object in the description, one strip, no bar."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._shots import ElectronShot
from ._tiff import Tag, header_first

Beam = Literal["ELECTRON", "ION"]


def encode_openfibsem(
    shot: ElectronShot, pixels: NDArray[np.uint8], *, beam: Beam = "ELECTRON"
) -> bytes:
    """The whole file. `pixels` is the scanned frame."""
    height, width = pixels.shape
    text = json.dumps(openfibsem_object(shot, beam)).encode("ascii")
    tags = [
        Tag.long(256, width),
        Tag.long(257, height),
        Tag.short(258, 8),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.ascii(270, text + b"\0"),
        Tag.short(277, 1),
        Tag.long(278, height),
        Tag.ascii(305, b"tifffile.py\0"),
    ]
    return header_first(pixels, tags)


def openfibsem_object(shot: ElectronShot, beam: Beam) -> dict[str, Any]:
    """What the description says."""
    height, width = shot.field.shape
    size_m, stage = shot.metadata_pixel_um * 1e-6, shot.stage
    settings: dict[str, Any] = {
        "beam_type": beam,
        "working_distance": 4e-3,
        "beam_current": 5e-11,
        "voltage": 2000.0,
        "hfw": size_m * width,
        "resolution": [width, height],
        "shift": {"x": 0.0, "y": 0.0},
    }
    position = {
        "name": None,
        "x": stage.x_um * 1e-6,
        "y": stage.y_um * 1e-6,
        "z": stage.z_um * 1e-6,
        "r": math.radians(stage.rotation_deg),
        "t": math.radians(stage.tilt_deg),
        "coordinate_system": "RAW",
    }
    return {
        "beam_type": beam,
        "resolution": [width, height],
        "dwell_time": 1e-6,
        "hfw": size_m * width,
        "save_path": "D:\\log\\simulated",
        "label": shot.name,
        "reduced_area": None,
        "version": "v1",
        "pixel_size": {"x": size_m, "y": size_m},
        "microscope_state": {
            "timestamp": shot.acquired_at.timestamp(),
            "absolute_position": position,
            "eb_settings": settings,
            "ib_settings": {**settings, "beam_type": "ION", "voltage": 30_000.0},
        },
        "detector_settings": {"type": "ETD", "mode": "SecondaryElectrons"},
        "experiment": {"id": shot.sample},
        "shape": [height, width],
    }
