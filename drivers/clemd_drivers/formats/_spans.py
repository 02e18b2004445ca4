"""Byte ranges of an open file: read whole or refused, and never still to come."""

from __future__ import annotations

import os
from collections.abc import Iterable

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError

_BLOCK_BYTES = 512
_LEAST_ZEROS = 64
"""Fewer zero bytes at the end happen by chance."""
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

    A writer that reserves the whole file first leaves zeros where pixels will come,
    and what it keeps back last is what does not fill a block.

    Args:
        source: the open file.
        spans: (first byte, one past the last byte) of everything that holds pixels.

    Raises:
        IncompleteFileError: the pixels after the last whole block (512 bytes, at least
            64 bytes before the end) are zero; so are all, where they are fewer. A
            black image looks the same; the caller decides how long to wait.
    """
    ordered = sorted(spans, key=lambda span: span[1], reverse=True)
    zero_from, zero_bytes, is_whole = 0, 0, True
    for start, end in ordered:
        empty = _zeros_before(source, start, end)
        if empty:
            zero_from, zero_bytes = end - empty, zero_bytes + empty
        if empty < end - start:
            is_whole = False
            break
    if not zero_bytes:
        return
    last = ordered[0][1]
    block_from = (last - _LEAST_ZEROS) // _BLOCK_BYTES * _BLOCK_BYTES
    if is_whole or zero_from <= block_from:
        raise IncompleteFileError(
            f"the tail is still zero from byte {zero_from}",
            missing_from=zero_from,
            missing_to=last,
        )


def _zeros_before(source: SourceFile, start: int, end: int) -> int:
    """How many bytes directly before `end`, back to `start` at most, are zero."""
    at = end
    while at > start:
        size = min(1 << 16, at - start)
        block = os.pread(source.fd, size, at - size)
        written = len(block.rstrip(b"\0"))
        at -= len(block) - written
        if written or not block:
            break
    return end - at
