"""The blocks of an OIR file or of one of its parts: found, named and bounded.

The library that decodes OIR believes every size that a file states. Here each is held
against the file first, so that it is only ever given what is there.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats import _spans
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._xml import MAX_XML_BYTES

MAGIC = b"OLYMPUSRAWFORMAT"
HEADER_BYTES = 96
INDEX_MARK = 0xFFFFFFFF
METADATA, FRAME, UID, PIXELS = 0, 1, 3, 4
"""Types of blocks that are used."""
IMAGE_ROOT = "imageProperties"
"""The document that says most of what is known."""

_HEAD = struct.Struct("<II")
_UID_HEAD = struct.Struct("<IIIII")
_MOST_BLOCKS = 300_000
_MOST_TEXT_BLOCKS = 256
_MOST_TEXT_BYTES = 2 * MAX_XML_BYTES
_MOST_UID_BYTES = 256
_ROOT_WITHIN = 400
_XML = b"<?xml"
_REFERENCE = "REF_"
"""So begin the names of overviews that some scans keep."""
_NAMED = re.compile(
    r"(?P<axes>[0-9A-Za-z]{0,64})(?:_\d{1,9}_\d{1,9})?"
    r"_(?P<channel>[0-9a-f-]{1,64})_(?P<piece>\d{1,7})"
)
_AXIS = re.compile(r"([tlz])(\d{1,7})")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a plane."""

    source: SourceFile
    offset: int
    n_bytes: int


@dataclass(slots=True)
class Plane:
    """One plane of one channel: pieces by their number."""

    name: str
    """As the file names it, without the number."""
    pieces: dict[int, Piece] = field(default_factory=dict)

    def ordered(self) -> tuple[Piece, ...]:
        """The pieces from the first on, as far as none is missing."""
        found: list[Piece] = []
        while len(found) in self.pieces:
            found.append(self.pieces[len(found)])
        return tuple(found)

    @property
    def n_bytes(self) -> int:
        """Bytes of pixels from the first on."""
        return sum(piece.n_bytes for piece in self.ordered())


@dataclass(slots=True)
class Content:
    """What was found in a file and its parts."""

    planes: dict[tuple[str, PlaneKey], Plane] = field(default_factory=dict)
    image: bytes | None = None
    """XML about the whole image; only the first file has it."""
    frame: bytes | None = None
    """XML about the first plane."""
    text_blocks: int = 0
    text_bytes: int = 0

    def count_text(self, n_bytes: int) -> None:
        """One more block of metadata is to be read.

        Raises:
            RefusedFileError: they are more than any image has.
        """
        self.text_blocks += 1
        self.text_bytes += n_bytes
        if self.text_blocks > _MOST_TEXT_BLOCKS or self.text_bytes > _MOST_TEXT_BYTES:
            raise RefusedFileError(
                f"{self.text_blocks} blocks of OIR metadata, {self.text_bytes} bytes: "
                "more than any image has, export it again"
            )


def read_blocks(source: SourceFile, content: Content) -> None:
    """Take into account what one file holds.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: its structure is none that FluoView writes.
    """
    name: str | None = None
    for at in _index(source):
        kind, start, n_bytes = _block(source, at)
        if kind == PIXELS and name is not None:
            _add(content, name, Piece(source, start, n_bytes))
        name = _uid(source, at, n_bytes) if kind == UID else None
        if kind == FRAME and content.frame is None:
            content.count_text(n_bytes)
            content.frame = next(_documents(source, start, n_bytes), None)
        # Repeated in a long series, with tables of colours: the first one is enough.
        if kind == METADATA and content.image is None:
            content.count_text(n_bytes)
            found = _documents(source, start, n_bytes)
            content.image = next((one for one in found if _is_image(one)), None)


def _index(source: SourceFile) -> list[int]:
    """Where blocks begin, by the list at the end of the file."""
    head = _spans.read(source, 0, 48, "the OIR header", limit=48)
    declared, at = struct.unpack_from("<QQ", head, 32)
    if not declared or not at:
        raise _spans.unwritten(source, 32, "the size of the OIR file")
    _spans.need(source, 0, declared, "the OIR file")
    if not HEADER_BYTES <= at <= declared - 4:
        raise RefusedFileError(
            f"an OIR file of {declared} bytes whose list of blocks is at byte {at}: "
            "export it again"
        )
    limit = 4 + 8 * _MOST_BLOCKS
    listed = _spans.read(source, at, declared - at, "the OIR block list", limit=limit)
    (mark,) = struct.unpack_from("<I", listed)
    if mark != INDEX_MARK:
        if not listed.strip(b"\0"):
            raise _spans.unwritten(source, at, "the OIR block list")
        raise RefusedFileError(
            "the list of blocks of the OIR file is damaged: export it again"
        )
    offsets = []
    for (offset,) in struct.iter_unpack(
        "<Q", listed[4 : 4 + (len(listed) - 4) // 8 * 8]
    ):
        if offset == 0 or offset >= declared:
            break
        offsets.append(offset)
    return list(dict.fromkeys(offsets))


def _block(source: SourceFile, at: int) -> tuple[int, int, int]:
    """(type, first byte of what it holds, how many)."""
    head = _spans.read(source, at, _HEAD.size, "an OIR block", limit=_HEAD.size)
    n_bytes, kind = _HEAD.unpack(head)
    start = at + _HEAD.size
    _spans.need(source, start, n_bytes, "an OIR block")
    return kind, start, n_bytes


def _uid(source: SourceFile, at: int, n_bytes: int) -> str | None:
    """The name of the pixels in the next block, or None where it is none."""
    if n_bytes < _UID_HEAD.size - _HEAD.size:
        return None
    head = _spans.read(source, at, _UID_HEAD.size, "a name", limit=_UID_HEAD.size)
    length = _UID_HEAD.unpack(head)[4]
    if length > min(_MOST_UID_BYTES, n_bytes):
        return None
    return os.pread(source.fd, length, at + _UID_HEAD.size).decode("ascii", "replace")


def _add(content: Content, name: str, piece: Piece) -> None:
    found = None if name.startswith(_REFERENCE) else _NAMED.fullmatch(name)
    if found is None:
        return
    at = {axis: int(place) for axis, place in _AXIS.findall(found["axes"])}
    key = PlaneKey(t=at.get("t", 0), z=at.get("z", 0), spectral=at.get("l", 0))
    stem = name[: found.start("piece")]
    plane = content.planes.setdefault((found["channel"], key), Plane(stem))
    plane.pieces.setdefault(int(found["piece"]), piece)


def _is_image(document: bytes) -> bool:
    return IMAGE_ROOT.encode() in document[:_ROOT_WITHIN]


def _documents(source: SourceFile, start: int, n_bytes: int) -> Iterator[bytes]:
    """Every XML document in a block, as UTF-8, without its declaration.

    They are declared as ASCII and hold the letter of µm.
    """
    data = _spans.read(
        source, start, n_bytes, "a block of OIR metadata", limit=MAX_XML_BYTES
    )
    for one in data.split(_XML)[1:]:
        body = one.partition(b"?>")[2]
        text = body[: body.rfind(b">") + 1].decode("utf-8", "replace").strip()
        if text:
            yield text.encode()
