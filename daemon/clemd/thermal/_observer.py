"""The temperature now, between looks and through their noise."""

from __future__ import annotations

import math

from ._fit import ThermalFit

_TRUST = 0.4
"""Of a look against the prediction."""
_TRUST_RATE = 0.12
"""Of a look's surprise as news about the environment, per second."""
_STARTLED_C = 1.0
_STARTLED_SPREADS = 3.0
"""A look this much hotter than foretold is news, not noise: believed sooner."""
_WARY_C = 0.3
_WARY_SPREADS = 2.0
_TRUST_STARTLED = 0.7
_TRUST_RATE_STARTLED = 0.4
_SPREAD_KEEP = 0.95
_STALE_S = 10.0
"""After a longer time without a look the next one is taken as it is."""
_SHORT_S = 2.0
_MOST_RATE_C_S = 4.0
_TRUST_KICK = 0.1
_MOST_KICK_C_S = 8.0
_KICK_STEP_C_S = 0.3
_SHARE_KEEP = 0.95
_LEAST_VARIANCE = 0.02


class Observer:
    """Follows the temperature with the fitted law, and notices what the law misses.

    `surprise_c_s` is the heating that work and fit do not explain: another program,
    a fan that stopped.

    `kick_c_s` is how much more steeply than the law a piece of work heats at first: a
    die on its sink. It is learnt from how the errors go with the work of each look.
    """

    __slots__ = (
        "_looked_s",
        "_seen_s",
        "_share",
        "_share_variance",
        "is_startled",
        "kick_c_s",
        "spread_c",
        "surprise_c_s",
        "temperature_c",
    )

    def __init__(self) -> None:
        self._seen_s: float | None = None
        self._looked_s = 0.0
        self.temperature_c = 0.0
        self.surprise_c_s = self.kick_c_s = 0.0
        self.is_startled = False
        """The last look was hotter than foretold by more than noise explains."""
        self._share = self._share_variance = 0.0
        self.spread_c = 0.5
        """How far looks lie from what was foretold, lately."""

    @property
    def has_seen(self) -> bool:
        """There was a look."""
        return self._seen_s is not None

    def take(
        self,
        temperature_c: float | None,
        fit: ThermalFit,
        *,
        now_s: float,
        busy_s: float,
    ) -> None:
        """One look (None: time passed without one); `busy_s` of work since the last."""
        if self._seen_s is None:
            if temperature_c is not None:
                self._anchor(temperature_c, now_s)
            return
        seconds = max(now_s - self._seen_s, 1e-3)
        self.temperature_c = self.at(fit, now_s=now_s, busy_s=busy_s)
        self._seen_s = now_s
        if temperature_c is None:
            return
        if now_s - self._looked_s > _STALE_S:
            self._anchor(temperature_c, now_s)
            return
        self._looked_s = now_s
        error_c = temperature_c - self.temperature_c
        self._learn_kick(error_c / seconds, min(1.0, busy_s / seconds))
        self.is_startled = error_c > _WARY_C + _WARY_SPREADS * self.spread_c
        startles = error_c > max(_STARTLED_C, _STARTLED_SPREADS * self.spread_c)
        self.temperature_c += (_TRUST_STARTLED if startles else _TRUST) * error_c
        trust_rate = _TRUST_RATE_STARTLED if startles else _TRUST_RATE
        rate = self.surprise_c_s + trust_rate * error_c / seconds
        self.surprise_c_s = min(_MOST_RATE_C_S, max(-_MOST_RATE_C_S, rate))
        self.spread_c = _SPREAD_KEEP * self.spread_c + (1 - _SPREAD_KEEP) * min(
            5.0, abs(error_c)
        )

    def at(self, fit: ThermalFit, *, now_s: float, busy_s: float) -> float:
        """The temperature at a moment, after `busy_s` of work since the last look."""
        if self._seen_s is None:
            return self.temperature_c
        seconds = max(0.0, now_s - self._seen_s)
        kick_c = self.kick_c_s * (busy_s - self._share * seconds)
        if seconds > _SHORT_S:
            return self.temperature_c + kick_c + self._after(fit, seconds, busy_s)
        return (
            self.temperature_c
            + kick_c
            + self.drift_c_s(fit) * seconds
            + fit.heating_c_s * busy_s
        )

    def drift_c_s(self, fit: ThermalFit) -> float:
        """Degrees per second without work, surprises included."""
        return fit.drift_c_s(self.temperature_c) + self.surprise_c_s

    def heating_c_s(self, fit: ThermalFit) -> float:
        """Degrees per second of a piece of work, environment aside."""
        return fit.heating_c_s + self.kick_c_s

    def _after(self, fit: ThermalFit, seconds: float, busy_s: float) -> float:
        """The change over a time that is not short against the time constant."""
        settles_c = fit.settles_c(min(1.0, busy_s / seconds))
        share = 1.0 - math.exp(-seconds / fit.tau_s)
        surprise_c = self.surprise_c_s * min(seconds, _STALE_S)
        return (settles_c - self.temperature_c) * share + surprise_c

    def _anchor(self, temperature_c: float, now_s: float) -> None:
        self._seen_s = self._looked_s = now_s
        self.temperature_c, self.surprise_c_s = temperature_c, 0.0

    def _learn_kick(self, error_c_s: float, share: float) -> None:
        apart = share - self._share
        self._share += (1.0 - _SHARE_KEEP) * apart
        self._share_variance += (1.0 - _SHARE_KEEP) * (
            apart * apart - self._share_variance
        )
        told = error_c_s * apart / (self._share_variance + _LEAST_VARIANCE)
        # one look in which another program began must not undo what was learnt
        step = min(_KICK_STEP_C_S, max(-_KICK_STEP_C_S, _TRUST_KICK * told))
        kick = self.kick_c_s + step
        self.kick_c_s = min(_MOST_KICK_C_S, max(0.0, kick))
