"""Reach a network share through a child process that may hang in our place.

A hard mount whose server is gone blocks every call, and nothing can interrupt it. So
the calls are made by a child; when it is silent for too long it is killed, the root
counts as away, and a new child is tried once the old one is really dead.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ._ignore import Ignore
from ._scan import Entry, RootAwayError, RootIdentity
from ._wire import decode_entry, encode_name

LOG = logging.getLogger(__name__)

SILENCE_LIMIT_S = 10.0
START_LIMIT_S = 30.0
"""The first answer also pays for the start of the interpreter."""
CHECK_STOP_S = 0.2
REQUEST_BYTES = 8_000
"""Path bytes in one request: written as JSON they must fit into an empty pipe."""

_NOT_ANSWERING = (
    "the share does not answer: check the server and the network; "
    "the daemon goes on trying"
)


class ShareRoot:
    """A `RootAccess` whose file-system calls happen in a killable child."""

    def __init__(
        self,
        path: Path,
        ignore: Ignore,
        *,
        is_stopping: Callable[[], bool] = lambda: False,
        silence_limit_s: float = SILENCE_LIMIT_S,
        command: Sequence[str] | None = None,
    ) -> None:
        module = f"{__package__}._share_child"
        self._command = [
            *(command or (sys.executable, "-P", "-m", module)),
            os.fspath(path),
            *ignore.patterns,
        ]
        self._is_stopping = is_stopping
        self._silence_limit_s = silence_limit_s
        self._child: subprocess.Popen[bytes] | None = None
        self._has_answered = False
        self._is_asking = False
        self._buffer = b""

    @property
    def child_pid(self) -> int | None:
        """Process number of the child, if there is one."""
        return self._child.pid if self._child is not None else None

    def identify(self) -> RootIdentity:
        """See `RootAccess`."""
        (answer,) = self._ask({"do": "identify"})
        return RootIdentity(*answer["root"])

    def walk(self, below: bytes = b"") -> Iterator[Entry]:
        """See `RootAccess`."""
        for answer in self._ask({"do": "walk", "below": encode_name(below)}):
            for item in answer["entries"]:
                yield decode_entry(item)

    def look(self, relatives: Iterable[bytes]) -> Iterator[tuple[bytes, Entry | None]]:
        """See `RootAccess`."""
        for batch in _batches(relatives):
            names = [encode_name(relative) for relative in batch]
            (answer,) = self._ask({"do": "look", "names": names})
            for relative, item in zip(batch, answer["looks"], strict=True):
                yield relative, None if item is None else decode_entry(item)

    def close(self) -> None:
        """End the child; one that hangs in the kernel is left to it."""
        if self._child is None:
            return
        child, self._child = self._child, None
        child.kill()
        for pipe in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):  # unsent bytes have nobody to go to
                if pipe is not None:
                    pipe.close()
        _Graveyard.bury(child)

    def _ask(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answers to one request, up to its end.

        Raises:
            RootAwayError: the child says so, has died, or is silent.
            RuntimeError: another request is still being answered.
        """
        if self._is_asking:
            raise RuntimeError("a share answers one request at a time")
        child = self._child or self._spawn()
        self._is_asking, is_complete = True, False
        try:
            self._send(child, request)
            while True:
                answer: dict[str, Any] = json.loads(self._read_line(child))
                if "end" in answer:
                    is_complete = True
                    return
                if "away" in answer:
                    is_complete = True
                    raise RootAwayError(answer["away"])
                yield answer
        finally:
            self._is_asking = False
            if not is_complete:  # out of step: the next request needs a new child
                self.close()

    def _spawn(self) -> subprocess.Popen[bytes]:
        if _Graveyard.has_living(self._command):
            raise RootAwayError(_NOT_ANSWERING)
        self._buffer, self._has_answered = b"", False
        try:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as failed:
            raise RootAwayError(
                f"the scanning process cannot start ({failed.strerror})"
            ) from failed
        return self._child

    def _send(self, child: subprocess.Popen[bytes], request: dict[str, Any]) -> None:
        assert child.stdin is not None  # noqa: S101 - for the type checker
        try:
            child.stdin.write(json.dumps(request).encode() + b"\n")
            child.stdin.flush()
        except OSError as failed:
            raise RootAwayError("the scanning process has died; starting anew") from (
                failed
            )

    def _read_line(self, child: subprocess.Popen[bytes]) -> bytes:
        while b"\n" not in self._buffer:
            self._buffer += self._read_some(child)
        line, self._buffer = self._buffer.split(b"\n", 1)
        self._has_answered = True
        return line

    def _read_some(self, child: subprocess.Popen[bytes]) -> bytes:
        assert child.stdout is not None  # noqa: S101 - for the type checker
        limit_s = self._silence_limit_s
        if not self._has_answered:
            limit_s = max(limit_s, START_LIMIT_S)
        until_s = time.monotonic() + limit_s
        while not select.select([child.stdout], [], [], CHECK_STOP_S)[0]:
            if self._is_stopping():
                raise RootAwayError("stopping")
            if time.monotonic() >= until_s:
                LOG.warning("share_silent pid=%s seconds=%s", child.pid, limit_s)
                raise RootAwayError(_NOT_ANSWERING)
        data = os.read(child.stdout.fileno(), 1 << 20)
        if not data:
            raise RootAwayError("the scanning process has died; starting anew")
        return data


class _Graveyard:
    """Killed children that may live on in the kernel until their server is back."""

    _children: list[subprocess.Popen[bytes]] = []  # noqa: RUF012 - of the process

    @classmethod
    def bury(cls, child: subprocess.Popen[bytes]) -> None:
        try:
            child.wait(0.5)
        except subprocess.TimeoutExpired:
            cls._children.append(child)

    @classmethod
    def has_living(cls, command: Sequence[str]) -> bool:
        """Does an earlier child of the same command still hang? One is enough."""
        cls._children = [c for c in cls._children if c.poll() is None]
        return any(child.args == command for child in cls._children)


def _batches(relatives: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for relative in relatives:
        if batch and size + len(relative) > REQUEST_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(relative)
        size += len(relative)
    if batch:
        yield batch
