"""The library that decodes OIR, given one plane at a time out of a checked file."""

from __future__ import annotations

import importlib
import io
import os
import struct
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import ChangedFileError, RefusedFileError

from ._blocks import (
    FRAME,
    HEADER_BYTES,
    INDEX_MARK,
    MAGIC,
    METADATA,
    PIXELS,
    UID,
    Piece,
    Plane,
)

LEAST_PYTHON = (3, 12)


def library() -> Any | None:
    """The library, or None where the extra is not installed."""
    try:
        return importlib.import_module("oirfile")
    except (ImportError, SyntaxError):  # it is written for newer Pythons
        return None


def needed() -> Any:
    """The library.

    Raises:
        RefusedFileError: it is not there; the reason says what mends it.
    """
    found = library()
    if found is not None:
        return found
    if sys.version_info < LEAST_PYTHON:
        raise RefusedFileError(
            "an Olympus OIR file needs Python 3.12 and one more package there, "
            "pip install 'clemd[oir]': or export OME-TIFF"
        )
    raise RefusedFileError(
        "an Olympus OIR file needs one more package: pip install 'clemd[oir]'"
    )


class Excerpt(io.RawIOBase):
    """A small OIR file that exists only while it is read: chosen blocks of others."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, bytes | Piece]] = []
        self._blocks: list[int] = []
        self._size = 0
        self._at = 0
        self._put(bytes(HEADER_BYTES))

    def add_text(self, kind: int, document: bytes) -> None:
        """A block with one XML document."""
        self._open(kind, b"<?xml version='1.0'?>" + document)

    def add_plane(self, plane: Plane) -> None:
        """All pieces of a plane, each with its name."""
        for number, piece in enumerate(plane.ordered()):
            name = f"{plane.name}{number}".encode("ascii")
            self._open(UID, struct.pack("<III", 0, piece.n_bytes, len(name)) + name)
            self._open(PIXELS, piece)

    def finish(self) -> Excerpt:
        """Append the list of blocks and say in the header where it is."""
        at = self._size
        self._put(struct.pack("<I", INDEX_MARK))
        self._put(struct.pack(f"<{len(self._blocks)}Q", *self._blocks))
        head = MAGIC + struct.pack("<4I2Q", 12, 0, 1, 2, self._size, at)
        self._parts[0] = (0, head.ljust(HEADER_BYTES, b"\0"))
        return self

    def _open(self, kind: int, content: bytes | Piece) -> None:
        n_bytes = len(content) if isinstance(content, bytes) else content.n_bytes
        self._blocks.append(self._size)
        self._put(struct.pack("<II", n_bytes, kind))
        self._put(content)

    def _put(self, content: bytes | Piece) -> None:
        self._parts.append((self._size, content))
        self._size += len(content) if isinstance(content, bytes) else content.n_bytes

    def seekable(self) -> bool:
        """Yes."""
        return True

    def readable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}
        self._at = max(0, base[whence] + offset)
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes from here on."""
        wanted = self._size - self._at
        wanted = wanted if size < 0 else min(size, wanted)
        found = []
        while wanted > 0:
            start, content = self._parts[self._part_at(self._at)]
            data = _slice(content, self._at - start, wanted)
            found.append(data)
            self._at += len(data)
            wanted -= len(data)
        return found[0] if len(found) == 1 else b"".join(found)

    def _part_at(self, at: int) -> int:
        first, last = 0, len(self._parts) - 1
        while first < last:
            middle = (first + last + 1) // 2
            if self._parts[middle][0] <= at:
                first = middle
            else:
                last = middle - 1
        return first


def overview(frame: bytes, image: bytes | None, planes: Sequence[Plane]) -> Any:
    """What the library makes of the whole; holds no pixels."""
    excerpt = Excerpt()
    excerpt.add_text(FRAME, frame)
    if image is not None:
        excerpt.add_text(METADATA, image)
    for plane in planes:
        excerpt.add_plane(plane)
    return needed().OirFile(excerpt.finish(), multifile=False)


def decode(
    frame: bytes, plane: Plane, shape: tuple[int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    """The pixels of one plane; rows beyond the image are left out.

    Raises:
        RefusedFileError: they are not what the frame says.
    """
    opened = overview(frame, None, [plane])
    try:
        pixels = np.asarray(opened.asarray())
    finally:
        opened.close()
    if pixels.ndim != 2 or pixels.dtype != dtype or pixels.shape[1] != shape[1]:
        raise RefusedFileError(
            f"an OIR plane of {pixels.shape} samples, {shape} are told: export it again"
        )
    return np.ascontiguousarray(pixels[: shape[0]]).astype(
        dtype.newbyteorder("="), copy=False
    )


def _slice(content: bytes | Piece, start: int, n_bytes: int) -> bytes:
    if isinstance(content, bytes):
        return content[start : start + n_bytes]
    n_bytes = min(n_bytes, content.n_bytes - start)
    data = os.pread(content.source.fd, n_bytes, content.offset + start)
    if not data:
        raise ChangedFileError("the file shrank while it was being read")
    return data
