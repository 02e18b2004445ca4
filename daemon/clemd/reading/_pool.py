"""Hand files to a warm sandboxed child, one at a time; replace it when it is lost."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from clemd.config import ReadingSettings
from clemd.errors import RefusedFileError, TransientError

from ._process import ChildLostError, ChildNotStartedError, ChildProcess
from ._request import DeniedError, ReadRequest, ReadResult, parse_answer, request_line

_FILES_PER_CHILD = 200
_SUCCESSOR_AT = 100
"""Files after which the next child comes up beside the present one: no file waits."""
_log = structlog.get_logger(__name__)


class ReaderPool:
    """Reads files in a child that may do nothing but read and decode.

    The child is started at the first file, kept warm, and replaced after 200 files,
    a crash or a time limit; its successor comes up before it goes. One file is read
    at a time; callers wait their turn.

    Args:
        settings: limits of the child.
        allow: folders the child may read; nothing else of the users' is open to it.
        cache: folder the child may write planes to; None = no pixels are written.
    """

    def __init__(
        self, settings: ReadingSettings, *, allow: Sequence[Path], cache: Path | None
    ) -> None:
        self._settings = settings
        self._allow = tuple(allow)
        self._cache = cache
        self._child: ChildProcess | None = None
        self._successor: ChildProcess | None = None
        self._closed = threading.Event()
        # Its own thread: the kernel ends the child with the THREAD that started it.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="reading")

    async def read(self, request: ReadRequest) -> ReadResult:
        """Read one file; cancelling ends the child that reads it.

        Raises:
            RefusedFileError: never readable, or it cost two children their life.
            IncompleteFileError: bytes are missing.
            ChangedFileError: it changed or vanished meanwhile.
            TransientError: no child comes up on this machine now.
        """
        given_up = threading.Event()
        turn = self._thread.submit(self._read, request, given_up)
        try:
            return await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            given_up.set()
            if not turn.cancel() and not turn.done():
                self._interrupt()
            raise

    def read_blocking(self, request: ReadRequest) -> ReadResult:
        """As `read`, for callers without an event loop."""
        return self._thread.submit(self._read, request, self._closed).result()

    async def close(self) -> None:
        """End the child; a read under way ends with an error."""
        await asyncio.to_thread(self.close_blocking)

    def close_blocking(self) -> None:
        """As `close`, for callers without an event loop."""
        self._closed.set()
        self._interrupt()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._kill()
        self._drop_successor()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close_blocking()

    @property
    def child_pid(self) -> int | None:
        """Process id of the warm child, None where there is none."""
        child = self._child
        return child.pid if child else None

    def _read(self, request: ReadRequest, given_up: threading.Event) -> ReadResult:
        reason = ""
        for _ in range(2):
            if self._closed.is_set() or given_up.is_set():
                raise TransientError("the reader was stopped")
            try:
                return parse_answer(self._ask(request))
            except ChildNotStartedError as failed:
                self._kill()
                raise TransientError(f"the reader does not start: {failed}") from failed
            except ChildLostError as failed:
                reason = f"the reader was lost twice, {failed}: export it again"
            except DeniedError:
                # A folder that came or was replaced after the child was locked in.
                reason = "its folder is closed: give the daemon's user permission"
                self._drop_successor()  # locked in before, too
            except (ValueError, TypeError, KeyError) as failed:
                reason = f"the reader's answer makes no sense ({type(failed).__name__})"
            self._forget(reason)
        raise RefusedFileError(reason)

    def _ask(self, request: ReadRequest) -> bytes:
        limit_s = self._settings.time_limit_s
        return self._warm_child().ask(request_line(request), limit_s=limit_s)

    def _warm_child(self) -> ChildProcess:
        child = self._child
        if child is not None and self._may_go(child):
            self._kill()
            child = None
        if child is None:
            self._sweep()
            child, self._successor = self._successor or self._start(), None
            self._child = child
        elif child.served == _SUCCESSOR_AT and self._successor is None:
            self._successor = self._start()
        return child

    def _may_go(self, child: ChildProcess) -> bool:
        """Has it served long enough, and is its successor up?"""
        if child.served <= _FILES_PER_CHILD:
            return False
        late = child.served > 2 * _FILES_PER_CHILD
        return late or self._successor is None or self._successor.is_up

    def _start(self) -> ChildProcess:
        return ChildProcess(self._settings, self._allow, self._cache)

    def _drop_successor(self) -> None:
        successor, self._successor = self._successor, None
        if successor is not None:
            successor.kill()

    def _sweep(self) -> None:
        """Remove half-written planes of children that are gone."""
        for part in self._cache.glob(".*.part") if self._cache else ():
            owner = part.name.split(".")[-2]
            if owner.isdigit() and not _is_alive(int(owner)):
                part.unlink(missing_ok=True)

    def _forget(self, why: str) -> None:
        child = self._child
        _log.warning("reader lost", why=why, said=child.last_words if child else "")
        self._kill()

    def _interrupt(self) -> None:
        child = self._child
        if child is not None:
            child.interrupt()

    def _kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
