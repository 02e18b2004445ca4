"""Lowers a device's power and clocks before its jobs have to wait.

    first step down                        the note, then the device
    SIGTERM, another device's turn         put back, the note goes
    killed, power cut                      the next start finds the note: put back
    GPU lost                               when it is seen again: put back first

A device that refuses is told of once and left alone; nothing here ends anything.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from clemd.config import ThermalSettings
from clemd.driver_api import SensorDriver
from clemd.errors import LeverRefusedError, SensorLostError, UsageError
from clemd.thermal import (
    LeverStep,
    Stair,
    ThermalLook,
    ThermalMonitor,
    ThermalSample,
    steps_of,
)

from ._lever_note import LeverNote
from ._lever_work import LeverWork, restore_leftover

PATIENCE_S = 5.0
"""For a driver that does not come back."""
_log = structlog.get_logger(__name__)


class LeverKeeper:
    """One device's power limit and clocks, as far as the profile allows.

    The device is asked in threads, one question at a time; all else is the loop's.
    """

    def __init__(self, settings: ThermalSettings, note: LeverNote) -> None:
        self._settings, self._note = settings, note
        wishes = settings.power_limit_w, settings.lock_clocks_mhz
        self._is_wanted = any(wish is not None for wish in wishes)
        self._lock = threading.Lock()
        self._is_closed = False
        self._asked: asyncio.Task[None] | None = None
        self._of: ThermalMonitor | None = None
        self._work: LeverWork | None = None
        self._stair: Stair | None = None
        self._trouble = ""
        """Why the device is left alone, in words."""

    @property
    def holds(self) -> LeverStep:
        """What is set."""
        return LeverStep() if self._work is None else self._work.holds

    @property
    def said(self) -> str:
        """What is lowered and what cannot be; empty where there is nothing to say."""
        said, holds, work = [], self.holds, self._work
        if work is not None and holds.power_limit_w is not None:
            before_w = work.found.power_limit_w or 0.0
            said.append(
                f"power limit lowered to {holds.power_limit_w:g} of {before_w:g} W"
            )
        if holds.clocks_mhz is not None:
            said.append(f"clock kept below {holds.clocks_mhz[1]} MHz")
        refusals = () if work is None else tuple(work.refusals.values())
        return "; ".join(one for one in (*said, *refusals, self._trouble) if one)

    async def put_back_leftover(self, drivers: Sequence[SensorDriver]) -> None:
        """What a daemon that was killed has left on a device; before the first look."""

        def put_back() -> None:
            self._trouble = restore_leftover(drivers, self._note)
            if self._trouble:
                _log.warning("levers_left_over", reason=self._trouble)

        await self._ask(put_back)

    async def follow(
        self, monitor: ThermalMonitor, look: ThermalLook, sample: ThermalSample
    ) -> None:
        """Do what one look, and what was made of it, asks for."""
        if not self._is_wanted or self._is_busy():
            return
        if look.reading is None:  # what comes back may not be as it was left
            self._stair = None
        if monitor is not self._of:
            await self._ask(lambda: self._change_to(monitor))
        if self._is_busy() or self._work is None or sample.reading is None:
            return
        work = self._work
        if self._stair is None:
            await self._ask(lambda: self._begin(work, monitor))
            return
        wanted = self._stair.step(
            look.at_s,
            sample.acting,
            sample.reading.temperature_c,
            duty=sample.duty,
            goal_c=monitor.limits.hot_c if sample.goal_c is None else sample.goal_c,
        )
        if wanted != work.holds:
            await self._ask(lambda: work.set(wanted))

    async def close(self) -> None:
        """Put back what was there; a driver that hangs is not waited for."""
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._close), PATIENCE_S)

    async def _ask(self, task: Callable[[], None]) -> None:
        asked = asyncio.create_task(asyncio.to_thread(self._safely, task))
        self._asked = asked
        asked.add_done_callback(self._answered)
        await asyncio.wait({asked}, timeout=PATIENCE_S)

    def _is_busy(self) -> bool:
        """A driver has not come back yet."""
        return self._asked is not None

    def _answered(self, _: asyncio.Task[None]) -> None:
        self._asked = None

    # in a thread

    def _safely(self, task: Callable[[], None]) -> None:
        with self._lock:
            if self._is_closed:
                return
            try:
                task()
            except SensorLostError as lost:
                self._stair = None  # once it is seen again, the note says what it was
                _log.warning("levers_lost", reason=str(lost))
            except (LeverRefusedError, UsageError, OSError) as failed:
                self._work, self._trouble = None, str(failed)
                _log.warning("levers_given_up", reason=str(failed))

    def _close(self) -> None:
        self._safely(self._leave)
        self._is_closed = True

    def _leave(self) -> None:
        if self._work is not None:
            self._work.put_back()

    def _change_to(self, monitor: ThermalMonitor) -> None:
        before, levers = self._work, monitor.levers()
        self._of, self._stair = monitor, None
        self._work = None if levers is None else LeverWork(levers, self._note)
        if before is not None:
            before.put_back()

    def _begin(self, work: LeverWork, monitor: ThermalMonitor) -> None:
        self._trouble = ""
        self._stair = Stair(
            steps_of(self._settings, work.begin()),
            warm_c=monitor.limits.warm_c,
            dwell_s=monitor.limits.dwell_s,
        )
