"""Look at the thermometer, doubt it where it earns doubt, and keep the state."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from clemd.config import ThermalSettings
from clemd.driver_api import Sensor
from clemd.errors import SensorLostError
from clemd.model import ThermalReading, ThermalState

from ._history import ThermalHistory
from ._states import StateMachine, Thresholds
from ._stuck import StuckDetector

_PLAUSIBLE_C = (-30.0, 150.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalSample:
    """One look and what follows from it."""

    reading: ThermalReading | None
    """None when the sensor said nothing that can be believed."""
    state: ThermalState
    changed: bool
    """The state is another than after the look before."""
    reason: str
    """Why the state is what it is, in words."""

    @property
    def admits_jobs(self) -> bool:
        """New jobs may start; a hot device defers them."""
        return self.state is not ThermalState.HOT


class ThermalMonitor:
    """Samples one sensor; `sensor=None` is a machine without any: blind for good."""

    def __init__(
        self,
        sensor: Sensor | None,
        settings: ThermalSettings,
        clock: Callable[[], float],
    ) -> None:
        self._sensor = sensor
        self._settings = settings
        self._clock = clock
        thresholds = Thresholds(warm_c=settings.warm_c, hot_c=settings.hot_c)
        self._machine = StateMachine(thresholds)
        self._stuck = StuckDetector()
        self.history = ThermalHistory(longest_gap_s=max(5.0, 3 * settings.period_s))

    @property
    def sensor_name(self) -> str | None:
        """The sensor's name; None without one."""
        return None if self._sensor is None else self._sensor.name

    @property
    def state(self) -> ThermalState:
        """The state after the last sample."""
        return self._machine.state

    def sample(self) -> ThermalSample:
        """Look once; never raises for what a sensor may do."""
        now_s, before = self._clock(), self._machine.state
        reading, doubt = self._look(now_s)
        temperature_c = None if reading is None else reading.temperature_c
        state = self._machine.step(temperature_c, now_s=now_s)
        throttled = reading is not None and bool(reading.throttle_reasons)
        self.history.note(now_s, temperature_c, is_throttled=throttled)
        return ThermalSample(
            reading=reading,
            state=state,
            changed=state is not before,
            reason=doubt or self._explain(state, temperature_c),
        )

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

    def _look(self, now_s: float) -> tuple[ThermalReading | None, str]:
        """A reading that can be believed, or why there is none."""
        if self._sensor is None:
            return None, "no temperature sensor on this machine"
        try:
            reading = self._sensor.read()
        except (SensorLostError, OSError) as lost:
            return None, f"the sensor does not answer: {lost}"
        value = reading.temperature_c
        if value is None or math.isnan(value):
            return None, f"{reading.sensor} gives no temperature"
        if not _PLAUSIBLE_C[0] <= value <= _PLAUSIBLE_C[1]:
            return None, f"{reading.sensor} says {value:g} °C, which cannot be"
        stuck_s = self._stuck.observe(reading, now_s=now_s)
        if stuck_s is not None:
            return None, f"{reading.sensor} has said {value:g} °C for {stuck_s:.0f} s"
        return reading, ""

    def _explain(self, state: ThermalState, temperature_c: float | None) -> str:
        said = "" if temperature_c is None else f"{temperature_c:.0f} °C"
        settings = self._settings
        if state is ThermalState.HOT:
            return f"{said}: hot from {settings.hot_c:g} °C, new jobs wait"
        if state is ThermalState.WARM:
            return f"{said}: warm from {settings.warm_c:g} °C"
        if state is ThermalState.BLIND:
            return f"{said}: the sensor has only just come back"
        return said
