"""A job that gives way stops at its next breath, and what it has worked is counted."""

from __future__ import annotations

import pytest

from clemd.app._guarding import Guard
from clemd.app._holding import run_in_turn
from clemd.app._turn import GOES_FIRST, Turn
from clemd.config import ThermalSettings
from clemd.jobs import WorkerStoppedError
from clemd.thermal import Priority


class Clock:
    """A clock that a test turns."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Breather:
    """An executor whose task breathes until it is stopped, ten times at most."""

    def __init__(self, clock: Clock) -> None:
        self.clock, self.breaths = clock, 0

    async def run(self, task: object, **given: object) -> dict[str, int]:
        """Two seconds of work between breaths."""
        gate = given["gate"]
        for _ in range(10):
            self.clock.now_s += 2.0
            if not await gate("refine"):  # type: ignore[operator]
                raise WorkerStoppedError("stopped at a breathing point: refine")
            self.breaths += 1
        return {"breaths": self.breaths}

    async def close(self) -> None:
        """Nothing is held."""


def turn_of(clock: Clock, waits: list[bool]) -> Turn:
    """A turn that somebody waits for, once `waits` holds something."""
    guard = Guard(ThermalSettings(), "cpu", [], clock)
    guard.monitor.sample()
    return Turn(
        guard=guard,
        clock=clock,
        is_guarded=True,
        rank=Priority.AGAIN,
        beat=lambda: None,
        tell=lambda _why: None,
        has_rival=lambda: bool(waits),
        gives_way=lambda: bool(waits),
    )


async def test_it_stops_at_the_next_breath_and_says_why() -> None:
    """Nobody waits longer than from one breathing point to the next."""
    clock, waits = Clock(), [True]
    turn, worker = turn_of(clock, waits), Breather(clock)

    with pytest.raises(WorkerStoppedError, match=GOES_FIRST):
        await run_in_turn(worker, {}, turn, limit_s=60, beat=lambda _: None)
    turn.end()

    assert worker.breaths == 0
    assert turn.busy_s == pytest.approx(2.0)


async def test_it_goes_on_while_nobody_waits() -> None:
    """To its end, where nothing else is to be done."""
    clock = Clock()
    turn, worker = turn_of(clock, []), Breather(clock)

    done = await run_in_turn(worker, {}, turn, limit_s=60, beat=lambda _: None)
    turn.end()

    assert done == {"breaths": 10}
    assert turn.busy_s == pytest.approx(20.0)
