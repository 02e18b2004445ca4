"""The named chunks of an ND2 file, found by the map at its very end.

The map is written last: a file that does not end with its signature is not complete.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, read, unwritten

MAGIC = struct.pack("<I", 0x0ABECEDA)
OLD_MAGIC = b"\0\0\0\x0cjP"
_SIGNATURE = b"ND2 FILE SIGNATURE CHUNK NAME01!"
_MAP_SIGNATURE = b"ND2 CHUNK MAP SIGNATURE 0000001!"
_MAP_NAME = b"ND2 FILEMAP SIGNATURE NAME 0001!"
_HEADER = 16
_TAIL = 40
_MAX_MAP_BYTES = 256 << 20
_MAX_NAME_BYTES = 1 << 16
_MAX_FACTS_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where the data of a chunk are."""

    offset: int
    n_bytes: int


def check_version(source: SourceFile) -> None:
    """Make sure that the file is of a version that is read.

    Raises:
        IncompleteFileError: its start is not all there.
        RefusedFileError: it is older than 2015, or no such file.
    """
    if source.head.startswith(OLD_MAGIC):
        raise RefusedFileError(
            "an ND2 file of before 2010 (JPEG 2000): export it as OME-TIFF"
        )
    head = read(source, 0, _HEADER + 96, "the ND2 header", limit=_HEADER + 96)
    version = head[_HEADER + 32 : _HEADER + 96].partition(b"\0")[0]
    if head[_HEADER : _HEADER + 32] != _SIGNATURE or not version.startswith(b"Ver3"):
        shown = version[:8].decode("ascii", "replace")
        raise RefusedFileError(
            f"an ND2 file of version {shown!r} is not read: save it with a newer "
            "NIS-Elements or export OME-TIFF"
        )


def read_map(source: SourceFile) -> dict[bytes, int]:
    """Name of every chunk -> where it starts.

    Raises:
        IncompleteFileError: the file does not end with its map yet.
        RefusedFileError: the map makes no sense.
    """
    if source.size_bytes < 2 * _TAIL:
        raise unwritten(source, source.size_bytes, "the ND2 map of chunks")
    at = source.size_bytes - _TAIL
    tail = read(source, at, _TAIL, "the ND2 map of chunks", limit=_TAIL)
    if not tail.startswith(_MAP_SIGNATURE):
        raise unwritten(source, source.size_bytes, "the ND2 map of chunks")
    (start,) = struct.unpack_from("<Q", tail, 32)
    found = locate(source, start, _MAP_NAME)
    data = read(
        source, found.offset, found.n_bytes, "the ND2 map", limit=_MAX_MAP_BYTES
    )
    chunks: dict[bytes, int] = {}
    position = 0
    while True:
        end = data.find(b"!", position) + 1
        name = data[position:end]
        if name == _MAP_SIGNATURE:
            return chunks
        if end == 0 or end + 16 > len(data):
            raise RefusedFileError("an ND2 map of chunks without end: export it again")
        chunks[name], _ = struct.unpack_from("<QQ", data, end)
        position = end + 16


def locate(source: SourceFile, at: int, name: bytes) -> Chunk:
    """Where the data of the chunk at `at` are, checked to lie inside the file.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: another chunk is there, or none.
    """
    shown = name.decode("ascii", "replace")
    head = read(source, at, _HEADER, f"chunk {shown}", limit=_HEADER)
    name_bytes, n_bytes = struct.unpack_from("<IQ", head, 4)
    if not head.strip(b"\0"):
        raise unwritten(source, at, f"chunk {shown}")
    if not head.startswith(MAGIC) or not len(name) <= name_bytes <= _MAX_NAME_BYTES:
        raise RefusedFileError(
            f"no chunk {shown} at byte {at} where the file says: export it again"
        )
    found = read(source, at + _HEADER, len(name), f"chunk {shown}", limit=len(name))
    if found != name:
        raise RefusedFileError(
            f"another chunk than {shown} at byte {at}: export it again"
        )
    need(source, at + _HEADER + name_bytes, n_bytes, f"chunk {shown}")
    return Chunk(at + _HEADER + name_bytes, n_bytes)


def read_facts(source: SourceFile, chunks: dict[bytes, int], name: bytes) -> bytes:
    """The data of a chunk that holds metadata; empty where there is none.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: larger than any real one.
    """
    if name not in chunks:
        return b""
    found = locate(source, chunks[name], name)
    shown = f"chunk {name.decode('ascii', 'replace')}"
    return read(source, found.offset, found.n_bytes, shown, limit=_MAX_FACTS_BYTES)
