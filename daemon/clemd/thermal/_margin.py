"""How far from the limit to stay, with eyes and without."""

from __future__ import annotations

from ._fit import ThermalFit
from ._gate import rise_of_next_c
from ._limits import BlindRule, Limits
from ._observer import Observer
from ._work import WorkLog

_LEAST_C = 0.7
_MOST_C = 6.0
_BLIND_C = 25.0
"""Left to what an unseen device may have to bear beside us: air, other programs."""
_LEAST_BLIND_DUTY = 0.05
"""Of a device that guards itself and has no substitute."""


def margin_c(
    fit: ThermalFit, observer: Observer, work: WorkLog, *, period_s: float
) -> float:
    """Between the limit and the temperature that is held.

    It grows with how badly looks were foretold, with how fast the device warms before
    that is noticed (which is how fast another program may warm it), and with the length
    of a piece of work.
    """
    steep_c_s = 0.8 * fit.heating_c_s + 0.25 * observer.kick_c_s
    unnoticed_s = period_s + 0.5 * work.longest_busy_s
    ripple_c = 0.5 * rise_of_next_c(observer, fit, work)
    unsure_c = max(steep_c_s * unnoticed_s, ripple_c) + 0.7 * observer.spread_c
    return min(_MOST_C, _LEAST_C + unsure_c)


def blind_duty(limits: Limits, fit: ThermalFit) -> float:
    """The share of the time that a device may work unseen; 0 = not at all."""
    if limits.blind is BlindRule.FREE:
        return 1.0
    if limits.blind is BlindRule.CPU and limits.has_cpu:
        return 0.0
    if fit.windows == 0:  # never seen: nothing but the rule
        return limits.blind_duty
    safe = fit.duty_for(limits.hot_c - _BLIND_C - 2.0 * fit.rest_sd_c)
    least = 0.0 if limits.has_cpu else _LEAST_BLIND_DUTY
    return min(limits.blind_duty, max(least, safe))
