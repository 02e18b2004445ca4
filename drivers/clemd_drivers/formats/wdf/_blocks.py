"""The chain of blocks that a WDF file is: name, number, size, then the content.

Layout by the published descriptions of the format, checked against files of WiRE.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats import _spans
from clemd_drivers.formats._values import clean

MAGIC = b"WDF1"
HEADER_BYTES = 512
HEAD = struct.Struct("<4sIQ")
"""Name, number among its like, size with this head."""
_MOST_BLOCKS = 4096
_LARGEST_BLOCK = 64 << 20
"""Of the blocks that are read whole; spectra are not."""
MAP = 3
"""Kind of a measurement that is a map."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block's content."""

    offset: int
    n_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first block states."""

    uuid: str
    points: int
    """Samples of a spectrum."""
    capacity: int
    """Spectra that there is room for."""
    count: int
    """Spectra that were taken."""
    origins: int
    kind: int
    started_at: datetime | None
    laser_nm: float | None
    user: str
    title: str
    program: str


def read_blocks(source: SourceFile) -> dict[str, Block]:
    """The first block of each name.

    Raises:
        IncompleteFileError: the chain runs past the end of the file, or into zeros.
        RefusedFileError: no chain.
    """
    found: dict[str, Block] = {}
    at = 0
    for _ in range(_MOST_BLOCKS):
        if at == source.size_bytes:
            return found
        raw = _spans.read(source, at, HEAD.size, "a WDF block", limit=HEAD.size)
        if not raw.strip(b"\0"):
            raise _spans.unwritten(source, at, "a WDF block")
        name, _, size = HEAD.unpack(raw)
        if size < HEAD.size:
            raise RefusedFileError(
                f"the WDF block at byte {at} is said to be {size} bytes: save it again"
            )
        word = clean(name.decode("latin-1"))
        _spans.need(source, at, size, f"the WDF block {word}")
        found.setdefault(word, Block(at + HEAD.size, size - HEAD.size))
        at += size
    raise RefusedFileError(f"a WDF file of more than {_MOST_BLOCKS} blocks")


def content(source: SourceFile, block: Block, what: str) -> bytes:
    """Everything in one block.

    Raises:
        RefusedFileError: it is too large.
    """
    return _spans.read(source, block.offset, block.n_bytes, what, limit=_LARGEST_BLOCK)


def read_header(source: SourceFile) -> Header:
    """The first block.

    Raises:
        IncompleteFileError: it is not all there, or still zero.
        RefusedFileError: numbers that cannot be true.
    """
    raw = _spans.read(source, 0, HEADER_BYTES, "the WDF header", limit=HEADER_BYTES)
    if HEAD.unpack_from(raw)[2] != HEADER_BYTES:
        raise RefusedFileError("a WDF header of another version: save it in WiRE 4")
    points, capacity, count = struct.unpack_from("<IQQ", raw, 0x3C)
    if not 0 < points <= 1 << 20 or not 0 < capacity <= 1 << 32 or count > capacity:
        raise RefusedFileError(
            f"the WDF header speaks of {count} of {capacity} spectra of {points} "
            "samples: save it again"
        )
    (origins,) = struct.unpack_from("<I", raw, 0x5C)
    (kind,) = struct.unpack_from("<I", raw, 0x84)
    (ticks,) = struct.unpack_from("<Q", raw, 0x88)
    (wavenumber,) = struct.unpack_from("<f", raw, 0x9C)
    return Header(
        uuid=raw[24:40].hex(),
        points=points,
        capacity=capacity,
        count=count,
        origins=origins,
        kind=kind,
        started_at=_moment(ticks),
        laser_nm=1e7 / wavenumber if 1e3 < wavenumber < 1e6 else None,
        user=_text(raw[0xD0:0xF0]),
        title=_text(raw[0xF0:0x190]),
        program=_text(raw[0x60:0x78]),
    )


def _text(raw: bytes) -> str:
    return clean(raw.split(b"\0")[0].decode("utf-8", "replace"))


def _moment(ticks: int) -> datetime | None:
    """A Windows file time: tenths of microseconds since 1601, UTC."""
    if not 1.1e17 < ticks < 1.6e17:  # 1949 to 2108
        return None
    return datetime(1601, 1, 1, tzinfo=UTC) + timedelta(microseconds=ticks // 10)
