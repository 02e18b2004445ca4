"""SER as TIA writes it, rows from below, and the `.emi` that belongs to it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._shots import ElectronShot

_EMI_START = bytes.fromhex("4a4b0002 00000000 044d0100 60000001")
_CODES = {
    "uint8": 1, "uint16": 2, "uint32": 3, "int8": 4, "int16": 5, "int32": 6,
    "float32": 7, "float64": 8,
}  # fmt: skip


def encode_ser(
    shot: ElectronShot,
    pixels: NDArray[Any],
    *,
    wide: bool = True,
    planned: int | None = None,
    n_dimensions: int = 1,
    kind: int = 0x4122,
) -> bytes:
    """The whole file.

    Args:
        shot: gives pixel size and time.
        pixels: (height, width) or (images, height, width), first row at the top.
        wide: offsets of 64 bits.
        planned: images of the whole series, where fewer are written.
        n_dimensions: of the series.
        kind: 0x4122 images, 0x4120 spectra.
    """
    images = pixels if pixels.ndim == 3 else pixels[None]
    total = planned or len(images)
    form, size = ("<q", 8) if wide else ("<i", 4)
    start = 22 + size + 4
    dimension = struct.pack("<iddi", total, 0.0, 1.0, 0)
    for word in ("Number", "Number"):
        dimension += struct.pack("<i", len(word)) + word.encode()
    offsets_at = start + n_dimensions * len(dimension)
    head = struct.pack("<3H", 0x4949, 0x0197, 0x0220 if wide else 0x0210)
    head += struct.pack("<IIii", kind, 0x4152, total, len(images))
    head += struct.pack(form, offsets_at) + struct.pack("<i", n_dimensions)
    at = offsets_at + 2 * total * size
    body, elements, tags = b"", [0] * total, [0] * total
    for index, image in enumerate(images):
        elements[index] = at + len(body)
        body += _element(shot, image)
        tags[index] = at + len(body)
        body += struct.pack("<II", 0x4152, int(shot.acquired_at.timestamp()) + index)
    offsets = b"".join(struct.pack(form, offset) for offset in (*elements, *tags))
    return head + dimension * n_dimensions + offsets + body


def _element(shot: ElectronShot, image: NDArray[Any]) -> bytes:
    height, width = image.shape
    step_m = shot.metadata_pixel_um * 1e-6
    calibration = struct.pack("<2di2di", 0.0, step_m, 0, 0.0, step_m, 0)
    sizes = struct.pack("<Hii", _CODES[image.dtype.name], width, height)
    stored = np.ascontiguousarray(image[::-1])
    return (
        calibration
        + sizes
        + stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    )


def emi_bytes(
    shot: ElectronShot, documents: Sequence[dict[str, tuple[str, str]]] = ({},)
) -> bytes:
    """The text beside: one document per series, between bytes of no meaning to us.

    Args:
        shot: gives stage and time.
        documents: labelled values (value, unit) that each has more, or else.
    """
    parts = [_document(shot, more) for more in documents]
    return _EMI_START + b"\0\x07".join(parts) + bytes(64)


def _document(shot: ElectronShot, more: dict[str, tuple[str, str]]) -> bytes:
    stage = shot.stage
    values = {
        "Microscope": ("Simulated Tecnai", ""),
        "User": ("operator", ""),
        "High tension": ("200", "kV"),
        "Magnification": ("20000", "x"),
        "Mode": ("TEM uP SA Zoom Image", ""),
        "Stage X": (f"{stage.x_um:g}", "um"),
        "Stage Y": (f"{stage.y_um:g}", "um"),
        "Stage Z": (f"{stage.z_um:g}", "um"),
        "Stage A": (f"{stage.tilt_deg:g}", "deg"),
        "Stage B": ("0", "deg"),
        **more,
    }
    entries = "".join(
        f"<Data><Label>{label}</Label><Value>{value}</Value><Unit>{unit}</Unit></Data>"
        for label, (value, unit) in values.items()
    )
    return (
        "<ObjectInfo><Manufacturer>FEI</Manufacturer><ExperimentalConditions>"
        "<MicroscopeConditions><AcceleratingVoltage>200000</AcceleratingVoltage>"
        "</MicroscopeConditions></ExperimentalConditions><ExperimentalDescription>"
        f"<Root>{entries}</Root></ExperimentalDescription>"
        f"<AcquireDate>{shot.acquired_at:%a %b %d %H:%M:%S %Y}</AcquireDate>"
        "</ObjectInfo>"
    ).encode()
