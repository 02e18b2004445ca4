"""WDF as WiRE writes it: a chain of blocks, the spectra first."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import imagecodecs
import numpy as np
from numpy.typing import NDArray

_WHITE_Q = 95


@dataclass(frozen=True, kw_only=True)
class WhiteShot:
    """The white-light image of a map and where it lies."""

    pixels: NDArray[np.uint8]
    """(height, width) or (height, width, 3)."""
    corner_um: tuple[float, float]
    """Stage (x, y) of the outer corner at the top left."""
    pixel_um: float


@dataclass(frozen=True, kw_only=True)
class SpectralShot:
    """A map of spectra."""

    cube: NDArray[np.float32]
    """(bands, height, width), x right, y down as on the stage."""
    axis: Sequence[float]
    first_um: tuple[float, float]
    """Stage (x, y) of the first point."""
    step_um: tuple[float, float]
    unit: int = 1
    """Of the axis: 1 Raman shift, 3 nm."""
    taken: int | None = None
    """Spectra that were measured before the map was stopped; None = all."""
    columns_first: bool = False
    snake: bool = False
    with_places: bool = True
    """Whether each spectrum's coordinates were recorded."""
    started_at: datetime = datetime(2025, 5, 6, 7, 8, 9, tzinfo=UTC)
    title: str = "polymer 1"
    laser_nm: float = 785.0
    uuid: bytes = bytes(range(16))


def encode_wdf(shot: SpectralShot, white: WhiteShot | None = None) -> bytes:
    """The whole file."""
    bands, height, width = shot.cube.shape
    count = height * width
    taken = count if shot.taken is None else shot.taken
    columns, rows = _order(shot)
    spectra = np.zeros((count, bands), "<f4")
    spectra[:taken] = shot.cube[:, rows[:taken], columns[:taken]].T
    parts = [
        _header(shot, taken),
        _block(b"DATA", spectra.tobytes()),
        _block(b"YLST", struct.pack("<IIf", 4, 16, 21.0)),
        _block(
            b"XLST",
            struct.pack("<II", 1, shot.unit) + np.asarray(shot.axis, "<f4").tobytes(),
        ),
    ]
    if shot.with_places:
        parts.append(_block(b"ORGN", _places(shot, columns, rows)))
    if white is not None:
        parts.append(_block(b"WHTL", _white(white)))
    parts.append(_block(b"WMAP", _area(shot)))
    return b"".join(parts)


def _block(name: bytes, body: bytes, number: int = 0) -> bytes:
    return struct.pack("<4sIQ", name, number, 16 + len(body)) + body


def _header(shot: SpectralShot, taken: int) -> bytes:
    bands, height, width = shot.cube.shape
    raw = bytearray(512)
    struct.pack_into("<4sIQ", raw, 0, b"WDF1", 1, 512)
    raw[24:40] = shot.uuid
    struct.pack_into("<IQQ", raw, 0x3C, bands, height * width, taken)
    struct.pack_into("<IIII", raw, 0x50, 1, 1, bands, 2 if shot.with_places else 0)
    raw[0x60:0x64] = b"WiRE"
    struct.pack_into("<II", raw, 0x80, 2, 3)
    ticks = (shot.started_at - datetime(1601, 1, 1, tzinfo=UTC)).total_seconds() * 1e7
    struct.pack_into("<QQ", raw, 0x88, int(ticks), int(ticks))
    struct.pack_into("<If", raw, 0x98, 6, 1e7 / shot.laser_nm)
    raw[0xD0:0xD8] = b"operator"
    text = shot.title.encode()[:159]
    raw[0xF0 : 0xF0 + len(text)] = text
    return bytes(raw)


def _order(shot: SpectralShot) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Column and row of each spectrum in the order of the scan."""
    _, height, width = shot.cube.shape
    index = np.arange(height * width)
    fast = height if shot.columns_first else width
    slow, along = index // fast, index % fast
    if shot.snake:
        along = np.where(slow % 2, fast - 1 - along, along)
    return (slow, along) if shot.columns_first else (along, slow)


def _places(
    shot: SpectralShot, columns: NDArray[np.intp], rows: NDArray[np.intp]
) -> bytes:
    x = shot.first_um[0] + shot.step_um[0] * columns
    y = shot.first_um[1] + shot.step_um[1] * rows
    body = struct.pack("<I", 2)
    for kind, name, values in ((3, b"X", x), (4, b"Y", y)):
        body += struct.pack("<II16s", 0x80000000 | kind, 5, name)
        body += values.astype("<f8").tobytes()
    return body


def _area(shot: SpectralShot) -> bytes:
    _, height, width = shot.cube.shape
    flags = 2 * shot.columns_first + 4 * shot.snake
    return struct.pack(
        "<II3f3f3II", flags, 0, *shot.first_um, 0.0, *shot.step_um, 1.0,
        width, height, 1, 0,
    )  # fmt: skip


def _white(white: WhiteShot) -> bytes:
    """A JPEG with the EXIF of WiRE put in."""
    plain = imagecodecs.jpeg8_encode(np.ascontiguousarray(white.pixels), level=_WHITE_Q)
    exif = b"Exif\0\0" + _directories(white)
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    return bytes(plain[:2]) + segment + bytes(plain[2:])


def _directories(white: WhiteShot) -> bytes:
    height, width = white.pixels.shape[:2]
    field = [round(1000 * white.pixel_um * side) for side in (width, height)]
    corner = [round(1000 * value) for value in white.corner_um]
    inner_at = 8 + 2 + 3 * 12 + 4
    data_at = inner_at + 2 + 3 * 12 + 4
    head = struct.pack("<2sHI", b"II", 42, 8)
    first = struct.pack("<H", 3)
    first += struct.pack("<HHII", 0x8769, 4, 1, inner_at)
    first += struct.pack("<HHII", 0xFEA0, 10, 2, data_at)
    first += struct.pack("<HHII", 0xFEA2, 10, 1, data_at + 16) + bytes(4)
    inner = struct.pack("<H", 3)
    inner += struct.pack("<HHII", 0xA20E, 5, 1, data_at + 24)
    inner += struct.pack("<HHII", 0xA20F, 5, 1, data_at + 32)
    inner += struct.pack("<HHIHH", 0xA210, 3, 1, 5, 0) + bytes(4)
    data = struct.pack("<4i", corner[0], 1000, corner[1], 1000)
    data += struct.pack("<2i", 20_000, 1000)
    data += struct.pack("<4I", field[0], 1000, field[1], 1000)
    return head + first + inner + data
