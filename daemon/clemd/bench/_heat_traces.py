"""Environments, faults and devices, drawn from a seed."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from ._heat_device import DeviceKind, draw_device, settles_at
from ._heat_world import LASTS_S, World

LIMIT_C = 85.0
WARM_C = 75.0
ENVIRONMENTS = (
    "cool",
    "hot",
    "ramp",
    "spike",
    "drift",
    "fan",
    "oscillation",
    "tenant",
)
FAULTS = ("dropout", "nan", "stuck")
KINDS = (*ENVIRONMENTS, *FAULTS, "mixed")


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorKind:
    """How the thermometer looks at the device."""

    rounds: bool
    """To whole degrees, as a GPU's does."""
    noise_c: float
    tells_load: bool
    missing: tuple[tuple[float, float], ...] = ()
    """Spans in which it does not answer, seconds."""
    nan_share: float = 0.0
    stuck: tuple[float, float] | None = None
    """From when to when it repeats one value, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatTrace:
    """One simulated quarter of an hour at the most."""

    seed: int
    kind: str
    device: DeviceKind
    sensor: SensorKind
    ambient_c: list[float]
    """Every `GRID_S`."""
    tenant: list[float]
    """Another program's load, in units of our full work."""
    fan: list[float]
    """Resistance to the air; 1 where the fan turns."""
    piece_s: float
    """Middle time between two breathing points."""
    blind_slow: bool
    """The profile lets an unseen device work slowly, else the CPU is taken."""

    @property
    def has_fault(self) -> bool:
        """The thermometer fails for a time."""
        sensor = self.sensor
        return bool(sensor.missing or sensor.nan_share or sensor.stuck)

    @property
    def is_doomed(self) -> bool:
        """At some moment air and tenant alone drive the device towards the limit."""
        device = self.device
        return any(
            settles_at(device, tenant, ambient_c, fan) > LIMIT_C
            for ambient_c, tenant, fan in zip(
                self.ambient_c, self.tenant, self.fan, strict=True
            )
        )


def draw_trace(seed: int) -> HeatTrace:
    """The trace of a seed; kinds come in turn."""
    rng = random.Random(seed)  # noqa: S311 - draws a world, not a secret
    kind = KINDS[seed % len(KINDS)]
    world = World(rng)
    if kind == "mixed":
        for one in rng.sample(ENVIRONMENTS[2:], 2):
            world.add(one)
        faults = [rng.choice(FAULTS)] if rng.random() < 0.5 else []
    elif kind in FAULTS:
        world.add(rng.choice(("cool", "hot", "ramp", "drift")))
        faults = [kind]
    else:
        world.add(kind)
        faults = []
    return HeatTrace(
        seed=seed,
        kind=kind,
        device=draw_device(rng),
        sensor=_draw_sensor(rng, faults),
        ambient_c=world.ambient_c.tolist(),
        tenant=world.tenant.tolist(),
        fan=world.fan.tolist(),
        piece_s=math.exp(rng.uniform(math.log(0.2), math.log(1.2))),
        blind_slow=rng.random() < 0.5,
    )


def _draw_sensor(rng: random.Random, faults: list[str]) -> SensorKind:
    missing: list[tuple[float, float]] = []
    stuck: tuple[float, float] | None = None
    if "dropout" in faults:
        for _ in range(rng.randint(1, 4)):
            start_s = rng.uniform(0.0, LASTS_S)
            missing.append((start_s, start_s + rng.uniform(1.0, 120.0)))
    if "stuck" in faults:
        start_s = rng.uniform(60.0, 0.8 * LASTS_S)
        stuck = (start_s, start_s + rng.uniform(100.0, LASTS_S))
    return SensorKind(
        rounds=rng.random() < 0.7,
        noise_c=rng.uniform(0.0, 0.4),
        tells_load=rng.random() < 0.5,
        missing=tuple(missing),
        nan_share=rng.uniform(0.02, 0.3) if "nan" in faults else 0.0,
        stuck=stuck,
    )
