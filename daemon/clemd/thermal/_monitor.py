"""Look at the thermometer, doubt it where it earns doubt, and tell the governor."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from clemd.config import ThermalSettings
from clemd.driver_api import Levers, LeverSensor, Sensor
from clemd.errors import SensorLostError
from clemd.model import ThermalReading, ThermalState

from ._governor import Governor
from ._history import ThermalHistory
from ._limits import Limits
from ._stuck import StuckDetector

_PLAUSIBLE_C = (-30.0, 150.0)


def why_unbelievable(reading: ThermalReading) -> str:
    """Why a reading cannot be true, whatever came before it; empty where it can."""
    value = reading.temperature_c
    if value is None or math.isnan(value):
        return f"{reading.sensor} gives no temperature"
    if not _PLAUSIBLE_C[0] <= value <= _PLAUSIBLE_C[1]:
        return f"{reading.sensor} says {value:g} °C, which cannot be"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalLook:
    """What the sensor said at one moment; not yet believed."""

    at_s: float
    """When it was asked, on our clock."""
    reading: ThermalReading | None
    doubt: str = ""
    """Why there is no reading, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalSample:
    """One look and what follows from it."""

    reading: ThermalReading | None
    """None when the sensor said nothing that can be believed."""
    state: ThermalState
    """That is shown; it changes at most once per dwell."""
    acting: ThermalState
    """That is obeyed: the worse of what is shown and what this look says."""
    changed: bool
    """The state is another than after the look before."""
    reason: str
    """Why the state is what it is, in words."""
    duty: float = 1.0
    """Share of the time that a job may work now."""
    goal_c: float | None = None
    """The temperature that is held where jobs would pass it."""


class ThermalMonitor:
    """Samples one sensor; `sensor=None` is a machine without any: blind for good.

    `look` may block and may be called in a thread; `take` is quick and belongs to the
    thread that asks the governor.
    """

    def __init__(
        self,
        sensor: Sensor | None,
        settings: ThermalSettings,
        clock: Callable[[], float],
        *,
        limits: Limits | None = None,
        device: str = "cpu",
    ) -> None:
        self._sensor = sensor
        self._clock, self._settings = clock, settings
        has_sensor = sensor is not None
        self.limits = limits or Limits.of(
            settings, device=device, has_sensor=has_sensor
        )
        self.governor = Governor(self.limits)
        self._stuck = StuckDetector()
        self._shown: ThermalState = self.governor.state
        self.history = ThermalHistory(longest_gap_s=max(5.0, 3 * settings.period_s))

    @property
    def sensor_name(self) -> str | None:
        """The sensor's name; None without one."""
        return None if self._sensor is None else self._sensor.name

    @property
    def state(self) -> ThermalState:
        """The state after the last sample."""
        return self.governor.state

    def levers(self) -> Levers | None:
        """What can be set on the sensor's device; None where nothing can."""
        sensor: object = self._sensor
        return sensor.levers() if isinstance(sensor, LeverSensor) else None

    def on(self, device: str) -> ThermalMonitor:
        """The same sensor, for another device: what was learnt is not of this one."""
        return ThermalMonitor(self._sensor, self._settings, self._clock, device=device)

    def look(self) -> ThermalLook:
        """Ask the sensor; never raises for what a sensor may do."""
        now_s = self._clock()
        if self._sensor is None:
            return ThermalLook(at_s=now_s, reading=None, doubt=self._why_none())
        try:
            reading = self._sensor.read()
        except (SensorLostError, OSError) as lost:
            doubt = f"the sensor does not answer: {lost}"
            return ThermalLook(at_s=now_s, reading=None, doubt=doubt)
        return ThermalLook(at_s=now_s, reading=reading)

    def take(self, look: ThermalLook) -> ThermalSample:
        """Believe a look or not, and let the governor know."""
        now_s = look.at_s
        doubt = look.doubt or self._doubt(look.reading, now_s)
        reading = None if doubt else look.reading
        temperature_c = None if reading is None else reading.temperature_c
        before, governor = self._shown, self.governor
        state = self._shown = governor.observe(now_s, temperature_c)
        if temperature_c is not None and governor.doubts_sensor:
            doubt = f"{self.sensor_name} says {temperature_c:g} °C and does not move"
            reading = temperature_c = None
        throttled = reading is not None and bool(reading.throttle_reasons)
        self.history.note(now_s, temperature_c, is_throttled=throttled)
        return ThermalSample(
            reading=reading,
            state=state,
            acting=governor.acting,
            changed=state is not before,
            reason=doubt or self._explain(temperature_c),
            duty=governor.duty,
            goal_c=governor.goal_c,
        )

    def sample(self) -> ThermalSample:
        """Look and take, for callers with one thread."""
        return self.take(self.look())

    def highest_between(self, start_s: float, end_s: float) -> float | None:
        """The highest temperature in that time of our clock; None if none was seen."""
        return self.history.highest_between(start_s, end_s)

    def throttled_between(self, start_s: float, end_s: float) -> float:
        """Seconds of that time in which the device slowed itself."""
        return self.history.throttled_between(start_s, end_s)

    def close(self) -> None:
        """Let go of the sensor."""
        if self._sensor is not None:
            self._sensor.close()

    def _doubt(self, reading: ThermalReading | None, now_s: float) -> str:
        """Why a reading cannot be believed; empty where it can."""
        if reading is None:
            return "the sensor said nothing"
        absurd = why_unbelievable(reading)
        if absurd:
            return absurd
        stuck_s = self._stuck.observe(reading, now_s=now_s)
        if stuck_s is not None:
            value = reading.temperature_c
            return f"{reading.sensor} has said {value:g} °C for {stuck_s:.0f} s"
        return ""

    def _why_none(self) -> str:
        """Why there is no sensor to ask."""
        if self._settings.sensor == "none":
            return "the sensor is switched off in the profile (thermal.sensor)"
        if self._settings.sensor == "auto":
            return "no temperature sensor on this machine"
        return f"there is no sensor {self._settings.sensor} on this machine"

    def _explain(self, temperature_c: float | None) -> str:
        said = "" if temperature_c is None else f"{temperature_c:.0f} °C"
        limits, governor = self.limits, self.governor
        if governor.acting is ThermalState.HOT:
            return f"{said}: hot from {limits.hot_c:g} °C, new jobs wait"
        if governor.acting is ThermalState.BLIND:
            return f"{said}: the sensor has only just come back"
        if governor.duty < 0.99:
            return f"{said}: jobs work {governor.duty:.0%} of the time"
        if governor.acting is ThermalState.WARM:
            return f"{said}: warm from {limits.warm_c:g} °C"
        return said
