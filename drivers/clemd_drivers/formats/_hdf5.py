"""HDF5 out of untrusted files: hard links only, known filters only, sizes checked.

The library reads from the descriptor that is open already. External and soft links,
data in other files and filters that would be loaded from a folder are never followed.
"""

from __future__ import annotations

import importlib
import math
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats import _spans
from clemd_drivers.formats._raw import Span

MAGIC = b"\x89HDF\r\n\x1a\n"
_OWN_FILTERS = {1, 2, 3}
"""Deflate, shuffle, checksum."""
_MAX_NAMES = 256
_MAX_CHUNKS = 10_000
_MAX_CHUNK_BYTES = 1 << 30
_ENDS_AT = {0: 40, 1: 44, 2: 28, 3: 28}
"""Where each version of the superblock says how long the file is."""


def library() -> Any | None:
    """The HDF5 library, or None where the extra is not installed."""
    try:
        return importlib.import_module("h5py")
    except ImportError:
        return None


def check_length(source: SourceFile) -> None:
    """Make sure that the file is as long as it says.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: a version that is not known.
    """
    _spans.need(source, 0, 96, "the HDF5 superblock")
    version = source.head[8]
    at = _ENDS_AT.get(version)
    sizes = source.head[13:15] if version < 2 else source.head[9:11]
    if at is None or sizes != b"\x08\x08":
        raise RefusedFileError(f"HDF5 of version {version} is not read: export TIFF")
    (end,) = struct.unpack_from("<Q", source.head, at)
    if end < 96:
        raise _spans.unwritten(source, at, "the HDF5 superblock")
    _spans.need(source, 0, end, "an HDF5 file")


@contextmanager
def opened(source: SourceFile) -> Iterator[Any]:
    """The root group.

    Raises:
        RefusedFileError: the library is not installed.
        OSError: not readable.
    """
    h5py = library()
    if h5py is None:
        raise RefusedFileError(
            "HDF5 needs an extra that is not installed: pip install 'clemd[emd]'"
        )
    with source.stream() as stream, h5py.File(stream, "r") as file:
        yield file


def child(group: Any, *path: str) -> Any | None:
    """What lies at `path` in this file, or None.

    Raises:
        KeyError: it is listed and cannot be opened.
    """
    here = group
    for name in path:
        if here is None or not hasattr(here, "keys"):
            return None
        link = here.get(name, getlink=True)
        # An object that is linked and cannot be opened is damage, not absence.
        here = here[name] if type(link).__name__ == "HardLink" else None
    return here


def names(group: Any) -> list[str]:
    """What lies in a group: the first few hundred."""
    return [str(name) for name in islice(iter(group), _MAX_NAMES)]


def is_own(dataset: Any) -> bool:
    """Does the dataset lie in this file, in a form that the library itself reads?"""
    if dataset.is_virtual or dataset.external:
        return False
    plan = dataset.id.get_create_plist()
    filters = {plan.get_filter(i)[0] for i in range(plan.get_nfilters())}
    size = math.prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
    return filters <= _OWN_FILTERS and size <= _MAX_CHUNK_BYTES


def spans(source: SourceFile, dataset: Any) -> list[Span]:
    """Where the samples are; empty where they lie in too many pieces to tell.

    Raises:
        IncompleteFileError: not all of them are written.
    """
    size = dataset.id.get_storage_size()
    if dataset.chunks is None:
        start = dataset.id.get_offset()
        if start is None or size == 0:
            raise _spans.unwritten(source, source.size_bytes, "an image")
        _spans.need(source, start, size, "an image")
        return [(start, start + size)]
    wanted = math.prod(
        -(-length // step)
        for length, step in zip(dataset.shape, dataset.chunks, strict=True)
    )
    count = dataset.id.get_num_chunks()
    if count < wanted:
        raise _spans.unwritten(source, source.size_bytes, f"{wanted - count} chunks")
    if count > _MAX_CHUNKS:
        return []
    found = []
    for index in range(count):
        info = dataset.id.get_chunk_info(index)
        _spans.need(source, info.byte_offset, info.size, "a chunk")
        found.append((info.byte_offset, info.byte_offset + info.size))
    return found


def tail_is_zero(source: SourceFile) -> bool:
    """Are the last bytes of the file reserved only?"""
    start = max(0, source.size_bytes - 4096)
    return not os.pread(source.fd, 4096, start).strip(b"\0")
