"""Look at the thermometer, feed the governor, keep and tell what it says."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from clemd.messages import ThermalMessage
from clemd.model import ThermalState
from clemd.thermal import ThermalLook, ThermalMonitor, ThermalSample, Wish

from ._house import House
from ._levers import LeverKeeper
from ._waiting import renew_reasons

HISTORY_EVERY_S = 5.0
"""Readings are looked at every second, kept more rarely: each one is a disk flush."""
BLIND_EVERY_S = 60.0
"""Of looks that saw nothing, for the same reason as before."""
RENEW_EVERY_S = 60.0
"""Between two looks at what the jobs say that wait."""
_PATIENT_PERIODS = 3
"""A look that takes longer counts as one that saw nothing."""
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_log = structlog.get_logger(__name__)


class HeatWatch:
    """The loop between the sensor and everybody who wants to know.

    The sensor is asked in a thread, because a driver may hang; what it said is taken
    on the loop, because the governor belongs to one thread.
    """

    def __init__(self, house: House, levers: LeverKeeper) -> None:
        self._house, self._levers = house, levers
        self._kept_s = self._renewed_s = -BLIND_EVERY_S
        self._kept_kind = ""
        """Why the last kept look saw nothing; empty where it saw something."""
        self._told = (False, False, "")
        self._asked: asyncio.Task[tuple[ThermalMonitor, ThermalLook]] | None = None
        self.sample: ThermalSample | None = None
        """The last one."""

    async def run(self) -> None:
        """Watch until the daemon stops."""
        house = self._house
        while not house.stop.is_set():
            house.heartbeats.beat("thermal")
            await self.look()
            house.troubles.pop("thermal", None)
            await house.stop.wait(house.profile.thermal.period_s)

    async def look(self) -> None:
        """Look once; before the first job, too."""
        monitor, look = await self._ask()
        if monitor is not self._house.monitor:
            return  # the worker has named another device meanwhile
        sample = self.sample = monitor.take(look)
        if sample.acting is ThermalState.HOT:
            self._house.guard.trust.doubt()  # it must prove itself before it works
        await self._levers.follow(monitor, look, sample)
        self._count(sample)
        if sample.changed or self._to_tell() != self._told:
            self.tell()
        elif self._is_due(sample):
            if _kind(sample) == self._kept_kind:
                self._keep(sample)
            else:
                self.tell()
        self._renew()

    def end(self) -> None:
        """The daemon stops: up to here somebody looked."""
        if self.sample is not None:
            self._keep(self.sample)

    def tell(self) -> None:
        """Keep and announce how things stand now."""
        house, sample = self._house, self.sample
        if sample is None:
            return
        wish = house.guard.wish()
        self._told = self._to_tell()
        with house.store.transaction():
            self._keep(sample)
            house.store.announce(
                ThermalMessage.model_validate(
                    {
                        "state": sample.state.value,
                        "sensor": house.monitor.sensor_name,
                        "temperature_c": _temperature(sample),
                        "limit_c": house.monitor.limits.hot_c,
                        "reason": self.reason(),
                        "duty": house.guard.duty,
                        "set_aside": house.guard.trust.set_aside,
                        "set_aside_cause": house.guard.trust.cause,
                        "power_limit_w": _power_limit(sample),
                        "levers": self._levers.said,
                        "wish": None if wish is None else wish[0].wish.value,
                        "wish_until": None if wish is None else _moment(wish[1]),
                    }
                )
            )
        house.committed()
        _log.info("thermal_state", state=sample.state.value, reason=self.reason())

    def reason(self) -> str:
        """Why the state is what it is, the operator's word included."""
        said = [] if self.sample is None else [self.sample.reason]
        aside = self._house.guard.trust.set_aside
        if aside:
            said.append(f"{self._house.guard.device} is set aside: {aside}")
        said.append(self._levers.said)
        wish = self._house.guard.wish()
        if wish is not None:
            until = f"until {_moment(wish[1])[11:16]} UTC"
            verb = {"pause": "paused", "allow": "allowed"}[wish[0].wish.value]
            said.append(f"{verb} by the operator {until}")
            if wish[0].wish is Wish.ALLOW and self._is_hot():
                limit_c = self._house.monitor.limits.hot_c
                said[-1] += f", but the limit of {limit_c:g} °C still holds"
        return "; ".join(one for one in said if one)

    def now(self) -> dict[str, Any] | None:
        """The last look in the words of the history; None before the first one."""
        if self.sample is None:
            return None
        return {"at": datetime.now(UTC).isoformat(), **self._row(self.sample)}

    def _is_hot(self) -> bool:
        return self.sample is not None and self.sample.acting is ThermalState.HOT

    def _to_tell(self) -> tuple[bool, bool, str]:
        guard = self._house.guard
        is_aside = bool(guard.trust.set_aside)
        return guard.wish() is not None, is_aside, self._levers.said

    async def _ask(self) -> tuple[ThermalMonitor, ThermalLook]:
        """What the sensor says, or that it does not say anything."""
        if self._asked is None:
            monitor = self._house.monitor
            self._asked = asyncio.create_task(_in_thread(monitor))
        limit_s = _PATIENT_PERIODS * self._house.profile.thermal.period_s
        limit_s = min(max(limit_s, 1.0), 10.0)
        done, _ = await asyncio.wait({self._asked}, timeout=limit_s)
        if not done:
            doubt = "the sensor has not answered yet"
            look = ThermalLook(at_s=self._house.clock(), reading=None, doubt=doubt)
            return self._house.monitor, look
        answer, self._asked = self._asked.result(), None
        if answer[1].at_s < self._house.clock() - limit_s:  # as old as it took to come
            return await self._ask()
        return answer

    def _is_due(self, sample: ThermalSample) -> bool:
        kind = _kind(sample)
        if kind and sample.acting is not ThermalState.BLIND:
            return False  # one look was missed, and the next will tell
        is_as_before = kind and kind == self._kept_kind
        every_s = BLIND_EVERY_S if is_as_before else HISTORY_EVERY_S
        return self._house.clock() - self._kept_s >= every_s

    def _keep(self, sample: ThermalSample) -> None:
        self._kept_s, self._kept_kind = self._house.clock(), _kind(sample)
        row = self._row(sample)
        throttle = () if sample.reading is None else sample.reading.throttle_reasons
        self._house.store.record_thermal(**row | {"throttle": throttle})

    def _row(self, sample: ThermalSample) -> dict[str, Any]:
        reading = sample.reading
        return {
            "state": sample.state.value,
            "temperature_c": _temperature(sample),
            "sensor": self._house.monitor.sensor_name,
            "power_w": None if reading is None else reading.power_w,
            "duty": self._house.guard.duty,
            "throttle": "" if reading is None else ", ".join(reading.throttle_reasons),
            "reason": self.reason(),
        }

    def _renew(self) -> None:
        if self._house.clock() - self._renewed_s >= RENEW_EVERY_S:
            self._renewed_s = self._house.clock()
            renew_reasons(self._house)

    def _count(self, sample: ThermalSample) -> None:
        metrics, reading = self._house.metrics, sample.reading
        clocks = self._levers.holds.clocks_mhz
        metrics.set_heat(
            state=sample.state.value,
            temperature_c=_temperature(sample),
            power_w=None if reading is None else reading.power_w,
            duty=self._house.guard.duty,
            power_limit_w=_power_limit(sample),
            clock_limit_mhz=None if clocks is None else clocks[1],
        )
        if reading is not None and reading.throttle_reasons:
            metrics.throttled_s.inc(self._house.profile.thermal.period_s)


async def _in_thread(monitor: ThermalMonitor) -> tuple[ThermalMonitor, ThermalLook]:
    return monitor, await asyncio.to_thread(monitor.look)


def _temperature(sample: ThermalSample) -> float | None:
    return None if sample.reading is None else sample.reading.temperature_c


def _kind(sample: ThermalSample) -> str:
    """Why nothing was seen, less the numbers, which change every second."""
    return _NUMBER.sub("", sample.reason) if sample.reading is None else ""


def _power_limit(sample: ThermalSample) -> float | None:
    """That the device enforces, in watts."""
    return None if sample.reading is None else sample.reading.power_limit_w


def _moment(seconds: float) -> str:
    then = datetime.now(UTC) + timedelta(seconds=seconds)
    return then.isoformat(timespec="seconds")
