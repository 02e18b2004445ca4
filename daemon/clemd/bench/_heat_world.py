"""Air, other programs and a fan over ten minutes, drawn from a seed."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Series = npt.NDArray[np.float64]

GRID_S = 0.4
LASTS_S = 600.0


class World:
    """Air, tenant and fan over time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._t_s = np.arange(0.0, LASTS_S, GRID_S)
        self.ambient_c: Series = np.full(len(self._t_s), rng.uniform(18.0, 30.0))
        self.tenant: Series = np.zeros(len(self._t_s))
        self.fan: Series = np.ones(len(self._t_s))

    def add(self, kind: str) -> None:
        """Let one thing happen."""
        happen: dict[str, Callable[[], None]] = {
            "cool": self._cool,
            "hot": self._hot,
            "ramp": self._ramp,
            "spike": self._spike,
            "drift": self._drift,
            "fan": self._dead_fan,
            "oscillation": self._oscillation,
            "tenant": self._tenant,
        }
        happen[kind]()

    def _cool(self) -> None:
        self.ambient_c[:] = self._rng.uniform(15.0, 22.0)

    def _hot(self) -> None:
        self.ambient_c[:] = self._rng.uniform(35.0, 48.0)

    def _ramp(self) -> None:
        start_s = self._rng.uniform(0.0, 200.0)
        lasts_s = self._rng.uniform(60.0, 400.0)
        done = np.clip((self._t_s - start_s) / lasts_s, 0.0, 1.0)
        self.ambient_c += self._rng.uniform(10.0, 25.0) * done

    def _spike(self) -> None:
        """Warm air for a while, e.g. another machine's exhaust."""
        for _ in range(self._rng.randint(1, 4)):
            start_s = self._rng.uniform(0.0, LASTS_S)
            lasts_s = self._rng.uniform(10.0, 120.0)
            within = (self._t_s >= start_s) & (self._t_s < start_s + lasts_s)
            self.ambient_c[within] += self._rng.uniform(8.0, 20.0)

    def _drift(self) -> None:
        """A summer afternoon, drawn together."""
        swing_c = self._rng.uniform(6.0, 14.0)
        self.ambient_c += 5.0 + swing_c * np.sin(np.pi * self._t_s / LASTS_S)

    def _dead_fan(self) -> None:
        start_s = self._rng.uniform(30.0, 0.7 * LASTS_S)
        end_s = start_s + self._rng.uniform(60.0, LASTS_S)
        within = (self._t_s >= start_s) & (self._t_s < end_s)
        self.fan[within] = self._rng.uniform(1.3, 3.0)

    def _oscillation(self) -> None:
        period_s = self._rng.uniform(15.0, 240.0)
        size_c = self._rng.uniform(4.0, 12.0)
        turns = self._t_s / period_s + self._rng.random()
        self.ambient_c += 6.0 + size_c * np.sin(2.0 * np.pi * turns)

    def _tenant(self) -> None:
        """Another program comes and goes at once."""
        at_s = self._rng.uniform(0.0, 120.0)
        self.ambient_c += self._rng.uniform(0.0, 12.0)
        while at_s < LASTS_S:
            lasts_s = self._rng.uniform(10.0, 200.0)
            within = (self._t_s >= at_s) & (self._t_s < at_s + lasts_s)
            self.tenant[within] = self._rng.uniform(0.2, 0.8)
            at_s += lasts_s + self._rng.uniform(20.0, 200.0)
