"""Byte ranges of an open file: read whole or refused, and never still to come."""

from __future__ import annotations

import os
from collections.abc import Iterable

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError

_TAIL_BYTES = 4096
_ABSURD = 1 << 44


def need(source: SourceFile, offset: int, n_bytes: int, what: str) -> None:
    """Make sure that the file holds these bytes.

    Raises:
        IncompleteFileError: it does not; the range says what is missing.
        RefusedFileError: no real file could.
    """
    end = offset + n_bytes
    if offset < 0 or n_bytes < 0 or end > _ABSURD:
        raise RefusedFileError(
            f"{what} is said to be {n_bytes} bytes at byte {offset}: export it again"
        )
    if end <= source.size_bytes:
        return
    start = max(offset, source.size_bytes)
    raise IncompleteFileError(
        f"{what} needs bytes {start} to {end}, the file has {source.size_bytes}",
        missing_from=start,
        missing_to=end,
    )


def read(
    source: SourceFile, offset: int, n_bytes: int, what: str, *, limit: int
) -> bytes:
    """These bytes.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: more than `limit` bytes, or no real place.
    """
    if n_bytes > limit:
        raise RefusedFileError(f"{what} claims {n_bytes} bytes: export it again")
    need(source, offset, n_bytes, what)
    return os.pread(source.fd, n_bytes, offset)


def unwritten(source: SourceFile, offset: int, what: str) -> IncompleteFileError:
    """The error for a place that is reserved and still zero."""
    return IncompleteFileError(
        f"{what} at byte {offset} is not written yet",
        missing_from=offset,
        missing_to=max(offset, source.size_bytes) + 1,
    )


def check_tail(source: SourceFile, spans: Iterable[tuple[int, int]]) -> None:
    """Make sure that the last pixels have been written.

    Args:
        source: the open file.
        spans: (first byte, one past the last byte) of everything that holds pixels.

    Raises:
        IncompleteFileError: the last 4 KiB of pixels (all of them, where they are
            fewer) are zero. A black image looks the same; the caller decides how
            long to wait.
    """
    ordered = sorted(spans, key=lambda span: span[1], reverse=True)
    wanted = min(_TAIL_BYTES, sum(end - start for start, end in ordered))
    empty, zero_from = 0, 0
    for start, end in ordered:
        size = min(wanted - empty, end - start)
        if os.pread(source.fd, size, end - size).strip(b"\0"):
            return
        empty, zero_from = empty + size, end - size
        if empty >= wanted:
            break
    if empty:
        raise IncompleteFileError(
            f"the tail is still zero from byte {zero_from}",
            missing_from=zero_from,
            missing_to=ordered[0][1],
        )
