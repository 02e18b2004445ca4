"""The white-light image inside a WDF file: a JPEG whose EXIF tells where it lies."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RefusedFileError
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes

_FIELD_X, _FIELD_Y, _UNIT = 0xA20E, 0xA20F, 0xA210
"""Standard tags that Renishaw fills with the width and height of the field."""
_MICRONS = 5
_EXIF, _CORNER, _MAGNIFICATION = 0x8769, 0xFEA0, 0xFEA2
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8, 11: 4, 12: 8}
_MOST_ENTRIES = 256
_MOST_PX = 1 << 27
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of a JPEG that state its size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhiteLight:
    """One decoded image and its place on the stage."""

    pixels: NDArray[Any]
    """(height, width, samples)."""
    field_um: tuple[float, float] | None
    """Width and height."""
    corner_um: tuple[float, float] | None
    """Stage (x, y) of the outer corner at the top left."""
    objective: float | None
    """Magnification."""

    @property
    def centre_um(self) -> tuple[float, float] | None:
        """Stage (x, y) of the middle of the image."""
        if self.corner_um is None or self.field_um is None:
            return None
        return (
            self.corner_um[0] + self.field_um[0] / 2,
            self.corner_um[1] + self.field_um[1] / 2,
        )


def read_white(data: bytes, notes: Notes) -> WhiteLight:
    """Decode the image and what it says about its place.

    Raises:
        RefusedFileError: not a JPEG that can be decoded.
    """
    width, height = _size(data)
    if not 0 < width * height <= _MOST_PX:
        raise RefusedFileError(
            f"a white-light image of {width} x {height} px cannot be: save it again"
        )
    with guarded("decoding the white-light image"):
        pixels = np.asarray(imagecodecs.jpeg8_decode(data))
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.ndim != 3 or pixels.dtype != np.uint8:
        raise RefusedFileError("the white-light image is no 8-bit JPEG: save it again")
    tags = _tags(data)
    size = tags.get(_FIELD_X, ()) + tags.get(_FIELD_Y, ())
    fits = len(size) == 2 and tags.get(_UNIT, (_MICRONS,))[0] == _MICRONS
    corner = tags.get(_CORNER, ())
    magnification = tags.get(_MAGNIFICATION, ())
    field = (size[0], size[1]) if fits and min(size) > 0 else None
    if field is None:
        notes.add("the white-light image does not say how large its field is")
    return WhiteLight(
        pixels=pixels,
        field_um=field,
        corner_um=(corner[0], corner[1]) if len(corner) == 2 else None,
        objective=magnification[0] if magnification else None,
    )


def _tags(data: bytes) -> dict[int, tuple[float, ...]]:
    """The numbers of the first directory and of the one that it points to."""
    tiff = _exif(data)
    if len(tiff) < 8 or tiff[:2] not in (b"II", b"MM"):
        return {}
    order = "<" if tiff[:2] == b"II" else ">"
    try:
        found = _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
        inner = found.get(_EXIF)
        if inner:
            found = _directory(tiff, order, int(inner[0])) | found
    except struct.error:
        return {}
    return found


def _exif(data: bytes) -> bytes:
    """The TIFF inside the APP1 segment; empty where there is none."""
    for marker, body in _segments(data):
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return body[6:]
    return b""


def _size(data: bytes) -> tuple[int, int]:
    """(width, height) by the frame header; 0 where there is none."""
    for marker, body in _segments(data):
        if marker in _FRAMES and len(body) >= 5:
            height, width = struct.unpack_from(">HH", body, 1)
            return width, height
    return 0, 0


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(marker, content) of what comes before the compressed samples."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (size,) = struct.unpack_from(">H", data, at + 2)
        yield data[at + 1], data[at + 4 : at + 2 + size]
        at += 2 + max(2, size)


def _directory(tiff: bytes, order: str, at: int) -> dict[int, tuple[float, ...]]:
    (count,) = struct.unpack_from(order + "H", tiff, at)
    found: dict[int, tuple[float, ...]] = {}
    for index in range(min(count, _MOST_ENTRIES)):
        entry = at + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", tiff, entry)
        if kind not in _SIZES or number > 64:
            continue
        place = entry + 8
        if _SIZES[kind] * number > 4:
            (place,) = struct.unpack_from(order + "I", tiff, place)
        values = _values(tiff, order, place, kind, number)
        if values and all(np.isfinite(values)):
            found[tag] = values
    return found


def _values(
    tiff: bytes, order: str, at: int, kind: int, number: int
) -> tuple[float, ...]:
    if kind in (5, 10):
        form = order + ("I" if kind == 5 else "i") * (2 * number)
        raw = struct.unpack_from(form, tiff, at)
        pairs = zip(raw[::2], raw[1::2], strict=True)
        return tuple(top / below for top, below in pairs if below)
    letter = {3: "H", 4: "I", 9: "i", 11: "f", 12: "d"}.get(kind)
    if letter is None:
        return ()
    return tuple(map(float, struct.unpack_from(order + letter * number, tiff, at)))
