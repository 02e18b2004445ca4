"""May a job start? The rules, in order, each with its sentence."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clemd.model import ThermalState

from ._decision import Admission, Priority, ThermalDecision, ThermalJob, in_words
from ._fit import Forecast, ThermalFit
from ._limits import Limits
from ._override import Wish

LEAST_DUTY = {Priority.NOW: 0.02, Priority.NEXT: 0.05, Priority.AGAIN: 0.10}
"""Below this share of the time a job is better deferred."""
PATIENCE_S = {Priority.NOW: 0.0, Priority.NEXT: 300.0, Priority.AGAIN: 900.0}
"""A job that has waited this long takes the CPU rather than wait on."""
ASK_AGAIN_S = 30.0
"""Where nobody knows how long it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """All that a decision rests on."""

    limits: Limits
    state: ThermalState
    temperature_c: float | None
    goal_c: float
    fit: ThermalFit
    surprise_c: float
    """What the environment adds to where the device settles, beside the fit."""
    forecast: Forecast
    """Of this job, at full speed, from now."""
    blind_duty: float
    wish: Wish | None = None
    wish_left_s: float = 0.0


def admit(job: ThermalJob, seen: Outlook) -> ThermalDecision:
    """Apply the rules."""
    if seen.wish is Wish.PAUSE:
        return _wait(job, seen, "the operator has paused the device", seen.wish_left_s)
    if seen.state is ThermalState.BLIND:
        return _unseen(job, seen)
    if seen.state is ThermalState.HOT:
        return _hot(job, seen)
    if seen.wish is Wish.ALLOW:
        return _go(seen, job, 1.0, "starts now: the operator has allowed it")
    return _by_forecast(job, seen)


def _unseen(job: ThermalJob, seen: Outlook) -> ThermalDecision:
    why = "the temperature is unknown"
    if seen.wish is Wish.ALLOW:
        return _go(seen, job, 1.0, f"starts now: {why}, the operator has allowed it")
    duty = seen.blind_duty
    if duty >= 1.0:
        return _go(seen, job, 1.0, f"starts now: {why}, and not guarded here")
    is_out_of_patience = job.waited_s >= PATIENCE_S[job.priority]
    has_no_other = duty > 0 and not seen.limits.has_cpu and is_out_of_patience
    if duty >= LEAST_DUTY[job.priority] or has_no_other:
        said = f"starts at {duty:.0%} of full speed: {why}"
        return _go(seen, job, duty, said)
    if seen.limits.has_cpu:
        return _cpu(seen, why)
    return _wait(job, seen, why, None)


def _hot(job: ThermalJob, seen: Outlook) -> ThermalDecision:
    limits = seen.limits
    now_c = seen.temperature_c if seen.temperature_c is not None else limits.hot_c
    why = f"the device is hot ({now_c:.0f} °C, limit {limits.hot_c:g} °C)"
    cool_s = seen.fit.seconds_to_cool(now_c, limits.hot_c - limits.hysteresis_c)
    wait_s = None if cool_s is None else cool_s + limits.dwell_s
    return _wait(job, seen, why, wait_s)


def _by_forecast(job: ThermalJob, seen: Outlook) -> ThermalDecision:
    peak_c, hot_c = seen.forecast.highest_c, seen.limits.hot_c
    if peak_c <= seen.goal_c:
        said = f"starts now: at most {peak_c:.0f} °C expected, limit {hot_c:g} °C"
        return _go(seen, job, 1.0, said)
    if seen.limits.has_cpu and job.waited_s >= max(60.0, PATIENCE_S[job.priority]):
        # it has been let in before, and could not go on
        return _cpu(seen, f"it has waited {in_words(job.waited_s)} for cooler minutes")
    duty = sustainable_duty(job.work_s, seen)
    if duty >= LEAST_DUTY[job.priority]:
        if duty >= 0.99:
            said = f"starts now, close to the limit of {hot_c:g} °C"
        else:
            said = f"starts at {duty:.0%} of full speed to stay below {hot_c:g} °C"
            longer, plain = in_words(job.work_s / duty), in_words(job.work_s)
            if longer != plain:
                said += f": {longer} instead of {plain.removeprefix('about ')}"
        return _go(seen, job, duty, said)
    fit = seen.fit
    now_c = seen.temperature_c if seen.temperature_c is not None else hot_c
    needed_c = fit.rise_c * (1.0 - math.exp(-job.work_s / fit.tau_s))
    goal_c = max(seen.goal_c - needed_c, fit.rest_c + 1.0)
    why = f"{now_c:.0f} °C is too close to the limit of {hot_c:g} °C"
    return _wait(job, seen, why, fit.seconds_to_cool(now_c, goal_c))


def sustainable_duty(work_s: float, seen: Outlook) -> float:
    """Mean duty of a job that runs freely up to the goal and is held there, 0..1."""
    fit, goal_c = seen.fit, seen.goal_c
    rest_c = fit.rest_c + seen.surprise_c
    held = (goal_c - rest_c) / fit.rise_c
    if held >= 1.0:
        return 1.0
    now_c = goal_c if seen.temperature_c is None else seen.temperature_c
    full_c = rest_c + fit.rise_c
    free_s = 0.0
    if now_c < goal_c:
        free_s = fit.tau_s * math.log((full_c - now_c) / (full_c - goal_c))
    if free_s >= work_s:
        return 1.0
    if held <= 0.0:
        return 0.0
    return work_s / (free_s + (work_s - free_s) / held)


def _wait(
    job: ThermalJob, seen: Outlook, why: str, wait_s: float | None
) -> ThermalDecision:
    """Defer, or the CPU for whom that takes too long."""
    is_pause = seen.wish is Wish.PAUSE
    if seen.limits.has_cpu and job.waited_s >= PATIENCE_S[job.priority]:
        return _cpu(seen, why)
    if wait_s is None:
        said = f"waits: {why}; nobody can say how long"
    else:
        said = f"waits {in_words(wait_s)}: {why}"
    return ThermalDecision(
        admission=Admission.DEFER,
        state=seen.state,
        sentence=said,
        duty=0.0,
        wait_s=wait_s if wait_s is not None or is_pause else ASK_AGAIN_S,
        is_estimate=wait_s is not None,
        peak_c=seen.forecast.highest_c if seen.temperature_c is not None else None,
    )


def _cpu(seen: Outlook, why: str) -> ThermalDecision:
    return ThermalDecision(
        admission=Admission.CPU,
        state=seen.state,
        sentence=f"runs on the CPU: {why}",
        duty=0.0,
    )


def _go(seen: Outlook, job: ThermalJob, duty: float, said: str) -> ThermalDecision:
    return ThermalDecision(
        admission=Admission.ADMIT if duty >= 0.99 else Admission.THROTTLE,
        state=seen.state,
        sentence=said,
        duty=duty,
        lasting_s=job.work_s / max(duty, 0.01),
        peak_c=seen.forecast.highest_c if seen.temperature_c is not None else None,
    )
