"""The parts of a SER file: where each element and each tag lies, nothing decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, read, unwritten

MAGIC = b"\x49\x49\x97\x01"
_NARROW, _WIDE = 0x0210, 0x0220
_SPECTRA, _IMAGES = 0x4120, 0x4122
_TYPES = {1: "u1", 2: "u2", 3: "u4", 4: "i1", 5: "i2", 6: "i4", 7: "f4", 8: "f8"}
_ELEMENT = struct.Struct("<2di2diH2i")
_TAG_WITH_PLACE = 0x4142
_MOST_PX = 1 << 20
_LONGEST = 1 << 24
_HEAD_BYTES = 34
_RECIPROCAL = 1e3
"""No pixel is a kilometre wide: a larger step counts per metre."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """The image that is used."""

    index: int
    n_valid: int
    """How many images are written."""
    n_planned: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    offset: int
    delta_m: tuple[float, float]
    """Pixel edges along x and y, metres."""
    taken_at: datetime | None

    @property
    def n_bytes(self) -> int:
        """Of the pixels."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


def is_ser(head: bytes) -> bool:
    """Does a file with these first bytes start as SER files do?"""
    if len(head) < 30 or not head.startswith(MAGIC):
        return False
    version, kind = struct.unpack_from("<Hi", head, 4)
    return version in {_NARROW, _WIDE} and kind in {_SPECTRA, _IMAGES}


def read_last(source: SourceFile) -> Element:
    """The last image that is written; the specimen is nearest to its later state.

    Raises:
        IncompleteFileError: it is not all there, or none is written yet.
        RefusedFileError: spectra, diffraction patterns, absurd sizes.
    """
    need(source, 0, _HEAD_BYTES, "the SER header")
    version, kind, _, planned, valid = struct.unpack_from("<HIIii", source.head, 4)
    wide = version == _WIDE
    at, n_dimensions = struct.unpack_from("<qi" if wide else "<ii", source.head, 22)
    if kind == _SPECTRA:
        raise RefusedFileError("a series of spectra, not an image: export the image")
    if n_dimensions > 1:
        raise RefusedFileError(
            f"a map of {planned} images (4D-STEM): export a virtual image"
        )
    if not 0 <= valid <= planned <= _LONGEST:
        raise RefusedFileError(
            f"{valid} of {planned} images in the series: export the image again"
        )
    if valid == 0:
        raise unwritten(source, at, "the first image")
    offsets = _offsets(source, at, wide, planned, valid - 1)
    element = _ELEMENT.unpack(
        read(source, offsets[0], _ELEMENT.size, "an image", limit=_ELEMENT.size)
    )
    (_, dx, _, _, dy, _, code, width, height) = element
    if code == 0 and width == 0:
        raise unwritten(source, offsets[0], "the last image")
    if code not in _TYPES or not (0 < width <= _MOST_PX and 0 < height <= _MOST_PX):
        raise RefusedFileError(
            f"an image of {width} x {height} px, SER type {code}: export TIFF"
        )
    if dx > _RECIPROCAL:
        raise RefusedFileError("a diffraction pattern (1/m): export the image itself")
    found = Element(
        index=valid - 1,
        n_valid=valid,
        n_planned=planned,
        shape=(height, width),
        dtype=np.dtype(_TYPES[code]).newbyteorder("<"),
        offset=offsets[0] + _ELEMENT.size,
        delta_m=(dx, dy),
        taken_at=_time(source, offsets[1]),
    )
    need(source, found.offset, found.n_bytes, "an image")
    return found


def _offsets(
    source: SourceFile, at: int, wide: bool, planned: int, index: int
) -> tuple[int, int]:
    """Where the element and its tag start."""
    form, size = ("<q", 8) if wide else ("<i", 4)
    need(source, at, 2 * planned * size, "the SER offsets")
    places = (at + index * size, at + (planned + index) * size)
    element, tag = (
        struct.unpack(form, read(source, place, size, "a SER offset", limit=size))[0]
        for place in places
    )
    if element == 0:
        raise unwritten(source, places[0], "a SER offset")
    return element, tag


def _time(source: SourceFile, at: int) -> datetime | None:
    """When the element was taken, by its tag; None where there is no believable one."""
    if not 0 < at <= source.size_bytes - 8:
        return None
    kind, seconds = struct.unpack("<II", read(source, at, 8, "a tag", limit=8))
    # Nothing was recorded before 1995 nor will be after 2100.
    if kind & 0xFFFF not in {_TAG_WITH_PLACE, 0x4152}:
        return None
    if not 788_918_400 < seconds < 4_102_444_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)
