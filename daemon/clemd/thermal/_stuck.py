"""A thermometer that never moves is broken, unless the device never worked."""

from __future__ import annotations

from clemd.model import ThermalReading

_UNDER_CHANGING_LOAD_S = 60.0
_UNDER_UNKNOWN_LOAD_S = 600.0
_LOAD_STEP = 0.5
"""Change of utilisation (0..1) that must show in a temperature."""
_POWER_FACTOR = 1.5
"""Change of power draw that must show in a temperature."""


class StuckDetector:
    """Says when the same value has been repeated for too long to be true.

    With utilisation or power in the reading, the load must have changed clearly while
    the value did not: an idle card may rest at 34 °C all night. Without either, ten
    minutes of exactly the same value are too long.
    """

    def __init__(self) -> None:
        self._value_c: float | None = None
        self._since_s = 0.0
        self._loads: list[float] = []
        self._powers_w: list[float] = []

    def observe(self, reading: ThermalReading, *, now_s: float) -> float | None:
        """Note one reading; the seconds it has been stuck, or None if it is not."""
        if reading.temperature_c != self._value_c:
            self._value_c, self._since_s = reading.temperature_c, now_s
            self._loads, self._powers_w = [], []
        self._loads = _widen(self._loads, reading.utilisation)
        self._powers_w = _widen(self._powers_w, reading.power_w)
        unchanged_s = now_s - self._since_s
        limit_s = self._limit_s()
        if limit_s is not None and unchanged_s >= limit_s:
            return unchanged_s
        return None

    def _limit_s(self) -> float | None:
        if not self._loads and not self._powers_w:
            return _UNDER_UNKNOWN_LOAD_S
        loads, powers = self._loads, self._powers_w
        worked = bool(loads) and loads[1] - loads[0] >= _LOAD_STEP
        drew = bool(powers) and powers[1] > max(powers[0], 1.0) * _POWER_FACTOR
        return _UNDER_CHANGING_LOAD_S if worked or drew else None


def _widen(extremes: list[float], value: float | None) -> list[float]:
    """[lowest, highest] of all values so far."""
    if value is None:
        return extremes
    if not extremes:
        return [value, value]
    return [min(extremes[0], value), max(extremes[1], value)]
