"""A device that warms when it works, for trying the governor.

First order: one heat capacity. Second order, which the governor does not know of: a
small hot die on a large sink, so that the temperature jumps when work begins.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

STEP_S = 0.2
"""Of the simulation; the time constants are at least ten times as long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceKind:
    """The constants of one device."""

    tau_s: float
    """Time constant of the whole (first order) or of the sink (second order)."""
    rise_c: float
    """How much warmer full work makes it in the end."""
    idle_c: float
    """How much warmer than the air it is at rest."""
    die_share: float = 0.0
    """Part of the rise between die and sink; 0 = first order."""
    die_tau_s: float = 3.0


def draw_device(rng: random.Random) -> DeviceKind:
    """Constants spread by a factor of four about the middle ones, in two orders."""
    is_second = rng.random() < 0.5
    return DeviceKind(
        tau_s=60.0 * _factor(rng),
        rise_c=45.0 * _factor(rng),
        idle_c=10.0 * _factor(rng),
        die_share=rng.uniform(0.1, 0.3) if is_second else 0.0,
        die_tau_s=rng.uniform(2.0, 6.0),
    )


def _factor(rng: random.Random) -> float:
    """0.5..2, evenly in proportion."""
    return math.exp(rng.uniform(-math.log(2.0), math.log(2.0)))


class Device:
    """One device's temperature; `load` 1 is our full work, a tenant's comes on top."""

    __slots__ = (
        "_die_step",
        "_fan",
        "_kind",
        "_sink_step",
        "_step_s",
        "die_c",
        "sink_c",
    )

    def __init__(
        self, kind: DeviceKind, ambient_c: float, step_s: float = STEP_S
    ) -> None:
        self._kind, self._step_s, self._fan = kind, step_s, 1.0
        self._die_step = 1.0 - math.exp(-step_s / kind.die_tau_s)
        self._sink_step = 1.0 - math.exp(-step_s / kind.tau_s)
        self.sink_c = ambient_c + kind.idle_c * (1.0 - kind.die_share)
        self.die_c = self.sink_c + kind.idle_c * kind.die_share

    def step(self, load: float, ambient_c: float, fan: float) -> float:
        """Go on by one step; `fan`: the resistance to the air, 1 where all is well."""
        self.sink_c, self.die_c = self._after(load, ambient_c, fan)
        return self.die_c

    def most_load(
        self, limit_c: float, tenant: float, ambient_c: float, fan: float
    ) -> float:
        """The largest load of ours, 0..1, that ends one step below the limit."""
        _, none_c = self._after(tenant, ambient_c, fan)
        _, full_c = self._after(tenant + 1.0, ambient_c, fan)
        return min(1.0, max(0.0, (limit_c - none_c) / (full_c - none_c)))

    def _after(self, load: float, ambient_c: float, fan: float) -> tuple[float, float]:
        kind = self._kind
        if fan != self._fan:
            # the capacity stays, so the time constant grows with the resistance
            self._fan = fan
            self._sink_step = 1.0 - math.exp(-self._step_s / (kind.tau_s * fan))
        heat_c = kind.idle_c + kind.rise_c * load
        share = kind.die_share
        settles_c = ambient_c + heat_c * (1.0 - share) * fan
        sink_c = self.sink_c + (settles_c - self.sink_c) * self._sink_step
        if not share:
            return sink_c, sink_c
        die_c = self.die_c + (sink_c + heat_c * share - self.die_c) * self._die_step
        return sink_c, die_c


def settles_at(kind: DeviceKind, load: float, ambient_c: float, fan: float) -> float:
    """Where the temperature ends if all stays so."""
    heat_c = kind.idle_c + kind.rise_c * load
    return ambient_c + heat_c * ((1.0 - kind.die_share) * fan + kind.die_share)
