"""What the governor must keep, in numbers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clemd.config import ThermalSettings


class BlindRule(StrEnum):
    """What to do with a device that cannot be seen."""

    CPU = "cpu"
    """Leave it alone: jobs run on the CPU until it is seen again."""
    SLOW = "slow"
    """Use it at a low fixed duty, lower still where the last fit asks for it."""
    FREE = "free"
    """Use it fully: it guards itself, or the profile has waived the guard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Temperatures, times and rules of one device."""

    warm_c: float = 75.0
    hot_c: float = 85.0
    """The limit: above it the device does not work."""
    hysteresis_c: float = 3.0
    """Cooler than a threshold by this before the state goes down."""
    dwell_s: float = 10.0
    """The shown state changes at most once in this time."""
    period_s: float = 1.0
    """Between looks."""
    patience_s: float = 3.0
    """Without a believable look for this long, the device counts as unseen."""
    blind: BlindRule = BlindRule.CPU
    blind_duty: float = 0.1
    """Largest share of the time that an unseen device may work."""
    has_cpu: bool = True
    """Jobs may run on the CPU instead (false where the CPU is the device)."""
    longest_pause_s: float = 1.0
    """Of one piece of a pause; in between, stops are heard and leases extended."""
    yield_after_s: float = 15.0
    """A job that could not go on for this long gives the device back."""

    @classmethod
    def of(
        cls, settings: ThermalSettings, *, device: str = "cpu", has_sensor: bool = True
    ) -> Limits:
        """The limits that a profile asks for.

        A CPU slows itself long before it is harmed and is nobody's second choice;
        a GPU that was never seen is left alone unless the profile says `none`.
        """
        is_cpu = device == "cpu"
        waived = settings.sensor == "none" or (is_cpu and not has_sensor)
        unseen = BlindRule.SLOW if is_cpu else BlindRule.CPU
        return cls(
            warm_c=settings.warm_c,
            hot_c=settings.hot_c,
            period_s=settings.period_s,
            patience_s=3 * settings.period_s,
            blind=BlindRule.FREE if waived else unseen,
            has_cpu=not is_cpu,
        )
