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
    memory_temperature_c: float | None = None
    """Of the card's memory, where it is told; it may be hotter than the chip."""
    power_limit_w: float | None = None
    """That the card enforces."""
    fan: float | None = None
    """0..1 of full speed, the slowest fan."""
    throttled_total_s: float | None = None
    """Slowed by heat since the driver was loaded; catches what lies between looks."""
    other_memory_mb: float | None = None
    """Held on the device by other processes than ours."""
    free_memory_mb: float | None = None
    faults: tuple[str, ...] = ()
    """Errors of the device itself since the last look, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverState:
    """What is set on a device, and how far it lets itself be set."""

    card: str
    """Names the device for good, whatever its number is after a restart."""
    power_limit_w: float | None = None
    """None: it does not tell one."""
    least_power_w: float | None = None
    """The lowest limit that it takes."""
