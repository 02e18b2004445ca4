"""How the device warms and cools, learnt while it works.

    dT/dt = (rest_c + rise_c * duty - T) / tau_s

This is the first-order law dT/dt = (T_env + R P - T) / tau with the power counted in
units of our own full load: `rest_c` = T_env + R P_others (where the device settles
without us), `rise_c` = R P_ours (how much warmer full duty makes it in the end). Duty
is known exactly, while a power reading once a second catches a burst or a pause.

For a given tau the solution is linear in the two others:

    T(t) = first_c * (1 - e(t)) + rest_c * e(t) + rise_c * x(t)

with e and x the step and the duty, smoothed with tau. So each of a few time constants
has its own recursive least squares, and the one that has foretold best lately is used.
`rest_c` may wander quickly (air, other programs), `rise_c` only slowly.
The noise is that of the sensor's reading only, which keeps the estimate unbiased; a
regression on dT/dt would have the noise on both sides.
"""

from __future__ import annotations

import math

from ._fit import Forecast, ThermalFit
from ._line import TwoUnknowns

TAUS_S = (12.0, 24.0, 48.0, 96.0, 192.0)
WINDOW_S = 3.0
"""Looks are averaged over this time; the shortest tau is four times as long."""
REST_C = (-20.0, 140.0)
RISE_C = (3.0, 140.0)
"""Sensible values of the two unknowns."""
_FIRST_REST_SD_C = 8.0
_FIRST_RISE_C = (45.0, 22.0)
_REST_STEP_C = 0.5
"""How far the environment may wander in a window."""
_RISE_STEP_C = 0.15
_NOISE_C = 0.5
"""Of a window's mean: rounding to whole degrees, and a sensor's own noise."""
_SCORE_KEEP = 0.97
_CREDIBLE = 3.0
"""A time constant that foretells this many times worse is still thought possible."""


class _Candidate:
    """One time constant with its least squares."""

    __slots__ = ("line", "score", "step", "tau_s", "worked")

    def __init__(self, tau_s: float, first_c: float) -> None:
        self.tau_s = tau_s
        self.line = TwoUnknowns(
            (first_c, _FIRST_REST_SD_C),
            _FIRST_RISE_C,
            step_a=_REST_STEP_C,
            step_b=_RISE_STEP_C,
            noise_sd=_NOISE_C,
        )
        self.step = 0.0
        self.worked = 0.0
        self.score = 1.0 + 0.01 * abs(math.log(tau_s / 48.0))

    def take(self, first_c: float, mean_c: float, duty: float, seconds: float) -> None:
        # at the window's middle, for which the mean reading speaks
        half = 1.0 - math.exp(-0.5 * seconds / self.tau_s)
        step = self.step + (1.0 - self.step) * half
        worked = self.worked + (duty - self.worked) * half
        error = self.line.take(step, worked, mean_c - first_c * (1.0 - step))
        self.line.a = min(max(self.line.a, REST_C[0]), REST_C[1])
        self.line.b = min(max(self.line.b, RISE_C[0]), RISE_C[1])
        self.score += (1.0 - _SCORE_KEEP) * (min(error * error, 25.0) - self.score)
        self.step = step + (1.0 - step) * half
        self.worked = worked + (duty - worked) * half


class ThermalModel:
    """Fits the law to looks and duties as they come."""

    def __init__(self) -> None:
        self._candidates: tuple[_Candidate, ...] = ()
        self._first_c = 0.0
        self._sum_c = self._busy_s = self._seconds = 0.0
        self._looks = self._windows = 0
        self.fit = ThermalFit(rest_c=25.0, rise_c=45.0, tau_s=36.0)

    def observe(self, temperature_c: float, *, duty: float, seconds: float) -> None:
        """One look: the mean `duty` (0..1) over the `seconds` since the last one."""
        if not self._candidates:
            self._begin(temperature_c)
            return
        self._sum_c += temperature_c
        self._looks += 1
        self._busy_s += duty * seconds
        self._seconds += seconds
        if self._seconds >= WINDOW_S:
            self._close()

    def skip(self, *, duty: float, seconds: float) -> None:
        """Time that passed without a look: what was done in it still counts."""
        self._busy_s += duty * seconds
        self._seconds += seconds

    def forecast(self, start_c: float, *, work_s: float, duty: float = 1.0) -> Forecast:
        """The peak of `work_s` seconds of work at a duty, from a temperature on.

        The worst of what is still thought possible.
        """
        told = [
            one.forecast(start_c, work_s / max(duty, 0.01), duty)
            for one in (self.fit, *(self._fit_of(c) for c in self._credible()))
        ]
        return max(told, key=lambda one: one.highest_c)

    def _credible(self) -> list[_Candidate]:
        """All time constants that cannot be told apart by how they have foretold."""
        if not self._windows:
            return []
        bound = _CREDIBLE * min(one.score for one in self._candidates)
        return [one for one in self._candidates if one.score <= bound]

    def _begin(self, first_c: float) -> None:
        self._first_c = first_c
        self._candidates = tuple(_Candidate(tau, first_c) for tau in TAUS_S)
        self.fit = ThermalFit(rest_c=first_c, rise_c=45.0, tau_s=36.0)

    def _close(self) -> None:
        if self._looks:
            duty = min(1.0, self._busy_s / self._seconds)
            mean_c = self._sum_c / self._looks
            for one in self._candidates:
                one.take(self._first_c, mean_c, duty, self._seconds)
            self._windows += 1
            self._choose()
        self._sum_c = self._busy_s = self._seconds = 0.0
        self._looks = 0

    def _choose(self) -> None:
        best = min(self._candidates, key=lambda one: one.score)
        self.fit = self._fit_of(best)

    def _fit_of(self, one: _Candidate) -> ThermalFit:
        return ThermalFit(
            rest_c=one.line.a,
            rise_c=one.line.b,
            tau_s=one.tau_s,
            rest_sd_c=math.sqrt(one.line.var_a),
            rise_sd_c=math.sqrt(one.line.var_b),
            covariance_c2=one.line.cov,
            error_c=math.sqrt(one.score),
            windows=self._windows,
        )
