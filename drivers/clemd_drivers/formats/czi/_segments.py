"""The segments of a CZI file: found, bounded, nothing decoded.

A segment is 16 bytes of name, its allocated and used length, and its data. The file
header says where the directory of tiles and the metadata lie; the directory may have
been written last, so a file that starts well is not yet a file that is complete.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, read, unwritten

MAGIC = b"ZISRAWFILE"
HEADER_BYTES = 32
_MAX_XML_BYTES = 32 << 20
_ALIGNMENT = 32
# Documents are padded with fewer zeros than this.
_NO_PADDING = 64


@dataclass(frozen=True, slots=True)
class FileHeader:
    """Where the parts of the file are."""

    part: int
    """Of a file that was split; 0 for the only or first part."""
    directory_at: int
    metadata_at: int
    pending: bool
    """The writer has marked the file as being changed."""


def read_header(source: SourceFile) -> FileHeader:
    """The file header.

    Raises:
        IncompleteFileError: it is not there, or names no directory yet.
    """
    data = segment_start(source, 0, MAGIC, 80)
    (part,) = struct.unpack_from("<i", data, 48)
    directory_at, metadata_at, pending = struct.unpack_from("<qqi", data, 52)
    if directory_at == 0 or metadata_at == 0:
        raise unwritten(source, source.size_bytes, "the CZI directory")
    return FileHeader(part, directory_at, metadata_at, bool(pending))


def check_finished(source: SourceFile, header: FileHeader) -> int:
    """Walk from segment to segment: every one must lie inside the file.

    Returns:
        Where the last segment starts: everything before it has been written.

    Raises:
        IncompleteFileError: one reaches past the end or is reserved only, the
            metadata end in zeros, or the writer says that it is not done.
    """
    if header.pending:
        raise unwritten(source, source.size_bytes, "the rest of the CZI file")
    if metadata_xml(source, header).endswith(bytes(_NO_PADDING)):
        raise unwritten(source, header.metadata_at, "the end of the CZI metadata")
    at = last = 0
    # A header that does not fit any more is nothing of the image.
    while at <= source.size_bytes - HEADER_BYTES:
        head = read(source, at, HEADER_BYTES, "a CZI segment", limit=HEADER_BYTES)
        if not head.strip(b"\0"):
            raise unwritten(source, at, "a CZI segment")
        (allocated,) = struct.unpack_from("<q", head, 16)
        if not _is_name(head[:16]) or allocated < _ALIGNMENT:
            break  # bytes between segments: the directory decides what counts
        need(source, at + HEADER_BYTES, allocated, "a CZI segment")
        at, last = at + HEADER_BYTES + allocated, at
    return last


def metadata_xml(source: SourceFile, header: FileHeader) -> bytes:
    """The metadata document.

    Raises:
        IncompleteFileError: it is not all there.
        RefusedFileError: larger than any real one.
    """
    at = header.metadata_at
    (length,) = struct.unpack("<i", segment_start(source, at, b"ZISRAWMETADATA", 4))
    return read(
        source,
        at + HEADER_BYTES + 256,
        length,
        "the CZI metadata",
        limit=_MAX_XML_BYTES,
    )


def segment_start(source: SourceFile, at: int, name: bytes, n_bytes: int) -> bytes:
    """The first bytes of a segment's data, the segment being of that name.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: another segment is there, or none.
    """
    shown = name.decode()
    head = read(source, at, HEADER_BYTES, f"segment {shown}", limit=HEADER_BYTES)
    if not head.strip(b"\0"):
        raise unwritten(source, at, f"segment {shown}")
    if head[:16].rstrip(b"\0") != name:
        raise RefusedFileError(
            f"no segment {shown} at byte {at} where the file says: export it again"
        )
    return read(source, at + HEADER_BYTES, n_bytes, f"segment {shown}", limit=n_bytes)


def _is_name(raw: bytes) -> bool:
    name = raw.rstrip(b"\0")
    return name.startswith(b"ZISRAW") or name == b"DELETED"
