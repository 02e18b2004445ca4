"""EMD as Velox writes it: HDF5, a group per image, facts as JSON, a column a frame."""

from __future__ import annotations

import importlib
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._shots import ElectronShot


@dataclass(frozen=True, kw_only=True)
class EmdImage:
    """One image of a file."""

    pixels: NDArray[Any]
    """(height, width) or (frames, height, width)."""
    detector: str = "HAADF"
    more: dict[str, Any] = field(default_factory=dict)
    """Parts of the document that replace the usual ones."""
    storage: dict[str, Any] = field(default_factory=dict)
    """How the samples are stored, in the words of the library."""


def encode_emd(shot: ElectronShot, images: Sequence[EmdImage]) -> bytes:
    """The whole file; needs the extra `emd`."""
    h5py = importlib.import_module("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file["Version"] = np.array([b'{"format":"Velox","version":"1.14"}'])
        for number, image in enumerate(images):
            stack = image.pixels if image.pixels.ndim == 3 else image.pixels[None]
            group = file.create_group(f"Data/Image/{number:032x}")
            written = _document(shot, image)
            columns = np.zeros((max(4096, len(written) + 1), len(stack)), np.uint8)
            columns[: len(written)] = np.frombuffer(written, np.uint8)[:, None]
            group.create_dataset("Metadata", data=columns)
            data = np.moveaxis(stack, 0, 2)
            group.create_dataset("Data", data=data, **image.storage)
    return stream.getvalue()


def _document(shot: ElectronShot, image: EmdImage) -> bytes:
    stage, pixel = shot.stage, f"{shot.metadata_pixel_um * 1e-6:.12g}"
    height, width = image.pixels.shape[-2:]
    tree = {
        "Instrument": {
            "Manufacturer": "FEI Company",
            "InstrumentModel": "Talos",
            "InstrumentId": "4711",
        },
        "Acquisition": {
            "AcquisitionStartDatetime": {
                "DateTime": f"{shot.acquired_at.timestamp():.0f}"
            }
        },
        "Optics": {"AccelerationVoltage": "200000", "NominalMagnification": "20000"},
        "Stage": {
            "Position": {
                "x": f"{stage.x_um * 1e-6:.9g}",
                "y": f"{stage.y_um * 1e-6:.9g}",
                "z": f"{stage.z_um * 1e-6:.9g}",
            },
            "AlphaTilt": f"{math.radians(stage.tilt_deg):.9g}",
            "BetaTilt": "0",
        },
        "Scan": {"ScanRotation": "0", "DwellTime": "2e-06"},
        "Detectors": {
            "Detector-0": {
                "DetectorName": image.detector,
                "DetectorType": "ScanningDetector",
            }
        },
        "BinaryResult": {
            "Detector": image.detector,
            "DetectorIndex": "0",
            "PixelSize": {"width": pixel, "height": pixel},
            "PixelUnitX": "m",
            "PixelUnitY": "m",
            "ImageSize": {"width": f"{width}", "height": f"{height}"},
        },
        "Sample": {"SampleId": shot.sample},
        **image.more,
    }
    return json.dumps(tree).encode()
