"""The breathing gate: when a job at a breathing point may go on."""

from __future__ import annotations

from ._fit import ThermalFit
from ._observer import Observer
from ._work import WorkLog

_LEAST_DUTY = 0.02
_LONGEST_REST_S = 20.0
_MOST_RISE_C = 12.0
_TOO_SHORT_S = 0.02
"""Nobody sleeps that exactly."""


class BreathingGate:
    """Two reasons to wait: the duty, and the limit.

    *Duty*: after `busy_s` of work at duty d the job rests busy_s (1 - d) / d.
    *Limit*: the next piece of work, if it takes as long as the longest of late, must
    end below the ceiling, by the temperature as it is estimated at this moment.
    """

    __slots__ = ("_rest_until_s", "closed_since_s")

    def __init__(self) -> None:
        self._rest_until_s = 0.0
        self.closed_since_s: float | None = None
        """Since when heat (not the duty) has kept the job waiting."""

    def rest(self, now_s: float, busy_s: float, duty: float) -> None:
        """A piece of work is done."""
        if busy_s > 0:
            share = max(duty, _LEAST_DUTY)
            rest_s = min(_LONGEST_REST_S, busy_s * (1.0 - share) / share)
            self._rest_until_s = now_s + rest_s

    def wait_s(self, now_s: float, closed_s: float) -> float:
        """How long from now; 0 = go on. `closed_s`: what heat asks for."""
        if closed_s <= _TOO_SHORT_S:
            self.closed_since_s = None
        elif self.closed_since_s is None:
            self.closed_since_s = now_s
        wait_s = max(self._rest_until_s - now_s, closed_s)
        return wait_s if wait_s > _TOO_SHORT_S else 0.0


def rise_of_next_c(observer: Observer, fit: ThermalFit, work: WorkLog) -> float:
    """Degrees that the next piece of work may add."""
    rate = observer.heating_c_s(fit) + observer.drift_c_s(fit)
    return min(_MOST_RISE_C, max(0.0, rate * work.longest_busy_s))


def seconds_until_it_fits(
    excess_c: float, observer: Observer, fit: ThermalFit, *, at_most_s: float
) -> float:
    """How long to cool by `excess_c`."""
    if excess_c <= 0:
        return 0.0
    cooling = -observer.drift_c_s(fit)
    return min(at_most_s, excess_c / cooling) if cooling > 1e-3 else at_most_s
