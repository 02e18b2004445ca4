"""What the governor makes of its looks: temperature, device, and whether to believe."""

from __future__ import annotations

import math

from ._fit import ThermalFit
from ._follow import Follower
from ._limits import Limits
from ._model import ThermalModel
from ._observer import Observer
from ._work import WorkLog

_UNMOVED_S = 15.0
_PROBE_NEAR_C = 5.0
_STARTLED_NEAR_C = 8.0
_AT_LIMIT_C = 0.75
_NOISE_C = 1.5
"""One look may be this much too high; beyond, it is obeyed alone."""


class Senses:
    """Joins estimate, fitted law and doubt; `work` tells what the device has done."""

    __slots__ = (
        "_follower",
        "_last_c",
        "_limits",
        "_looked_s",
        "_stepped_s",
        "_work",
        "doubts",
        "model",
        "observer",
        "seconds",
    )

    def __init__(self, limits: Limits, work: WorkLog) -> None:
        self._limits, self._work = limits, work
        self.model, self.observer = ThermalModel(), Observer()
        self._follower = Follower()
        self._stepped_s: float | None = None
        self._looked_s: float | None = None
        self._last_c = -math.inf
        self.doubts = False
        """The last look was not believed: the value does not follow the work."""
        self.seconds = 0.0
        """Between the last two calls of `take`."""

    @property
    def fit(self) -> ThermalFit:
        """What is known of the device."""
        return self.model.fit

    @property
    def unmoved_s(self) -> float:
        """How long the reading has been exactly the same."""
        return self._follower.unmoved_s

    @property
    def must_rest(self) -> bool:
        """Better wait for the next look, close to the limit or suspecting a fault.

        Either the last look was at the limit, or hotter than foretold, and while the
        device rests it will show what came; or the thermometer has not moved for long,
        and a rest shows whether it still does.
        """
        if self._last_c > self._limits.hot_c - _AT_LIMIT_C:
            return True
        room_c = self._limits.hot_c - self.observer.temperature_c
        if self.observer.is_startled and room_c < _STARTLED_NEAR_C:
            return True
        is_near = room_c < _PROBE_NEAR_C
        return self._follower.should_probe(is_near_limit=is_near)

    def take(self, now_s: float, temperature_c: float | None) -> float | None:
        """One look; the temperature to act upon, None once nothing was seen too long.

        A missed look is bridged by the law for as long as the limits have patience.
        """
        busy_s = self._work.take(now_s)
        before_s = now_s if self._stepped_s is None else self._stepped_s
        self._stepped_s = now_s
        seconds = self.seconds = max(now_s - before_s, 1e-3)
        duty = min(1.0, busy_s / seconds)
        self.doubts = temperature_c is not None and self._follower.take(
            temperature_c, self.fit, duty=duty, seconds=seconds
        )
        if self.doubts:
            temperature_c = None
        self.observer.take(temperature_c, self.fit, now_s=now_s, busy_s=busy_s)
        if temperature_c is not None:
            self._looked_s, self._last_c = now_s, temperature_c
        if temperature_c is None or self.unmoved_s > _UNMOVED_S:
            # a value that stays the same teaches nothing, and may be a stuck one
            self.model.skip(duty=duty, seconds=seconds)
        else:
            self.model.observe(temperature_c, duty=duty, seconds=seconds)
        return self._felt(temperature_c, now_s)

    def now_c(self, now_s: float) -> float:
        """The temperature at this moment, the work since the last look included."""
        busy_s = self._work.busy_since_look_s(now_s)
        return self.observer.at(self.fit, now_s=now_s, busy_s=busy_s)

    def _felt(self, temperature_c: float | None, now_s: float) -> float | None:
        if self._looked_s is None or now_s - self._looked_s > self._limits.patience_s:
            return None
        estimate_c = self.observer.temperature_c
        if temperature_c is None:
            return estimate_c
        return max(estimate_c, temperature_c - _NOISE_C)
