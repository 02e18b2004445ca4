"""Does the thermometer follow the work? One that does not is stuck."""

from __future__ import annotations

import math

from ._fit import ThermalFit

_LEAST_C = 4.0
"""Smaller differences between forecast and reading prove nothing."""
_PROBE_AFTER_S = 30.0
_UNUSUAL = 4.0


class Follower:
    """Foretells the temperature while the reading stays exactly the same.

    Once the forecast, made with what was known when the value first came, has gone
    further away than its own error allows, the reading is not believed until it
    moves. A device that is held at one temperature is foretold to stay there.
    """

    __slots__ = (
        "_doubts",
        "_expected_c",
        "_fit",
        "_longest_s",
        "_value_c",
        "_worked_s",
        "unmoved_s",
    )

    def __init__(self) -> None:
        self._value_c: float | None = None
        self._expected_c = 0.0
        self._fit: ThermalFit | None = None
        self._doubts = False
        self._worked_s = self._longest_s = 0.0
        self.unmoved_s = 0.0
        """How long the reading has been exactly the same."""

    def take(
        self, value_c: float, fit: ThermalFit, *, duty: float, seconds: float
    ) -> bool:
        """Note one look; True where it can no longer be believed."""
        known = self._fit
        if value_c != self._value_c or known is None:
            self._value_c, self._expected_c, self._fit = value_c, value_c, fit
            self._longest_s = max(self._longest_s, self._worked_s)
            self._doubts, self.unmoved_s, self._worked_s = False, 0.0, 0.0
            return False
        self.unmoved_s += seconds
        self._worked_s += duty * seconds
        if not known.is_known:
            self._fit = fit
            return False
        share = 1.0 - math.exp(-seconds / known.tau_s)
        self._expected_c += (known.settles_c(duty) - self._expected_c) * share
        allowed_c = max(_LEAST_C, 3.0 * known.settles_sd_c(duty), 3.0 * known.error_c)
        if abs(self._expected_c - value_c) > allowed_c:
            self._doubts = True
        return self._doubts

    def should_probe(self, *, is_near_limit: bool) -> bool:
        """A short rest would show whether the value still moves.

        Close to the limit it is asked for after half a minute of work; elsewhere only
        where the value has rested for much longer than it ever did, so that a device
        that is simply steady is asked less and less often.
        """
        if is_near_limit:
            return self._worked_s > _PROBE_AFTER_S
        return self._worked_s > max(_PROBE_AFTER_S, _UNUSUAL * self._longest_s)
