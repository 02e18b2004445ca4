"""A job that was held up at its breathing points says the same to the last bit.

The worker is the real one, in a process of its own, with the real engine in it.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.app._guarding import Guard
from clemd.app._holding import run_in_turn
from clemd.app._turn import Turn
from clemd.config import ThermalSettings
from clemd.driver_api import Sensor
from clemd.jobs import Gate, LocalExecutor, WorkerStoppedError, open_gate
from clemd.model import Channel, Frame, Modality, PixelSize, ThermalReading, to_dict
from clemd.testing._engine_suite import pair_of
from clemd.thermal import Priority, ThermalDecision

pytestmark = pytest.mark.slow
SETTINGS = ThermalSettings(warm_c=75, hot_c=85, period_s=0.1)


@pytest.fixture
async def executor() -> AsyncIterator[LocalExecutor]:
    """The worker that a daemon would start."""
    made = LocalExecutor(
        [sys.executable, "-m", "clemd.worker"], environment={"CLEMD_THREADS": "1"}
    )
    yield made
    await made.close()


@pytest.fixture
def task(tmp_path: Path) -> dict[str, Any]:
    """One pair of simulated images, decoded, as the daemon would hand it over."""
    em, lm, _ = pair_of(3, rotation_deg=40.0)
    given: dict[str, Any] = {}
    for side, plane, modality, pixel_um in (
        ("em", em, Modality.SEM, 0.1),
        ("lm", lm, Modality.CLSM, 0.2),
    ):
        frame = Frame(
            path=f"{side}.tif",
            driver="test",
            driver_version="1",
            modality=modality,
            shape=plane.shape,
            dtype="uint8",
            channels=(Channel(name="one"),),
            pixel_size=PixelSize(x_um=pixel_um, y_um=pixel_um, source="test"),
            content_sha256=side * 32,
        )
        np.save(tmp_path / f"{side}.npy", plane)
        given[side] = {"frame": to_dict(frame), "planes": [f"{side}.npy"]}
    return given | {
        "kind": "register",
        "cache": str(tmp_path),
        "folder": str(tmp_path / "out"),
        "session": "s",
        "registration_id": "r",
        "request": {"device": "cpu", "time_limit_s": 60.0},
    }


async def run(
    executor: LocalExecutor, task: dict[str, Any], gate: Gate = open_gate
) -> dict[str, Any]:
    """The result without its timing."""
    done = await executor.run(task, limit_s=60, beat=lambda _: None, gate=gate)
    return done["registration"] | {"seconds": None}


async def test_a_throttled_job_gives_the_same_bits(
    executor: LocalExecutor, task: dict[str, Any]
) -> None:
    """It stands still as long as it works, and finds what it would have found."""
    stages: list[str] = []

    async def slowly(stage: str) -> bool:
        stages.append(stage)
        await asyncio.sleep(0.25)
        return True

    throttled = await run(executor, task, slowly)
    free = await run(executor, task)

    assert len(stages) >= 4
    assert {"search", "refine"} <= set(stages)
    assert throttled == free
    assert free["verdict"] == "accepted"


@pytest.mark.parametrize("at", [1, 3])
async def test_a_stopped_job_that_begins_anew_gives_the_same_bits(
    executor: LocalExecutor, task: dict[str, Any], at: int
) -> None:
    """Nothing of the broken-off try is left in the worker, which lives on."""
    breaths = 0

    async def once(_stage: str) -> bool:
        nonlocal breaths
        breaths += 1
        return breaths != at

    with pytest.raises(WorkerStoppedError):
        await run(executor, task, once)
    pid = executor.pid
    again = await run(executor, task)

    assert executor.pid == pid
    assert again == await run(executor, task)
    assert again["verdict"] == "accepted"


async def test_a_stopped_climb_goes_on_in_another_worker_to_the_same_bits(
    executor: LocalExecutor, task: dict[str, Any], tmp_path: Path
) -> None:
    """Heat stops `mine` half-way, the worker is recycled: nothing is learned twice."""
    task["request"] |= {"engine": "mine", "time_limit_s": 240.0}
    climbing = 0

    async def third(stage: str) -> bool:
        nonlocal climbing
        climbing += stage == "refine"
        return climbing < 3

    async def to_the_end(one: LocalExecutor) -> dict[str, Any]:
        done = await one.run(task, limit_s=250, beat=lambda _: None, gate=open_gate)
        return done["registration"] | {"seconds": None}

    with pytest.raises(WorkerStoppedError):
        await executor.run(task, limit_s=250, beat=lambda _: None, gate=third)
    (left,) = (tmp_path / "checkpoints").iterdir()
    assert left.stat().st_size > 10_000
    await executor.close()
    results = []
    for _ in range(2):  # from the checkpoint, then from the beginning
        fresh = LocalExecutor(
            [sys.executable, "-m", "clemd.worker"], environment={"CLEMD_THREADS": "1"}
        )
        results.append(await to_the_end(fresh))
        await fresh.close()
        assert not list((tmp_path / "checkpoints").iterdir())
    assert results[0] == results[1]
    assert results[0]["verdict"] == "accepted"


async def test_pauses_do_not_count_against_the_time_limit(
    executor: LocalExecutor, task: dict[str, Any]
) -> None:
    """A job that heat has held up for minutes has not failed."""
    free_s = time.monotonic()
    free = await run(executor, task)
    free_s = time.monotonic() - free_s
    limit_s = math.ceil(free_s) + 3.0
    task["request"]["time_limit_s"] = limit_s
    paused_s = 0.0

    async def long_once(_stage: str) -> bool:
        nonlocal paused_s
        if not paused_s:
            paused_s = limit_s + 1.0
            await asyncio.sleep(paused_s)
        return True

    began_s = time.monotonic()
    done = await executor.run(
        task, limit_s=limit_s, beat=lambda _: None, gate=long_once
    )

    assert time.monotonic() - began_s > limit_s
    assert done["registration"] | {"seconds": None} == free


class Thermometer:
    """It says what the test wants; its own driver too."""

    name, priority = "thermometer", 0

    def __init__(self) -> None:
        self.says_c = 60.0

    def discover(self) -> Sequence[Sensor]:
        """Itself."""
        return [self]

    def read(self) -> ThermalReading:
        """A value that moves a little, as real ones do."""
        self.says_c += 0.01
        return ThermalReading(sensor=self.name, device="cpu", temperature_c=self.says_c)

    def close(self) -> None:
        """Nothing is held open."""


async def test_a_job_that_heat_parks_goes_on_where_it_stood(
    executor: LocalExecutor, task: dict[str, Any]
) -> None:
    """Hot in the middle of a job: it gives the device back, waits, ends the same."""
    sensor = Thermometer()
    guard = Guard(SETTINGS, "cpu", [sensor], time.monotonic)
    guard.monitor = type(guard.monitor)(
        sensor,
        SETTINGS,
        time.monotonic,
        limits=type(guard.monitor.limits)(
            has_cpu=False, period_s=0.1, dwell_s=0.2, yield_after_s=0.3
        ),
    )
    guard.monitor.sample()
    told: list[ThermalDecision | None] = []
    turn = Turn(
        guard=guard,
        clock=time.monotonic,
        is_guarded=True,
        rank=Priority.NEXT,
        beat=lambda: None,
        tell=told.append,
        has_rival=lambda: False,
    )

    async def weather() -> None:
        hot_looks = 30
        while True:
            await asyncio.sleep(0.1)
            if turn.busy_s > 0.3 and hot_looks:
                hot_looks -= 1
                sensor.says_c = 90.0 if hot_looks else 40.0
            guard.monitor.sample()

    raining = asyncio.create_task(weather())
    try:
        done = await run_in_turn(executor, task, turn, limit_s=60, beat=lambda _: None)
    finally:
        raining.cancel()
        turn.end()
    parked = [one for one in told if one is not None]

    assert parked
    assert "the device is hot" in parked[0].sentence
    assert told[-1] is None
    assert turn.paused_s > 2.0
    assert turn.busy_s > 0.5
    assert done["registration"] | {"seconds": None} == await run(executor, task)
