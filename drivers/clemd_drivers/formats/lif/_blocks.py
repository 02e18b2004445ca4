"""The parts of a Leica file, nothing decoded.

LIF: one document, then named blocks of memory. LOF, which holds one image: a type
name, the memory, then the document. Layout: Leica's own description of both, as the
readers liffile (BSD-3) and Bio-Formats follow it.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, read, unwritten

MAGIC = struct.pack("<i", 0x70)
_MARK = b"\x2a"
_START = "<LMSDataContainerHeader".encode("utf-16-le")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MAX_XML_BYTES = 64 << 20
_MAX_BLOCKS = 100_000
_MAX_NAME_CHARACTERS = 1000


_OBJECT = "LMS_Object_File"
_OBJECT_HEAD = struct.Struct(f"<iiBi{2 * len(_OBJECT)}sBiBiBQ")


@dataclass(frozen=True, slots=True)
class Block:
    """Where the bytes of one image are."""

    offset: int
    n_bytes: int


def is_lif(head: bytes) -> bool:
    """Does a file with these first bytes start as LIF files do?"""
    return head.startswith(MAGIC) and head[8:9] == _MARK and _START in head[:200]


def is_lof(head: bytes) -> bool:
    """Does a file with these first bytes start as LOF files do?"""
    if len(head) < _OBJECT_HEAD.size or not head.startswith(MAGIC):
        return False
    return head[13 : 13 + 2 * len(_OBJECT)] == _OBJECT.encode("utf-16-le")


def read_object(source: SourceFile) -> tuple[bytes, Block]:
    """The document of a LOF file as UTF-8, and its one block of memory.

    Raises:
        IncompleteFileError: it is not all there; the document comes last.
        RefusedFileError: something else lies where they should be.
    """
    size = _OBJECT_HEAD.size
    head = _OBJECT_HEAD.unpack(read(source, 0, size, "the LOF header", limit=size))
    marks, n_bytes = (head[2], head[5], head[7], head[9]), int(head[10])
    if any(mark != _MARK[0] for mark in marks):
        raise RefusedFileError("a LOF header without its marks: export it again")
    need(source, size, n_bytes, "the LOF memory")
    at = size + n_bytes
    start = read(source, at, 13, "the LOF metadata", limit=13)
    if not start.strip(b"\0"):
        raise unwritten(source, at, "the LOF metadata")
    (count,) = struct.unpack("<i", start[9:])
    if not start.startswith(MAGIC) or start[8:9] != _MARK or count < 0:
        raise RefusedFileError(f"no LOF metadata at byte {at}: export it again")
    raw = read(source, at + 13, 2 * count, "the LOF metadata", limit=_MAX_XML_BYTES)
    if not raw[-2:].strip(b"\0"):
        raise unwritten(source, at, "the end of the LOF metadata")
    text = raw.decode("utf-16-le", "replace")
    document = _DECLARATION.sub("", text).encode("utf-8", "replace")
    return document, Block(size, n_bytes)


def read_document(source: SourceFile) -> tuple[bytes, int]:
    """The metadata document as UTF-8, and where it ends in the file.

    Raises:
        IncompleteFileError: it is not all there.
        RefusedFileError: larger than any real one.
    """
    head = read(source, 0, 13, "the LIF header", limit=13)
    (length,), (count,) = (
        struct.unpack_from("<i", head, 4),
        struct.unpack("<i", head[9:]),
    )
    if count < 0 or 5 + 2 * count > length:
        raise RefusedFileError(
            f"a LIF header of {length} bytes for {count} characters: export it again"
        )
    raw = read(source, 13, 2 * count, "the LIF metadata", limit=_MAX_XML_BYTES)
    if not raw[-2:].strip(b"\0"):
        raise unwritten(source, 13, "the end of the LIF metadata")
    text = raw.decode("utf-16-le", "replace")
    # It may claim to be UTF-16, which it is not any more.
    return _DECLARATION.sub("", text).encode("utf-8", "replace"), 8 + length


def read_blocks(source: SourceFile, at: int, version: int) -> dict[str, Block]:
    """Every block of memory by its name.

    Args:
        source: the open file.
        at: where the first one starts.
        version: of the document; lengths have 4 bytes in the first, then 8.

    Raises:
        IncompleteFileError: one reaches past the end, or is reserved only.
        RefusedFileError: something else lies between them.
    """
    form = "<i" if version < 2 else "<q"
    size = struct.calcsize(form)
    found: dict[str, Block] = {}
    while at < source.size_bytes:
        head = read(source, at, 14 + size, "a LIF block", limit=14 + size)
        if not head.strip(b"\0"):
            raise unwritten(source, at, "a LIF block")
        (n_bytes,) = struct.unpack_from(form, head, 9)
        (count,) = struct.unpack_from("<i", head, 10 + size)
        marks = head[8:9] + head[9 + size : 10 + size]
        if not head.startswith(MAGIC) or marks != 2 * _MARK:
            raise RefusedFileError(f"no LIF block at byte {at}: export it again")
        if not 0 <= count <= _MAX_NAME_CHARACTERS or len(found) >= _MAX_BLOCKS:
            raise RefusedFileError(
                f"a LIF block named with {count} characters: export it again"
            )
        name = read(source, at + 14 + size, 2 * count, "a name", limit=2 * count)
        start = at + 14 + size + 2 * count
        need(source, start, n_bytes, "a LIF block")
        found[name.decode("utf-16-le", "replace")] = Block(start, n_bytes)
        at = start + n_bytes
    return found
