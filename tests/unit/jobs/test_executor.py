"""A worker that hangs, dies or lies costs its job, never the supervisor."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from clemd.errors import LeaseLostError
from clemd.jobs import (
    LocalExecutor,
    WorkerFailedError,
    WorkerLostError,
    WorkerStoppedError,
)

WORKER = """
import json, os, sys, time
for line in iter(sys.stdin.readline, ""):
    task = json.loads(line)
    say = lambda answer: print(json.dumps(answer), flush=True)
    match task["do"]:
        case "work":
            say({"beat": "one"}); say({"beat": "two"})
            say({"done": {"pid": os.getpid(), "twice": 2 * task["n"]}})
        case "fail": say({"failed": "cannot", "recycle": True})
        case "hang": time.sleep(600)
        case "die": os._exit(3)
        case "lie": print("not json", flush=True)
        case "odd": say({"else": 1})
        case "breathe":
            said = []
            for n in range(task["n"]):
                say({"breath": str(n)})
                said.append(json.loads(sys.stdin.readline())["go"])
                if not said[-1]: break
            say({"done": {"said": said}} if all(said) else {"stopped": str(n)})
"""


@pytest.fixture
async def executor(tmp_path: Path) -> AsyncIterator[LocalExecutor]:
    """A real worker process that does what the task says."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    made = LocalExecutor([sys.executable, "-u", str(script)])
    yield made
    await made.close()


async def work(executor: LocalExecutor, beats: list[str] | None = None) -> int:
    """One good job; returns the worker's process id."""
    said = beats if beats is not None else []
    done = await executor.run({"do": "work", "n": 21}, limit_s=60, beat=said.append)
    assert done["twice"] == 42
    return int(done["pid"])


async def test_worker_is_warm_and_its_beats_are_heard(executor: LocalExecutor) -> None:
    """Starting costs seconds; breathing tells that a long job still lives."""
    beats: list[str] = []
    first = await work(executor, beats)
    assert await work(executor) == first
    assert beats == ["one", "two"]


@pytest.mark.parametrize("do", ["die", "lie", "odd"])
async def test_lost_worker_is_replaced(executor: LocalExecutor, do: str) -> None:
    """The next job finds a new one."""
    before = await work(executor)
    with pytest.raises(WorkerLostError):
        await executor.run({"do": do}, limit_s=60, beat=lambda _: None)
    assert await work(executor) != before


async def test_hung_worker_is_killed_within_its_limit(executor: LocalExecutor) -> None:
    """A job may not hold the queue for ever."""
    before = await work(executor)
    with pytest.raises(WorkerLostError, match="overran"):
        await executor.run({"do": "hang"}, limit_s=0.5, beat=lambda _: None)
    assert not psutil.pid_exists(before)
    await work(executor)


async def test_failure_that_asks_for_it_recycles(executor: LocalExecutor) -> None:
    """After a device error the process is not to be trusted."""
    before = await work(executor)
    with pytest.raises(WorkerFailedError, match="cannot"):
        await executor.run({"do": "fail"}, limit_s=60, beat=lambda _: None)
    assert await work(executor) != before


async def test_cancelled_job_takes_its_worker_along(executor: LocalExecutor) -> None:
    """A daemon that stops leaves nobody behind."""
    before = await work(executor)
    job = asyncio.create_task(
        executor.run({"do": "hang"}, limit_s=60, beat=lambda _: None)
    )
    await asyncio.wait({job}, timeout=0.3)
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not psutil.pid_exists(before)


async def test_worker_stands_still_until_its_gate_opens(
    executor: LocalExecutor,
) -> None:
    """Its limit is a limit of work: what the gate takes does not count."""
    before = await work(executor)
    stages: list[str] = []

    async def gate(stage: str) -> bool:
        stages.append(stage)
        await asyncio.sleep(0.5)
        return True

    done = await executor.run(
        {"do": "breathe", "n": 3}, limit_s=0.4, beat=lambda _: None, gate=gate
    )

    assert done["said"] == [True, True, True]
    assert stages == ["0", "1", "2"]
    assert await work(executor) == before


async def test_worker_that_is_stopped_is_kept(executor: LocalExecutor) -> None:
    """It did as it was told: it stays warm for the next job."""
    before = await work(executor)

    async def gate(stage: str) -> bool:
        return stage != "1"

    with pytest.raises(WorkerStoppedError, match="1"):
        await executor.run(
            {"do": "breathe", "n": 5}, limit_s=60, beat=lambda _: None, gate=gate
        )
    assert await work(executor) == before


async def test_worker_whose_job_is_no_longer_ours_is_ended(
    executor: LocalExecutor,
) -> None:
    """Or it would answer the next task with the result of this one."""
    before = await work(executor)

    def lost(_stage: str) -> None:
        raise LeaseLostError("somebody else has it")

    with pytest.raises(LeaseLostError):
        await executor.run({"do": "breathe", "n": 5}, limit_s=60, beat=lost)
    assert not psutil.pid_exists(before)
    assert await work(executor) != before
