"""MRC with the text that SerialEM leaves beside it; rows are stored from below."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Literal

from numpy.typing import NDArray

from ._shots import ElectronShot

_MODES = {"int8": 0, "int16": 1, "float32": 2, "uint16": 6, "float16": 12, "uint8": 0}
_IMOD = 1_146_047_817


def encode_mrc(
    pixels: NDArray[Any],
    pixel_um: float,
    *,
    little: bool = True,
    kind_behind: bytes = b"SERI",
    behind: bytes = b"",
    labels: Sequence[str] = ("SerialEM: Acquired on Simulated TEM",),
) -> bytes:
    """The whole file.

    Args:
        pixels: (height, width) or (sections, height, width), first row at the top.
        pixel_um: for the cell; 0 leaves it empty.
        little: byte order.
        kind_behind: type of the extended header.
        behind: the extended header.
        labels: of 80 characters, ten at most.
    """
    stack = pixels if pixels.ndim == 3 else pixels[None]
    order: Literal["<", ">"] = "<" if little else ">"
    sections, height, width = stack.shape
    head = bytearray(1024)
    cell = [count * pixel_um * 1e4 for count in (width, height, sections)]
    put = struct.pack_into
    put(order + "4i", head, 0, width, height, sections, _MODES[stack.dtype.name])
    put(order + "3i6f", head, 28, width, height, sections, *cell, 90, 90, 90)
    put(order + "3i", head, 64, 1, 2, 3)
    put(order + "3f", head, 76, stack.min(), stack.max(), stack.mean())
    put(order + "2i", head, 88, 0, len(behind))
    head[104:108] = kind_behind
    put(order + "i", head, 108, 20140)
    if stack.dtype.itemsize == 1:
        put(order + "2i", head, 152, _IMOD, stack.dtype.name == "int8")
    head[208:216] = b"MAP " + (b"\x44\x44\0\0" if little else b"\x11\x11\0\0")
    put(order + "fi", head, 216, stack.std(dtype=float), len(labels))
    for index, label in enumerate(labels):
        at = 224 + 80 * index
        head[at : at + 80] = label.encode("latin-1")[:80].ljust(80)
    data = stack[:, ::-1].astype(stack.dtype.newbyteorder(order)).tobytes()
    return bytes(head) + behind + data


def mdoc_text(shot: ElectronShot, sections: Sequence[dict[str, str]] = ({},)) -> str:
    """The text beside the stack.

    Args:
        shot: gives spacing, stage and time to every section.
        sections: what each says more, or else.
    """
    spacing = f"{shot.metadata_pixel_um * 1e4:.6g}"
    top = f"PixelSpacing = {spacing}\nVoltage = 200\nImageFile = {shot.name}\n"
    title = f"\n[T = SerialEM: Acquired on Simulated TEM  {_date(shot)}    ]\n"
    return f"{top}{title}" + "".join(
        _section(shot, index, more) for index, more in enumerate(sections)
    )


def _section(shot: ElectronShot, index: int, more: dict[str, str]) -> str:
    stage = shot.stage
    said = {
        "TiltAngle": f"{stage.tilt_deg:.3f}",
        "StagePosition": f"{stage.x_um:.3f} {stage.y_um:.3f}",
        "StageZ": f"{stage.z_um:.3f}",
        "Magnification": "5000",
        "RotationAngle": "175.3",
        "DateTime": _date(shot),
        **more,
    }
    lines = "".join(f"{key} = {value}\n" for key, value in said.items())
    return f"\n[ZValue = {index}]\n{lines}"


def _date(shot: ElectronShot) -> str:
    return f"{shot.acquired_at:%d-%b-%Y  %H:%M:%S}"


def thermo_behind(
    shot: ElectronShot, *, size: int = 768, valid: int = 0xFFFFFFFF
) -> bytes:
    """One record of Thermo Fisher's extended header."""
    record = bytearray(size)
    struct.pack_into("<iiI", record, 0, size, 0, valid)
    record[20:36] = b"Talos".ljust(16, b"\0")
    record[36:52] = b"D4711".ljust(16, b"\0")
    stage, pixel_m = shot.stage, shot.metadata_pixel_um * 1e-6
    struct.pack_into("<2d", record, 84, 200_000.0, 1.0)
    struct.pack_into(
        "<5d",
        record,
        100,
        stage.tilt_deg,
        0.0,
        stage.x_um * 1e-6,
        stage.y_um * 1e-6,
        stage.z_um * 1e-6,
    )
    struct.pack_into("<2d", record, 156, pixel_m, pixel_m)
    return bytes(record)
