"""What is known about a device, and what follows from it."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The highest temperature of a piece of work."""

    peak_c: float
    margin_c: float
    """Two standard deviations: the peak lies below `peak_c + margin_c`."""

    @property
    def highest_c(self) -> float:
        """With the margin."""
        return self.peak_c + self.margin_c


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalFit:
    """What is known about the device; unknown as long as little was seen."""

    rest_c: float
    rise_c: float
    tau_s: float
    rest_sd_c: float = 15.0
    rise_sd_c: float = 40.0
    covariance_c2: float = 0.0
    """Of the two."""
    error_c: float = 1.0
    """Typical error of foretelling one window."""
    windows: int = 0
    """Seen so far."""

    @property
    def is_known(self) -> bool:
        """Enough was seen to tell the device's own behaviour from the prior's."""
        return self.windows >= 10 and self.rise_sd_c < 0.3 * self.rise_c

    @property
    def heating_c_s(self) -> float:
        """Degrees per second of work, beside what the environment does."""
        return self.rise_c / self.tau_s

    def settles_c(self, duty: float) -> float:
        """Where the temperature ends at a duty."""
        return self.rest_c + self.rise_c * duty

    def settles_sd_c(self, duty: float) -> float:
        """How well that is known; best at the duties that were used."""
        own_c2 = self.rest_sd_c**2 + (duty * self.rise_sd_c) ** 2
        return math.sqrt(max(0.0, own_c2 + 2.0 * duty * self.covariance_c2))

    def drift_c_s(self, temperature_c: float) -> float:
        """Degrees per second without work."""
        return (self.rest_c - temperature_c) / self.tau_s

    def duty_for(self, temperature_c: float) -> float:
        """The share of work that holds a temperature; below 0: none does."""
        return (temperature_c - self.rest_c) / self.rise_c

    def seconds_to_cool(self, start_c: float, goal_c: float) -> float | None:
        """Without work; None where it never gets there."""
        if start_c <= goal_c:
            return 0.0
        if self.rest_c >= goal_c - 0.1:
            return None
        return self.tau_s * math.log((start_c - self.rest_c) / (goal_c - self.rest_c))

    def forecast(self, start_c: float, lasting_s: float, duty: float) -> Forecast:
        """The peak from a temperature on; never surer than foretelling has been."""
        share = 1.0 - math.exp(-lasting_s / self.tau_s)
        end_c = start_c + (self.settles_c(duty) - start_c) * share
        spread_c = math.hypot(self.settles_sd_c(duty) * share, self.error_c)
        return Forecast(peak_c=max(start_c, end_c), margin_c=2.0 * spread_c)
