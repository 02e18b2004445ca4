"""The directory of a CZI file: every tile, and where its bytes are; nothing decoded."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, read, unwritten

from ._segments import HEADER_BYTES, FileHeader, segment_start

MAX_TILES = 200_000
_DIRECTORY_FIXED = 128
_ENTRY_FIXED = 32
_DIMENSION = 20
_SUBBLOCK_FIXED = 16
_MAX_DIRECTORY_BYTES = 64 << 20
_MAX_TILE_BYTES = 1 << 31
_MAX_TILE_FACTS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Tile:
    """One entry of the directory: pixels of one place of one plane."""

    offset: int
    """Of its segment in the file."""
    part: int
    pixel_type: int
    compression: int
    starts: dict[str, int]
    """Dimension -> first index, e.g. `C`, `Z`, `T`, `S`, `M`; `X` and `Y` in px."""
    size: tuple[int, int]
    """(height, width) in px of the full image."""
    stored: tuple[int, int]
    """(height, width) as stored; smaller in the levels of a pyramid."""
    entry_bytes: int


@dataclass(frozen=True, slots=True)
class TileData:
    """Where the bytes of one tile are."""

    facts_at: int
    facts_bytes: int
    pixels_at: int
    pixels_bytes: int


def tiles(source: SourceFile, header: FileHeader) -> Iterator[Tile]:
    """Every entry of the directory, in its order.

    Raises:
        IncompleteFileError: the directory is not all there.
        RefusedFileError: entries that make no sense, or too many.
    """
    at = header.directory_at
    (count,) = struct.unpack("<i", segment_start(source, at, b"ZISRAWDIRECTORY", 4))
    if not 0 <= count <= MAX_TILES:
        raise RefusedFileError(f"a CZI directory of {count} tiles: export fewer")
    (used,) = struct.unpack("<q", read(source, at + 24, 8, "a length", limit=8))
    data = read(
        source, at + HEADER_BYTES, used, "the CZI directory", limit=_MAX_DIRECTORY_BYTES
    )
    position = _DIRECTORY_FIXED
    for _ in range(count):
        if not data[position : position + _ENTRY_FIXED].strip(b"\0"):
            raise unwritten(source, at, "a part of the CZI directory")
        tile = _entry(data, position)
        position += tile.entry_bytes
        yield tile


def tile_data(source: SourceFile, tile: Tile) -> TileData:
    """Where the facts and pixels of a tile are, checked to lie inside the file.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: lengths that make no sense.
    """
    head = segment_start(source, tile.offset, b"ZISRAWSUBBLOCK", _SUBBLOCK_FIXED)
    facts, _, pixels = struct.unpack("<iiq", head)
    if not 0 <= facts <= _MAX_TILE_FACTS_BYTES or not 0 < pixels <= _MAX_TILE_BYTES:
        raise RefusedFileError(
            f"a CZI tile of {pixels} bytes with {facts} of metadata: export it again"
        )
    start = tile.offset + HEADER_BYTES + max(256, _SUBBLOCK_FIXED + tile.entry_bytes)
    need(source, start, facts + pixels, "a CZI tile")
    return TileData(start, facts, start + facts, pixels)


def _entry(data: bytes, at: int) -> Tile:
    if at + _ENTRY_FIXED > len(data) or data[at : at + 2] != b"DV":
        raise RefusedFileError(
            f"a CZI directory entry {data[at : at + 2]!r} is not read: export it again"
        )
    pixel_type, offset, part, compression = struct.unpack_from("<iqii", data, at + 2)
    (count,) = struct.unpack_from("<i", data, at + 28)
    end = at + _ENTRY_FIXED + _DIMENSION * count
    if not 0 < count <= 32 or end > len(data):
        raise RefusedFileError(
            f"a CZI tile of {count} dimensions is not read: export it again"
        )
    starts: dict[str, int] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for k in range(at + _ENTRY_FIXED, end, _DIMENSION):
        name, start, size, _, stored = struct.unpack_from("<4siifi", data, k)
        key = name.rstrip(b"\0 ").decode("ascii", "replace")
        starts[key] = start
        sizes[key] = size, stored or size
    if "X" not in sizes or "Y" not in sizes:
        raise RefusedFileError("a CZI tile without X and Y is not read: export images")
    (width, stored_width), (height, stored_height) = sizes["X"], sizes["Y"]
    return Tile(
        offset=offset,
        part=part,
        pixel_type=pixel_type,
        compression=compression,
        starts=starts,
        size=(height, width),
        stored=(stored_height, stored_width),
        entry_bytes=end - at,
    )
