"""Classic little-endian TIFF, laid out in bytes the way a given exporter does it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ASCII, SHORT, LONG, RATIONAL, IFD = 2, 3, 4, 5, 13
_SIZES = {ASCII: 1, SHORT: 2, LONG: 4, RATIONAL: 8, IFD: 4}

STRIP_OFFSETS, STRIP_BYTES = 273, 279


@dataclass(frozen=True)
class Tag:
    """One entry of a directory; the value is already in bytes."""

    code: int
    kind: int
    value: bytes

    @classmethod
    def ascii(cls, code: int, text: bytes) -> Tag:
        """Text, which must bring its own closing NUL."""
        return cls(code, ASCII, text)

    @classmethod
    def short(cls, code: int, *values: int) -> Tag:
        """16-bit numbers."""
        return cls(code, SHORT, struct.pack(f"<{len(values)}H", *values))

    @classmethod
    def long(cls, code: int, *values: int, kind: int = LONG) -> Tag:
        """32-bit numbers."""
        return cls(code, kind, struct.pack(f"<{len(values)}I", *values))

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.value) // _SIZES[self.kind]


def directory(tags: list[Tag], *, at: int) -> bytes:
    """A directory that starts at file offset `at`, its long values behind it."""
    tags = sorted(tags, key=lambda tag: tag.code)
    entries, tail = b"", b""
    after = at + 2 + 12 * len(tags) + 4
    for tag in tags:
        inline = tag.value
        if len(tag.value) > 4:
            inline = struct.pack("<I", after + len(tail))
            tail += tag.value + b"\0" * (len(tag.value) % 2)
        entries += struct.pack("<HHI", tag.code, tag.kind, tag.count)
        entries += inline.ljust(4, b"\0")
    return struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + tail


def header_first(pixels: NDArray[np.uint8], tags: list[Tag]) -> bytes:
    """Directory at byte 8, then one single strip."""
    data = pixels.tobytes()

    def laid_out(start: int) -> bytes:
        strip = [Tag.long(STRIP_OFFSETS, start), Tag.long(STRIP_BYTES, len(data))]
        return directory(tags + strip, at=8)

    start = 8 + len(laid_out(0))
    return struct.pack("<2sHI", b"II", 42, 8) + laid_out(start) + data


def header_last(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], tags: list[Tag], exif: list[Tag]
) -> bytes:
    """One strip per row from byte 8 on, then an EXIF directory, then the directory."""
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    rows, row_bytes = pixels.shape[0], len(data) // pixels.shape[0]
    data += b"\0" * (len(data) % 2)
    exif_at = 8 + len(data)
    exif_bytes = directory(exif, at=exif_at)
    at = exif_at + len(exif_bytes)
    strips = [
        Tag.long(STRIP_OFFSETS, *(8 + row_bytes * row for row in range(rows))),
        Tag.long(STRIP_BYTES, *([row_bytes] * rows)),
        Tag.long(34665, exif_at, kind=IFD),
    ]
    head = struct.pack("<2sHI", b"II", 42, at)
    return head + data + exif_bytes + directory(tags + strips, at=at)


def rational(code: int, numerator: int, denominator: int = 1) -> Tag:
    """A fraction."""
    return Tag(code, RATIONAL, struct.pack("<2I", numerator, denominator))
