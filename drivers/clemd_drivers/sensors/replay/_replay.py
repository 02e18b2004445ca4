"""Play a CSV file of temperatures instead of asking a device.

The file has a header line and the columns `t_s,temperature_c`: seconds since its start
(ascending) and degrees Celsius. `nan` or an empty field is a sensor that says nothing;
an infinite one is refused, because no sensor says it.
After its last line the recording has ended and the sensor is lost: a trace that started
again would be a jump that no device makes.
"""

from __future__ import annotations

import csv
import math
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

from clemd.driver_api import Sensor
from clemd.errors import SensorLostError, UsageError
from clemd.model import ThermalReading

VARIABLE = "CLEMD_THERMAL_TRACE"
_COLUMNS = ["t_s", "temperature_c"]
Clock = Callable[[], float]
"""Seconds on a clock that never runs backwards."""


class ReplaySensor:
    """The temperature that was recorded as long after its start as now is after ours.

    Raises:
        UsageError: the file cannot be read or is not such a table.
    """

    def __init__(self, path: Path, clock: Clock = time.monotonic) -> None:
        self.name = f"replay:{path.name}"
        self._times_s, self._temperatures_c = _read_trace(path)
        self._clock = clock
        self._started_s = clock()

    def read(self) -> ThermalReading:
        """The last recorded value at or before now.

        Raises:
            SensorLostError: the recording has ended.
        """
        elapsed_s = self._clock() - self._started_s
        if elapsed_s > self._times_s[-1]:
            raise SensorLostError(f"the recording ended after {self._times_s[-1]:g} s")
        place = max(0, bisect_right(self._times_s, elapsed_s) - 1)
        value = self._temperatures_c[place]
        return ThermalReading(
            sensor=self.name,
            device="replay",
            temperature_c=None if math.isnan(value) else value,
        )

    def close(self) -> None:
        """Nothing is held open."""


class ReplayDriver:
    """Finds the trace that the environment names, if it names one."""

    name = "replay"
    priority = 0
    """First: whoever sets the variable wants the recording, not the device."""
    is_numbered = False
    mend = f"set {VARIABLE} to a readable trace, or use thermal.trace"

    def discover(self) -> Sequence[Sensor]:
        """One sensor if CLEMD_THERMAL_TRACE names a readable trace, else none."""
        named = os.environ.get(VARIABLE)
        if not named:
            return []
        try:
            return [ReplaySensor(Path(named))]
        except UsageError:
            return []

    def play(self, path: Path, clock: Clock = time.monotonic) -> Sensor:
        """A sensor that plays `path`, starting now.

        Raises:
            UsageError: the file cannot be read or is not a trace.
        """
        return ReplaySensor(path, clock)


def _read_trace(path: Path) -> tuple[list[float], list[float]]:
    mend = "give a CSV file with the columns t_s,temperature_c, ascending in time"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as failed:
        reason = getattr(failed, "strerror", None) or "not a text table"
        raise UsageError(f"trace cannot be read: {reason}", str(path), mend) from failed
    if not rows or [field.strip() for field in rows[0]] != _COLUMNS:
        raise UsageError("trace has no header t_s,temperature_c", str(path), mend)
    try:
        times_s = [float(row[0]) for row in rows[1:] if row]
        values = [float(row[1] or "nan") for row in rows[1:] if row]
    except (ValueError, IndexError) as failed:
        raise UsageError(
            "trace has a line that is no number", str(path), mend
        ) from failed
    if any(map(math.isinf, values)) or not all(map(math.isfinite, times_s)):
        raise UsageError("trace has a number that is not finite", str(path), mend)
    if not times_s or times_s != sorted(times_s):
        raise UsageError("trace is empty or not in order of time", str(path), mend)
    return times_s, values


DRIVER = ReplayDriver()
