"""One sandboxed child and its pipes, seen from the parent.

Blocking, single-threaded: the pool runs it in a thread of its own.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from clemd.config import ReadingSettings

from ._sandbox import SandboxLayer

_MAX_ANSWER_BYTES = 8 << 20
_MAX_SAID_BYTES = 8192
_START_LIMIT_S = 60.0
# Widest sample is 8 bytes; the header of a .npy file is small.
_BYTES_PER_PIXEL = 8
_HINTS = {"SIGKILL": " (out of memory?)", "SIGXCPU": " (too much computing)"}


class ChildLostError(Exception):
    """Raised when the child crashed, was killed, or ran past its time."""


class ChildNotStartedError(ChildLostError):
    """Raised when no child comes up: no file is at fault."""


class ChildProcess:
    """Start it, ask it, kill it.

    It comes up while others work: only `greet`, or the first question, waits for it.

    Raises:
        ChildNotStartedError: no process could be started.
    """

    def __init__(
        self, settings: ReadingSettings, allow: Sequence[Path], cache: Path | None
    ) -> None:
        self.served = 0
        self.layers: tuple[SandboxLayer, ...] | None = None
        self._said = b""
        self._buffer = b""
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "clemd.reading._child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                env=_environment(),
                close_fds=True,
                process_group=0,
            )
        except OSError as failed:
            raise ChildNotStartedError(str(failed)) from failed
        config = {
            "parent": os.getpid(),
            "allow": [str(folder.resolve()) for folder in allow],
            "cache": str(cache.resolve()) if cache else None,
            "memory_bytes": settings.memory_limit_mb << 20,
            "file_bytes": settings.max_pixels * _BYTES_PER_PIXEL + 4096,
            "time_limit_s": settings.time_limit_s,
            "max_pixels": settings.max_pixels,
        }
        self._config = json.dumps(config).encode() + b"\n"
        try:
            self._send(self._config)  # a pipe takes it before anybody reads
        except ChildLostError as failed:
            self.kill()
            raise ChildNotStartedError(f"{failed} {self.last_words[-300:]}") from failed

    def greet(self) -> tuple[SandboxLayer, ...]:
        """Wait until it is up; the layers of its sandbox.

        Raises:
            ChildNotStartedError: it did not come up.
        """
        if self.layers is not None:
            return self.layers
        try:
            hello = self._line(time.monotonic() + _START_LIMIT_S, _START_LIMIT_S)
            layers: list[dict[str, Any]] = json.loads(hello)["layers"]
            self.layers = tuple(SandboxLayer(**layer) for layer in layers)
        except (ChildLostError, ValueError, KeyError) as failed:
            self.kill()
            raise ChildNotStartedError(f"{failed} {self.last_words[-300:]}") from failed
        except BaseException:
            self.kill()
            raise
        return self.layers

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_up(self) -> bool:
        """Has it said that it is ready? Waits for nothing."""
        if self.layers is None and b"\n" not in self._buffer:
            self._receive(0.0)
        return self.layers is not None or b"\n" in self._buffer

    def ask(self, line: bytes, *, limit_s: float) -> bytes:
        """Send one line and return the line that answers it.

        Raises:
            ChildNotStartedError: it never came up.
            ChildLostError: no answer; says how the child ended.
        """
        self.greet()
        deadline = time.monotonic() + limit_s
        self._send(line)
        answer = self._line(deadline, limit_s)
        self.served += 1
        return answer

    def _send(self, line: bytes) -> None:
        stdin = self._pipe(self._process.stdin)
        try:
            stdin.write(line)
            stdin.flush()
        except (OSError, ValueError) as failed:
            raise ChildLostError(self._how_it_ended()) from failed

    def _line(self, deadline: float, limit_s: float) -> bytes:
        while b"\n" not in self._buffer:
            if not self._receive(deadline - time.monotonic()):
                raise ChildLostError(self._how_it_ended())
            if len(self._buffer) > _MAX_ANSWER_BYTES:
                raise ChildLostError("the reader's answer had no end")
            if time.monotonic() >= deadline:
                raise ChildLostError(f"it took longer than {limit_s:g} s")
        answer, _, self._buffer = self._buffer.partition(b"\n")
        return answer

    def _receive(self, wait_s: float) -> bool:
        """Take what the pipes hold; False once stdout has ended."""
        stdout, stderr = (
            self._pipe(self._process.stdout),
            self._pipe(self._process.stderr),
        )
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not stderr.closed:
                selector.register(stderr, selectors.EVENT_READ)
            ready = [key.fileobj for key, _ in selector.select(max(0.0, wait_s))]
        if stderr in ready:
            said = os.read(stderr.fileno(), 65536)
            self._said = (self._said + said)[-_MAX_SAID_BYTES:]
            if not said:
                stderr.close()
        if stdout in ready:
            data = os.read(stdout.fileno(), 1 << 20)
            self._buffer += data
            return bool(data)
        return True

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it closed its pipe"
        if code >= 0:
            return f"it ended with code {code}"
        name = (
            signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
        )
        hint = {
            "SIGKILL": " (out of memory or time?)",
            "SIGXCPU": " (too much computing)",
        }
        return f"it was ended by {name}{hint.get(name, '')}"

    @property
    def last_words(self) -> str:
        """The end of what it wrote to stderr, for the log."""
        return self._said.decode("utf-8", "replace")

    def interrupt(self) -> None:
        """End it from another thread: the one that asks it sees its pipe end."""
        self._process.kill()

    def kill(self) -> None:
        """End it and everything it started, and close the pipes; harmless twice.

        Only for the thread that asks it.
        """
        if self._process.poll() is None:
            try:
                os.killpg(self._process.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except OSError:
                    continue  # unsent bytes to a dead child

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None:
            raise ChildLostError("the reader has no pipe")
        return pipe


def _environment() -> dict[str, str]:
    """Nothing of the daemon's own environment but where Python finds its packages."""
    kept = {k: os.environ[k] for k in ("PYTHONPATH", "PYTHONHOME") if k in os.environ}
    return {
        **kept,
        "PYTHONUTF8": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # One thread until the filter is in place; decoding needs no more.
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "LC_ALL": "C.UTF-8",
    }
