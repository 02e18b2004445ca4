"""HDF5 as Odemis writes it: a group per acquisition, lengths in metres."""

from __future__ import annotations

import importlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class OdemisImage:
    """One acquisition."""

    pixels: NDArray[Any]
    """(height, width), or (bands, height, width) for a spectrum in each point."""
    title: str = "Secondary electrons survey"
    pixel_um: float = 0.05
    centre_um: tuple[float, float] = (0.0, 0.0)
    """y upwards."""
    wavelengths_nm: Sequence[float] | None = None
    even: bool = False
    """Wavelengths as start and step, as older versions wrote them."""
    started_s: float = 1_724_925_265.5
    storage: dict[str, Any] = field(default_factory=dict)
    """How the samples are stored, in the words of the library."""


def encode_odemis(images: Sequence[OdemisImage]) -> bytes:
    """The whole file; needs the extra `emd`."""
    h5py = importlib.import_module("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        for number, image in enumerate(images):
            _write(file.create_group(f"Acquisition{number}"), image)
    return stream.getvalue()


def _write(group: Any, image: OdemisImage) -> None:
    cube = image.pixels if image.pixels.ndim == 3 else image.pixels[None]
    shown = group.create_group("ImageData")
    data = shown.create_dataset("Image", data=cube[:, None, None], **image.storage)
    data.attrs["DIMENSION_LABELS"] = ["C", "T", "Z", "Y", "X"]
    for axis, value in zip("XY", image.centre_um, strict=True):
        shown[f"DimensionScale{axis}"] = image.pixel_um * 1e-6
        shown[f"{axis}Offset"] = value * 1e-6
    shown["TOffset"] = image.started_s
    if image.wavelengths_nm is not None:
        metres = np.asarray(image.wavelengths_nm, np.float64) * 1e-9
        if image.even:
            shown["COffset"] = metres[0]
            shown["DimensionScaleC"] = metres[1] - metres[0]
        else:
            shown["DimensionScaleC"] = metres
    physical = group.create_group("PhysicalData")
    physical["Title"] = image.title
    physical["HardwareName"] = np.array([b"simulated detector"])
