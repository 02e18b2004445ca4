"""What a temperature sensor said."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ThermalState(StrEnum):
    """How the device may be used."""

    COOL = "cool"
    WARM = "warm"
    HOT = "hot"
    BLIND = "blind"
    """No sensor answers: nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalReading:
    """One look at one device."""

    sensor: str
    """e.g. `nvml:0 NVIDIA H100`, `hwmon:k10temp Tctl`."""
    device: str
    """`cuda:0`, `cpu`..."""
    temperature_c: float | None
    limit_c: float | None = None
    """Temperature at which the device slows itself."""
    power_w: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    utilisation: float | None = None
    """0..1, all processes."""
