"""Run jobs in a spawned worker process, one at a time, killed when it hangs.

The worker speaks JSON lines: it is sent one task, answers any number of
`{"beat": stage}` and then one `{"done": ...}` or `{"failed": ...}`.
It is started on first use, kept warm, and replaced after a crash, a time limit, a
device failure or a number of jobs. The supervisor never imports what it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clemd.errors import TransientError

LINE_BYTES = 16 << 20
_STDERR_BYTES = 4096


class WorkerLostError(TransientError):
    """Raised when a worker crashed, was killed, or overran its time."""


class WorkerFailedError(TransientError):
    """Raised when a worker reports a failure of its own or of its device."""


class WorkerDiskFullError(TransientError):
    """Raised when there is no room for a worker's files."""


class Executor(Protocol):
    """Runs one task somewhere and brings back its result."""

    async def run(
        self, task: Mapping[str, Any], *, limit_s: float, beat: Callable[[str], None]
    ) -> dict[str, Any]:
        """Carry out `task`.

        Raises:
            WorkerLostError: the worker died or overran `limit_s`.
            WorkerFailedError: it says that it could not.
            WorkerDiskFullError: it says that there is no room.
        """
        ...

    async def close(self) -> None:
        """Give the worker back."""
        ...


@dataclass(slots=True)
class _Child:
    process: asyncio.subprocess.Process
    served: int = 0


class LocalExecutor:
    """One warm local worker process.

    Args:
        command: argv of the worker.
        environment: added to this process's own.
        jobs_per_worker: replaced after so many, so that no leak lives for ever.
        oom_score_adj: the kernel takes the worker before the supervisor.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        jobs_per_worker: int = 500,
        oom_score_adj: int = 500,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment or {})
        self._jobs_per_worker = jobs_per_worker
        self._oom_score_adj = oom_score_adj
        self._child: _Child | None = None
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Process id of the warm worker."""
        return self._child.process.pid if self._child else None

    async def warm(self) -> None:
        """Start the worker before the first job asks for it."""
        async with self._turn:
            await self._ready()

    async def run(
        self, task: Mapping[str, Any], *, limit_s: float, beat: Callable[[str], None]
    ) -> dict[str, Any]:
        """See `Executor`."""
        async with self._turn:
            child = await self._ready()
            try:
                answer = await asyncio.wait_for(self._ask(child, task, beat), limit_s)
            except TimeoutError:
                await self._kill()
                raise WorkerLostError(
                    f"the worker overran its {limit_s:g} s and was ended"
                ) from None
            except asyncio.CancelledError:
                await self._kill()
                raise
            except (OSError, ValueError) as failed:
                code = await self._kill()
                raise WorkerLostError(
                    f"the worker ended in the middle of a job ({_ending(code)})"
                ) from failed
            if answer.get("recycle") or child.served >= self._jobs_per_worker:
                await self._kill()
        if answer.get("full"):
            raise WorkerDiskFullError(str(answer.get("failed")))
        if "failed" in answer:
            raise WorkerFailedError(str(answer["failed"]))
        if "done" not in answer:
            await self.close()
            raise WorkerLostError("the worker's answer makes no sense")
        done: dict[str, Any] = answer["done"]
        return done

    async def close(self) -> None:
        """End the worker."""
        await self._kill()

    async def _ready(self) -> _Child:
        if self._child is not None and self._child.process.returncode is None:
            return self._child
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **self._environment},
            limit=LINE_BYTES,
            start_new_session=True,
        )
        with contextlib.suppress(OSError), _oom_file(process.pid) as file:
            file.write(str(self._oom_score_adj))
        self._child = _Child(process)
        return self._child

    async def _ask(
        self, child: _Child, task: Mapping[str, Any], beat: Callable[[str], None]
    ) -> dict[str, Any]:
        writer, reader = child.process.stdin, child.process.stdout
        if writer is None or reader is None:
            raise OSError("no pipe to the worker")
        child.served += 1
        writer.write(json.dumps(task).encode() + b"\n")
        await writer.drain()
        while True:
            line = await reader.readline()
            if not line:
                raise OSError("the worker closed its pipe")
            answer: dict[str, Any] = json.loads(line)
            if "beat" not in answer:
                return answer
            beat(str(answer["beat"]))

    async def _kill(self) -> int | None:
        child, self._child = self._child, None
        if child is None:
            return None
        if child.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.process.pid, signal.SIGKILL)
        return await child.process.wait()


def _oom_file(pid: int) -> Any:
    return open(f"/proc/{pid}/oom_score_adj", "w")  # noqa: PTH123


def _ending(code: int | None) -> str:
    if code is None:
        return "unknown"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
