"""Keeps a device within its limit and its jobs going."""

from __future__ import annotations

from clemd.model import ThermalState

from ._admission import Outlook, admit
from ._decision import ThermalDecision, ThermalJob
from ._duty import DutyControl
from ._fit import ThermalFit
from ._gate import BreathingGate, rise_of_next_c, seconds_until_it_fits
from ._limits import Limits
from ._margin import blind_duty, margin_c
from ._override import Override, Wish
from ._senses import Senses
from ._states import StateMachine, Thresholds
from ._work import WorkLog

_SPREADS = 0.7


class Governor:
    """One device's guard: fed with looks, asked at every start and breath.

        look ──► observe ──► state, fit, duty
        job  ──► decide ───► admit | throttle | defer | cpu, with a sentence
        work ──► started, breathe (again and again), ended

    Pure: the caller brings every time, nothing is read, slept or started. All calls
    must come from one thread.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._states = StateMachine(
            Thresholds(
                warm_c=limits.warm_c,
                hot_c=limits.hot_c,
                hysteresis_c=limits.hysteresis_c,
                dwell_s=limits.dwell_s,
            )
        )
        self._work, self._gate = WorkLog(), BreathingGate()
        self._senses, self._control = Senses(limits, self._work), DutyControl()
        self._override: Override | None = None

    # what it knows

    @property
    def state(self) -> ThermalState:
        """That is shown."""
        return self._states.state

    @property
    def acting(self) -> ThermalState:
        """That is obeyed."""
        return self._states.acting

    @property
    def fit(self) -> ThermalFit:
        """What is known of the device."""
        return self._senses.fit

    @property
    def doubts_sensor(self) -> bool:
        """The last look was not believed: the value does not follow the work."""
        return self._senses.doubts

    @property
    def temperature_c(self) -> float | None:
        """As estimated from the last looks; None before the first one."""
        observer = self._senses.observer
        return observer.temperature_c if observer.has_seen else None

    @property
    def duty(self) -> float:
        """The share of the time that a job may work now."""
        if self.acting is ThermalState.BLIND:
            return blind_duty(self.limits, self.fit)
        return self._control.duty

    def obeyed_duty(self, now_s: float) -> float:
        """The same, where the operator or the limit leave it anything at all."""
        wish = self.wish(now_s)
        is_paused = wish is not None and wish.wish is Wish.PAUSE
        if is_paused or self.acting is ThermalState.HOT:
            return 0.0
        return self.duty

    @property
    def goal_c(self) -> float:
        """The temperature that is held: the limit less a margin."""
        period_s = self.limits.period_s
        margin = margin_c(
            self.fit, self._senses.observer, self._work, period_s=period_s
        )
        return self.limits.hot_c - margin

    # what it is told

    def observe(self, now_s: float, temperature_c: float | None) -> ThermalState:
        """One look, or None where nothing can be believed; the state to show."""
        felt_c = self._senses.take(now_s, temperature_c)
        state = self._states.step(felt_c, now_s=now_s)
        if felt_c is not None:
            self._control.step(
                felt_c,
                self.goal_c,
                self.fit,
                seconds=self._senses.seconds,
                unmoved_s=self._senses.unmoved_s,
            )
        return state

    def override(self, wish: Override | None) -> None:
        """The operator's word; None takes it back."""
        self._override = wish

    def wish(self, now_s: float) -> Override | None:
        """The operator's word, while it holds."""
        asked = self._override
        return asked if asked is not None and asked.until_s > now_s else None

    def started(self, now_s: float) -> None:
        """A job has the device; it begins at a breathing point."""
        self._work.started(now_s)

    def ended(self, now_s: float, busy_s: float = 0.0) -> None:
        """The job is over, or has given the device back.

        `busy_s`: since its last breathing point; the next job waits for it.
        """
        self._work.breathed(now_s, busy_s)
        self._gate.rest(now_s, busy_s, self.duty)
        self._work.ended(now_s)
        self._gate.closed_since_s = None

    def goes_on(self, now_s: float) -> None:
        """Another job of the device still works, although one pauses or has ended."""
        self._work.resumed(now_s)

    # what it is asked

    def decide(self, job: ThermalJob, now_s: float) -> ThermalDecision:
        """May this job start now, and if not, why and how long."""
        senses, wish = self._senses, self.wish(now_s)
        observer = senses.observer
        outlook = Outlook(
            limits=self.limits,
            state=self.acting,
            temperature_c=self.temperature_c,
            goal_c=self.goal_c,
            fit=self.fit,
            surprise_c=observer.surprise_c_s * self.fit.tau_s,
            forecast=senses.model.forecast(observer.temperature_c, work_s=job.work_s),
            blind_duty=blind_duty(self.limits, self.fit),
            wish=None if wish is None else wish.wish,
            wish_left_s=0.0 if wish is None else wish.until_s - now_s,
        )
        return admit(job, outlook)

    def breathe(self, now_s: float, busy_s: float) -> float:
        """At a breathing point, `busy_s` of work after the last: seconds to pause.

        Wait that long, then ask again with `busy_s` 0; 0 means go on.
        """
        self._work.breathed(now_s, busy_s)
        self._gate.rest(now_s, busy_s, self.duty)
        wait_s = self._gate.wait_s(now_s, self._closed_s(now_s))
        if wait_s > 0:
            return min(wait_s, self.limits.longest_pause_s)
        self._work.resumed(now_s)
        return 0.0

    def must_yield(self, now_s: float) -> bool:
        """The running job should give the device back and wait in the queue."""
        since_s = self._gate.closed_since_s
        if since_s is None:
            return False
        wish = self.wish(now_s)
        if wish is not None and wish.wish is Wish.PAUSE:
            return True
        return now_s - since_s >= self.limits.yield_after_s

    # how

    def _closed_s(self, now_s: float) -> float:
        """How long heat, blindness or the operator keep the gate shut."""
        longest_s, override = self.limits.longest_pause_s, self.wish(now_s)
        wish = None if override is None else override.wish
        if wish is Wish.PAUSE or self.acting is ThermalState.HOT:
            return longest_s
        if self.acting is ThermalState.BLIND:
            may_work = wish is Wish.ALLOW or blind_duty(self.limits, self.fit) > 0
            return 0.0 if may_work else longest_s
        return longest_s if self._senses.must_rest else self._cooling_s(now_s)

    def _cooling_s(self, now_s: float) -> float:
        """Until the next piece of work ends below the limit."""
        senses, fit = self._senses, self.fit
        since_s = self._gate.closed_since_s
        if since_s is not None and not self.limits.has_cpu:
            if now_s - since_s >= self.limits.yield_after_s:
                return 0.0  # it guards itself, and nobody else can do the work
        ceiling_c = self.limits.hot_c - _SPREADS * senses.observer.spread_c
        rise_c = rise_of_next_c(senses.observer, fit, self._work)
        return seconds_until_it_fits(
            senses.now_c(now_s) + rise_c - ceiling_c,
            senses.observer,
            fit,
            at_most_s=self.limits.longest_pause_s,
        )
