"""The directories of a TIFF file, read without decoding anything.

Vendors differ in where the directory lies (Zeiss at byte 8, Thermo at the end), so a
file that opens is not a file that is complete. Everything here is bounded: a value
longer than `MAX_TAG_BYTES`, too many directories or a loop is refused.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError

MAX_DIRECTORIES = 10_000
MAX_TAG_BYTES = 64 << 20
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
          13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
_INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8",
             17: "i8", 18: "u8"}  # fmt: skip
_ABSURD = 1 << 44


@dataclass(frozen=True, slots=True)
class Tag:
    """One entry of a directory."""

    code: int
    kind: int
    count: int
    offset: int
    """Of its value in the file."""

    @property
    def n_bytes(self) -> int:
        """Length of the value."""
        return self.count * _SIZES.get(self.kind, 1)


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory."""

    order: str
    """`<` or `>`."""
    tags: dict[int, Tag]
    next_offset: int

    def integers(self, source: SourceFile, code: int) -> NDArray[np.int64]:
        """The integers of a tag; empty where it is absent or not of integers."""
        tag = self.tags.get(code)
        if tag is None or tag.kind not in _INTEGERS:
            return np.zeros(0, np.int64)
        data = value_bytes(source, tag)
        values = np.frombuffer(data, self.order + _INTEGERS[tag.kind])
        return values.astype(np.int64)

    def integer(self, source: SourceFile, code: int, default: int) -> int:
        """The first integer of a tag."""
        values = self.integers(source, code)
        return int(values[0]) if len(values) else default

    def text(self, source: SourceFile, code: int) -> bytes:
        """The bytes of a tag without trailing NULs; empty where it is absent."""
        tag = self.tags.get(code)
        return b"" if tag is None else value_bytes(source, tag).rstrip(b"\0")


def value_bytes(source: SourceFile, tag: Tag) -> bytes:
    """A tag's value.

    Raises:
        IncompleteFileError: it lies (partly) past the end of the file.
        RefusedFileError: it is larger than any real one.
    """
    if tag.n_bytes > MAX_TAG_BYTES:
        raise RefusedFileError(
            f"TIFF tag {tag.code} claims {tag.n_bytes} bytes: export it again"
        )
    need(source, tag.offset, tag.n_bytes, f"TIFF tag {tag.code}")
    return os.pread(source.fd, tag.n_bytes, tag.offset)


def need(source: SourceFile, offset: int, n_bytes: int, what: str) -> None:
    """Make sure that the file holds these bytes.

    Raises:
        IncompleteFileError: it does not; the range says what is missing.
        RefusedFileError: no real file could.
    """
    end = offset + n_bytes
    if end <= source.size_bytes:
        return
    if end > _ABSURD:
        raise RefusedFileError(f"{what} points {end} bytes in: not a sound TIFF file")
    start = max(offset, source.size_bytes)
    raise IncompleteFileError(
        f"{what} needs bytes {start} to {end}, the file has {source.size_bytes}",
        missing_from=start,
        missing_to=end,
    )


def is_tiff(source: SourceFile) -> bool:
    """Does it start as a classic or big TIFF file?"""
    return source.head[:4] in {b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"}


def first_directory(source: SourceFile) -> Directory | None:
    """The first directory, or None where there is none (yet). Never raises."""
    try:
        return next(directories(source), None) if is_tiff(source) else None
    except (IncompleteFileError, RefusedFileError, OSError):
        return None


def directories(source: SourceFile) -> Iterator[Directory]:
    """The chain of directories, first to last.

    Raises:
        IncompleteFileError: the chain leads past the end of the file.
        RefusedFileError: it loops, never ends, or makes no sense.
    """
    order = "<" if source.head[:2] == b"II" else ">"
    big = source.head[2:4] in {b"+\0", b"\0+"}
    need(source, 0, 16 if big else 8, "the TIFF header")
    word, at = ("Q", 8) if big else ("I", 4)
    offset = int(struct.unpack_from(order + word, source.head, at)[0])
    if offset == 0:
        # Some writers fill in the header last.
        raise IncompleteFileError(
            "the TIFF directory is not written yet",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        )
    seen: set[int] = set()
    while offset:
        if offset in seen or len(seen) >= MAX_DIRECTORIES:
            raise RefusedFileError("the TIFF directories loop: export it again")
        seen.add(offset)
        directory = _directory(source, offset, order, big)
        yield directory
        offset = directory.next_offset


def _directory(source: SourceFile, offset: int, order: str, big: bool) -> Directory:
    head, entry, word = (8, 20, "Q") if big else (2, 12, "I")
    need(source, offset, head, "a TIFF directory")
    raw = os.pread(source.fd, head, offset)
    count = int(struct.unpack(order + ("Q" if big else "H"), raw)[0])
    if not 0 < count <= 4096:
        raise RefusedFileError(
            f"a TIFF directory with {count} entries: export it again"
        )
    length = count * entry + (8 if big else 4)
    need(source, offset + head, length, "a TIFF directory")
    data = os.pread(source.fd, length, offset + head)
    tags: dict[int, Tag] = {}
    for at in range(0, count * entry, entry):
        code, kind, n = struct.unpack_from(f"{order}HH{word}", data, at)
        inline = at + (12 if big else 8)
        tag = Tag(code, kind, n, offset + head + inline)
        if tag.n_bytes > (8 if big else 4):
            (target,) = struct.unpack_from(order + word, data, inline)
            tag = Tag(code, kind, n, target)
        tags.setdefault(code, tag)
    (following,) = struct.unpack_from(order + word, data, count * entry)
    return Directory(order, tags, following)
