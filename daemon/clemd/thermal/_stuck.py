"""A thermometer that never moves is broken, unless the device never worked."""

from __future__ import annotations

import math

from clemd.model import ThermalReading

_UNDER_CHANGING_LOAD_S = 60.0
_UNDER_UNKNOWN_LOAD_S = 600.0
_LOAD_STEP = 0.5
"""Change of utilisation (0..1) that must show in a temperature."""
_POWER_FACTOR = 1.5
"""Change of power draw that must show in a temperature."""
_SMOOTHING_S = 30.0
"""A job that breathes switches the load every second; heat feels only its mean."""


class _Smoothed:
    """A value's running mean, and how far the mean has wandered."""

    __slots__ = ("highest", "lowest", "mean")

    def __init__(self) -> None:
        self.mean: float | None = None
        self.lowest = self.highest = 0.0

    def take(self, value: float | None, seconds: float) -> None:
        if value is None or math.isnan(value):
            return
        if self.mean is None:
            self.mean = self.lowest = self.highest = value
            return
        self.mean += (value - self.mean) * (1.0 - math.exp(-seconds / _SMOOTHING_S))
        self.lowest = min(self.lowest, self.mean)
        self.highest = max(self.highest, self.mean)

    def restart(self) -> None:
        if self.mean is not None:
            self.lowest = self.highest = self.mean


class StuckDetector:
    """Says when the same value has been repeated for too long to be true.

    With utilisation or power in the reading, the load must have changed clearly while
    the value did not: an idle card may rest at 34 °C all night, and one that is held
    at its limit stays there. Without either, ten minutes of exactly the same value
    are too long.
    """

    def __init__(self) -> None:
        self._value_c: float | None = None
        self._since_s = self._seen_s = 0.0
        self._load, self._power_w = _Smoothed(), _Smoothed()

    def observe(self, reading: ThermalReading, *, now_s: float) -> float | None:
        """Note one reading; the seconds it has been stuck, or None if it is not."""
        if reading.temperature_c != self._value_c:
            self._value_c, self._since_s = reading.temperature_c, now_s
            self._load.restart()
            self._power_w.restart()
        seconds, self._seen_s = max(0.0, now_s - self._seen_s), now_s
        self._load.take(reading.utilisation, seconds)
        self._power_w.take(reading.power_w, seconds)
        unchanged_s = now_s - self._since_s
        limit_s = self._limit_s()
        if limit_s is not None and unchanged_s >= limit_s:
            return unchanged_s
        return None

    def _limit_s(self) -> float | None:
        load, power = self._load, self._power_w
        if load.mean is None and power.mean is None:
            return _UNDER_UNKNOWN_LOAD_S
        worked = load.highest - load.lowest >= _LOAD_STEP
        drew = power.highest > max(power.lowest, 1.0) * _POWER_FACTOR
        return _UNDER_CHANGING_LOAD_S if worked or drew else None
