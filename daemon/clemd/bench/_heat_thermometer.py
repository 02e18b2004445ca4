"""A thermometer with its faults."""

from __future__ import annotations

import math
import random

from clemd.errors import SensorLostError
from clemd.model import ThermalReading

from ._heat_traces import HeatTrace


class Thermometer:
    """A `Sensor` that looks at the simulated device through its faults."""

    name = "simulated"

    def __init__(self, trace: HeatTrace, rng: random.Random) -> None:
        self._kind, self._rng = trace.sensor, rng
        self._frozen_c: float | None = None
        self.now_s = self.true_c = self.load = 0.0

    def read(self) -> ThermalReading:
        kind, now_s = self._kind, self.now_s
        if any(start_s <= now_s < end_s for start_s, end_s in kind.missing):
            raise SensorLostError("simulated: GPU is lost")
        value_c = self.true_c + self._rng.gauss(0.0, kind.noise_c)
        if kind.rounds:
            value_c = float(round(value_c))
        if kind.stuck is not None and kind.stuck[0] <= now_s < kind.stuck[1]:
            if self._frozen_c is None:
                self._frozen_c = value_c
            value_c = self._frozen_c
        if kind.nan_share and self._rng.random() < kind.nan_share:
            value_c = math.nan
        load = min(1.0, self.load) if kind.tells_load else None
        return ThermalReading(
            sensor=self.name,
            device="cuda:0",
            temperature_c=value_c,
            utilisation=load,
        )

    def close(self) -> None:
        """Nothing is held open."""
