"""ENVI cubes as spectrometers and remote-sensing programs write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CODES = {
    "uint8": 1, "int16": 2, "int32": 3, "float32": 4, "float64": 5, "uint16": 12,
    "uint32": 13, "int64": 14, "uint64": 15,
}  # fmt: skip
_AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def encode_envi(
    cube: NDArray[Any], *, interleave: str = "bsq", order: str = "<"
) -> bytes:
    """The numbers of a (bands, lines, samples) cube; `order` `<` or `>`."""
    stored = cube.transpose(_AXES[interleave])
    return np.ascontiguousarray(stored, f"{order}{stored.dtype.str[1:]}").tobytes()


def envi_text(
    cube: NDArray[Any],
    axis: Sequence[float] | None,
    *,
    unit: str = "Nanometers",
    interleave: str = "bsq",
    order: str = "<",
    pixel_um: float | None = None,
) -> str:
    """The header beside it; without `axis` no wavelengths are stated."""
    bands, lines, samples = cube.shape
    rows = [
        "ENVI",
        "description = {",
        "  polymer 1, infrared }",
        f"samples = {samples}",
        f"lines = {lines}",
        f"bands = {bands}",
        "header offset = 0",
        "file type = ENVI Standard",
        f"data type = {_CODES[cube.dtype.name]}",
        f"interleave = {interleave}",
        f"byte order = {int(order == '>')}",
    ]
    if pixel_um is not None:
        rows.append(f"pixel size = {{{pixel_um:g}, {pixel_um:g}, units=Micrometers}}")
    if axis is not None:
        rows += [f"wavelength units = {unit}", "wavelength = {"]
        rows.append(",\n".join(f" {value:g}" for value in axis) + " }")
    return "\n".join(rows) + "\n"
