"""One job's time on a device: its pauses, and what it cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from clemd.thermal import Admission, Priority, ThermalDecision

from ._guarding import Guard

LOOK_AGAIN_S = 1.0
GOES_FIRST = "a more urgent job goes first"


@dataclass(slots=True, kw_only=True, eq=False)
class Turn:
    """Lets a job go on at its breathing points, or has it stopped there.

        begin ──► working ──breathe──► pausing ──► working ... ──► end
                     │                    │ ▲
          gives way  │    too long closed ▼ │ cool enough again
                     │                  parked ──► stopped: the CPU takes it, or
                     └───────────────────────────► somebody more urgent

    A parked job has given the device back and waits with everything in memory: it
    goes on where it stood. A stopped one begins anew.

    Not guarded (the CPU instead of the device): every gate is open.
    """

    guard: Guard
    clock: Callable[[], float]
    is_guarded: bool
    rank: Priority
    beat: Callable[[], None]
    """Called at least every second, however long it takes."""
    tell: Callable[[ThermalDecision | None], None]
    """Why it is parked; None when it goes on."""
    has_rival: Callable[[], bool]
    """Somebody more urgent could start."""
    gives_way: Callable[[], bool] = lambda: False
    """It has to stop here, hot or not: somebody else is waiting."""
    is_working: bool = False
    busy_s: float = 0.0
    paused_s: float = 0.0
    stopped_because: str = ""
    _went_s: float = field(default=0.0)

    async def begin(self) -> bool:
        """Take the device; False where the job should not start after all."""
        if self.is_guarded:
            self.guard.enter(self)
        return await self._pass(0.0)

    async def breathe(self, _stage: str) -> bool:
        """The gate of an executor: True = go on."""
        if self.gives_way():  # `end` counts what it has worked since the last breath
            self.stopped_because = GOES_FIRST
            return False
        busy_s = self.clock() - self._went_s
        self.busy_s += busy_s
        return await self._pass(busy_s)

    def end(self) -> None:
        """Give the device back, however it came to this."""
        busy_s = self.clock() - self._went_s if self.is_working else 0.0
        self.busy_s += busy_s
        self.is_working = False
        self.guard.leave(self, busy_s)

    async def _pass(self, busy_s: float) -> bool:
        began_s = self.clock()
        self.is_working = False
        goes_on = not self.is_guarded or await self._opens(busy_s)
        self._went_s = self.clock()
        self.paused_s += self._went_s - began_s
        self.is_working = goes_on
        return goes_on

    async def _opens(self, busy_s: float) -> bool:
        wait_s = self.guard.breathe(busy_s)
        while wait_s > 0:
            self.beat()
            if not self.guard.must_yield():
                await asyncio.sleep(wait_s)
            elif not await self._park():
                return False
            wait_s = self.guard.breathe(0.0)
        return True

    async def _park(self) -> bool:
        """Wait without the device; False where waiting is not worth it."""
        self.guard.leave(self)
        parked_s = self.clock()
        while True:
            waited_s = self.clock() - parked_s
            decision = self.guard.decide_for(self.rank, waited_s=waited_s)
            if decision.may_start:
                self.guard.enter(self)
                self.tell(None)
                return True
            self.tell(decision)
            if decision.admission is Admission.CPU:
                self.stopped_because = decision.sentence
                return False
            if self.has_rival():
                self.stopped_because = GOES_FIRST
                return False
            self.beat()
            await asyncio.sleep(LOOK_AGAIN_S)
