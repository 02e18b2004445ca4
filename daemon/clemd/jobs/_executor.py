"""Run jobs in a spawned worker process, one at a time, killed when it hangs.

The worker speaks JSON lines: it is sent one task, answers any number of
`{"beat": stage}` and `{"breath": stage}`, and then one `{"done": ...}`,
`{"failed": ...}`, `{"wrong": ...}` or `{"stopped": stage}`. After a breath it stands
still until it is told `{"go": true}` to go on or `{"go": false}` to stop there.
It is started on first use, kept warm, and replaced after a crash, a time limit, a
device failure or a number of jobs. The supervisor never imports what it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from clemd.errors import ClemdError, TransientError

LINE_BYTES = 16 << 20
_STDERR_BYTES = 4096


class WorkerLostError(TransientError):
    """Raised when a worker crashed, was killed, or overran its time."""


class WorkerFailedError(TransientError):
    """Raised when a worker reports a failure of its own or of its device."""


class WorkerDiskFullError(TransientError):
    """Raised when there is no room for a worker's files."""


class WorkerWrongError(WorkerFailedError):
    """Raised when the worker's device has computed something that is not so."""


class WorkerStoppedError(TransientError):
    """Raised when a worker stopped at a breathing point, as its gate had asked."""


Gate = Callable[[str], Awaitable[bool]]
"""Asked at a breathing point: returns when the job may go on, False to stop it."""


async def open_gate(_stage: str) -> bool:
    """The gate of a job that nobody holds up."""
    return True


class Executor(Protocol):
    """Runs one task somewhere and brings back its result."""

    async def run(
        self,
        task: Mapping[str, Any],
        *,
        limit_s: float,
        beat: Callable[[str], None],
        gate: Gate = open_gate,
    ) -> dict[str, Any]:
        """Carry out `task`; the time that `gate` takes does not count.

        Raises:
            WorkerLostError: the worker died or overran `limit_s`.
            WorkerFailedError: it says that it could not.
            WorkerWrongError: its device is not to be trusted.
            WorkerStoppedError: the gate had it stopped; the worker is well.
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
        self,
        task: Mapping[str, Any],
        *,
        limit_s: float,
        beat: Callable[[str], None],
        gate: Gate = open_gate,
    ) -> dict[str, Any]:
        """See `Executor`."""
        async with self._turn:
            child = await self._ready()
            try:
                async with asyncio.timeout(limit_s) as limit:
                    answer = await self._ask(child, task, beat, gate, limit)
            except TimeoutError:
                await self._kill()
                raise WorkerLostError(
                    f"the worker overran its {limit_s:g} s and was ended"
                ) from None
            except (asyncio.CancelledError, ClemdError):
                await self._kill()  # it is in the middle of what nobody waits for
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
        if "wrong" in answer:
            raise WorkerWrongError(str(answer["wrong"]))
        if "failed" in answer:
            raise WorkerFailedError(str(answer["failed"]))
        if "stopped" in answer:
            raise WorkerStoppedError(
                f"stopped at a breathing point: {answer['stopped']}"
            )
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
        self,
        child: _Child,
        task: Mapping[str, Any],
        beat: Callable[[str], None],
        gate: Gate,
        limit: asyncio.Timeout,
    ) -> dict[str, Any]:
        writer, reader = child.process.stdin, child.process.stdout
        if writer is None or reader is None:
            raise OSError("no pipe to the worker")
        loop = asyncio.get_running_loop()
        child.served += 1
        writer.write(json.dumps(task).encode() + b"\n")
        await writer.drain()
        while True:
            line = await reader.readline()
            if not line:
                raise OSError("the worker closed its pipe")
            answer: dict[str, Any] = json.loads(line)
            if "breath" in answer:
                stage, due_s = str(answer["breath"]), limit.when() or loop.time()
                left_s = due_s - loop.time()
                limit.reschedule(None)
                beat(stage)
                goes_on = await gate(stage)
                limit.reschedule(loop.time() + left_s)
                writer.write(json.dumps({"go": goes_on}).encode() + b"\n")
                await writer.drain()
            elif "beat" in answer:
                beat(str(answer["beat"]))
            else:
                return answer

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
