"""The share of the time that a job may work: a PI controller."""

from __future__ import annotations

from ._fit import ThermalFit

_UNMOVED_S = 4.0
_GROWTH = 0.1


class DutyControl:
    """Holds a temperature by the duty, 0..1.

        duty = feed-forward + gain * (goal - T) + integral

    The feed-forward is the duty that the fitted law says will hold the goal. The gains
    follow from the law too (internal model control: the loop settles with the time
    constant `settle_s`), so a device that answers quickly is steered gently. The
    integral stops while the duty is at a bound and the error would push it further
    (anti-windup), and is bounded in any case.

    While the reading stays exactly the same, the duty grows by a tenth at the most:
    a device that is really cooler than wanted will show that it warms, and a stuck
    reading must not draw the duty up.
    """

    __slots__ = ("_calm", "_ceiling", "_integral", "duty")

    def __init__(self) -> None:
        self._integral = 0.0
        self._calm = self._ceiling = 1.0
        self.duty = 1.0

    def step(
        self,
        temperature_c: float,
        goal_c: float,
        fit: ThermalFit,
        *,
        seconds: float,
        unmoved_s: float = 0.0,
    ) -> float:
        """The duty for the time until the next look."""
        settle_s = max(6.0, 0.1 * fit.tau_s)
        gain = fit.tau_s / (fit.rise_c * settle_s)
        error_c = goal_c - temperature_c
        wanted = fit.duty_for(goal_c) + gain * error_c + self._integral
        moves = unmoved_s < _UNMOVED_S
        if moves:
            self._ceiling = self._calm + _GROWTH
        self.duty = min(1.0 if moves else self._ceiling, 1.0, max(0.0, wanted))
        self._calm += 0.1 * (self.duty - self._calm)
        pushes = (wanted > 1.0 and error_c > 0) or (wanted < 0.0 and error_c < 0)
        if pushes:
            self._integral *= 0.98  # nothing to learn at a bound
        else:
            moved = gain * error_c * min(seconds, 5.0) / max(20.0, fit.tau_s)
            self._integral = min(0.5, max(-0.5, self._integral + moved))
        return self.duty
