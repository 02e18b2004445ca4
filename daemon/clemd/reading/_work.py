"""What the child does with one file: contain, hash, ask a driver, decode, leave planes.

A result is given only where the file was the same before and after; planes get their
names last.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import FormatDriver, FrameReader, PositionedDriver, SourceFile
from clemd.errors import (
    ChangedFileError,
    ClemdError,
    RefusedFileError,
    UnreadableFormatError,
)
from clemd.model import Frame, display_name

from ._holes import check_holes
from ._magic import foreign_format
from ._request import ReadRequest, ReadResult

_BLOCK_BYTES = 4 << 20
_MAX_CHANNELS = 1024


def read(
    request: ReadRequest, drivers: Sequence[FormatDriver], *, max_pixels: int
) -> ReadResult:
    """Read one file.

    Raises:
        RefusedFileError: never readable; one line says why.
        IncompleteFileError: bytes are missing.
        ChangedFileError: it changed or vanished meanwhile.
        PermissionError: its folder is closed to this process.
    """
    started = time.perf_counter()
    try:
        source = _open(request)
        with ExitStack() as stack:
            stack.enter_context(source)
            result = _read(source, request, drivers, max_pixels, stack)
    except (ClemdError, PermissionError):
        raise
    except MemoryError as failed:
        raise RefusedFileError(
            "needs more memory than is allowed: raise reading.memory_limit_mb"
        ) from failed
    except Exception as failed:
        shown = " ".join(f"{type(failed).__name__}: {failed}".split())[:200]
        raise RefusedFileError(f"cannot be read ({shown}): export it again") from failed
    return replace(result, seconds=time.perf_counter() - started)


def _open(request: ReadRequest) -> SourceFile:
    source = SourceFile.open(Path(request.path), stack=request.stack)
    # Looked up after opening: a folder swapped for a link in between changes nothing.
    folder = os.path.realpath(f"/proc/self/fd/{source.folder_fd}")
    root = os.path.realpath(request.root)
    if os.path.commonpath([folder, root]) != root:
        source.close()
        raise RefusedFileError("the file lies outside its folder: remove the link")
    return source


def _read(
    source: SourceFile,
    request: ReadRequest,
    drivers: Sequence[FormatDriver],
    max_pixels: int,
    stack: ExitStack,
) -> ReadResult:
    driver = next((d for d in drivers if d.recognises(source)), None)
    if driver is None:
        raise UnreadableFormatError(foreign_format(source.head))
    positions, position = _positions(driver, source, request)
    reader = stack.enter_context(_opened(driver, source, position))
    _check_size(reader.frame, max_pixels)
    if not request.accept_zero_tail:
        check_holes(source)
        _check_tail(reader)
    digest = _hash(source, reader)
    if position is not None:  # planes and frames are known by it
        digest = hashlib.sha256(f"{digest}\n{position}".encode()).hexdigest()
    write = request.want_pixels and request.cache is not None
    planes = _Planes(Path(request.cache or "/"), digest) if write else None
    if planes:
        stack.callback(planes.discard)
    count = 0
    # Pixels may tell more than the header: the frame is looked at again every time.
    while count < len(reader.frame.channels):
        plane = reader.plane(count)
        if plane.shape != reader.frame.shape:
            raise RefusedFileError(f"a plane of {plane.shape} px: export it again")
        if planes:
            planes.add(plane)
        del plane
        count += 1
    source.check_unchanged()
    # An image that is a folder looks after the files inside it.
    getattr(reader, "check_unchanged", _nothing)()
    frame = _finish(reader.frame, source, digest, request.timezone, position)
    names = planes.publish() if planes else ()
    look = (source.size_bytes, source.modified_ns, source.inode)
    return ReadResult(
        frame=frame, planes=names, look=look, seconds=0.0, positions=positions
    )


def _positions(
    driver: FormatDriver, source: SourceFile, request: ReadRequest
) -> tuple[int, int | None]:
    """How many images the file holds, and which one is read now."""
    if request.position is not None:
        return 1, request.position
    if not (request.every_position and isinstance(driver, PositionedDriver)):
        return 1, None
    count = driver.positions(source)
    return count, 0 if count > 1 else None


def _opened(
    driver: FormatDriver, source: SourceFile, position: int | None
) -> AbstractContextManager[FrameReader]:
    if position is None:
        return driver.open(source)
    count = driver.positions(source) if isinstance(driver, PositionedDriver) else 1
    if not isinstance(driver, PositionedDriver) or position >= count:
        some = "one image" if count == 1 else f"{count} images"
        raise RefusedFileError(
            f"the file holds {some}, there is no number {position + 1}: choose another"
        )
    return driver.open_at(source, position)


def _check_size(frame: Frame, max_pixels: int) -> None:
    height, width = frame.shape
    count = len(frame.channels)
    if height * width * count > max_pixels or count > _MAX_CHANNELS:
        raise RefusedFileError(
            f"{count} x {width} x {height} px are more than reading.max_pixels = "
            f"{max_pixels}: raise it or export a smaller image"
        )


def _check_tail(reader: FrameReader) -> None:
    """Drivers of formats that reserve space first offer `check_tail`."""
    check = getattr(reader, "check_tail", None)
    if check is not None:
        check()


def _nothing() -> None:
    return None


def _hash(source: SourceFile, reader: FrameReader) -> str:
    digest = hashlib.sha256()
    at = 0
    while at < source.size_bytes:
        block = os.pread(source.fd, _BLOCK_BYTES, at)
        if not block:
            raise ChangedFileError("the file shrank while it was being read")
        digest.update(block)
        at += len(block)
    more = getattr(reader, "hash_more", None)
    if more is not None:
        more(digest)
    return digest.hexdigest()


def _finish(
    frame: Frame, source: SourceFile, digest: str, timezone: str, position: int | None
) -> Frame:
    path = display_name(os.fsencode(source.path))
    return replace(
        frame,
        path=path if position is None else f"{path} #{position + 1}",
        position=position,
        content_sha256=digest,
        size_bytes=source.size_bytes,
        beside={display_name(name): look for name, look in source.beside.items()},
        acquired_at=_in_utc(frame.acquired_at, timezone),
    )


def _in_utc(moment: datetime | None, timezone: str) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZoneInfo(timezone))
    try:
        return moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None


class _Planes:
    """Planes under temporary names until all of them are known to be right."""

    def __init__(self, folder: Path, digest: str) -> None:
        self._folder = folder
        self._digest = digest
        self._waiting: list[Path] = []

    def add(self, plane: NDArray[Any]) -> None:
        """Write one plane: C order, stored sample type, no pickle, on the disk."""
        name = f".{self._digest}-{len(self._waiting)}.{os.getpid()}.part"
        path = self._folder / name
        self._waiting.append(path)
        try:
            with path.open("wb") as stream:
                np.save(stream, np.ascontiguousarray(plane), allow_pickle=False)
                stream.flush()
                os.fdatasync(stream.fileno())
        except OSError as failed:
            raise ChangedFileError(
                f"the cache cannot be written: {failed.strerror}"
            ) from failed

    def publish(self) -> tuple[str, ...]:
        """Give the planes their names."""
        names = [f"{self._digest}-{n}.npy" for n in range(len(self._waiting))]
        for path, name in zip(self._waiting, names, strict=True):
            path.replace(self._folder / name)
        self._waiting.clear()
        return tuple(names)

    def discard(self) -> None:
        """Remove what was not published."""
        for path in self._waiting:
            path.unlink(missing_ok=True)
