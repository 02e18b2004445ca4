"""Heat's say over the jobs: which one may start, and where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from clemd.config import Profile, ThermalSettings
from clemd.driver_api import SensorDriver
from clemd.errors import SensorLostError
from clemd.jobs import JobRow
from clemd.thermal import (
    Admission,
    Governor,
    Override,
    Priority,
    ThermalDecision,
    ThermalJob,
    ThermalMonitor,
    choose_sensor,
)

from ._kinds import REGISTER, SECOND
from ._trust import Cause, Trust
from ._urgency import rank_of

_FIRST_WORK_S = {SECOND: 60.0}
_ANY_WORK_S = 10.0
_KEEP = 0.7
"""Of what was known of a job's length, when another one has ended."""


class AtWork(Protocol):
    """A job on the device."""

    @property
    def is_working(self) -> bool:
        """It does not stand still at a breathing point."""
        ...


class Guard:
    """One device's governor, asked about jobs of the queue.

    Which device will work is the worker's to say, and it says so seconds after the
    start; until then it is the one that the profile names or the first sensor is of.
    Several jobs at a time are one piece of work to the governor.

    Args:
        settings: of the profile.
        device: as the profile names it; `auto` too.
        drivers: of sensors.
        clock: seconds, the one that the looks are taken with.
    """

    def __init__(
        self,
        settings: ThermalSettings,
        device: str,
        drivers: Sequence[SensorDriver],
        clock: Callable[[], float],
    ) -> None:
        self._settings, self._drivers, self._clock = settings, drivers, clock
        self.device = "cpu"
        known = None if device == "auto" else device
        self.monitor = self._monitor(known)
        self.trust = self._trust_in(self.device)
        self.is_known = False
        """The worker has said where it computes."""
        self._retired: list[ThermalMonitor] = []
        self._on_device: list[AtWork] = []
        self._held_since_s: float | None = None
        self._work_s: dict[str, float] = dict(_FIRST_WORK_S)
        """Kind of job -> its seconds of work, as the last ones took."""

    @classmethod
    def of(
        cls,
        profile: Profile,
        drivers: Sequence[SensorDriver],
        clock: Callable[[], float],
    ) -> Guard:
        """The guard that a profile asks for.

        Raises:
            UsageError: there is no such sensor, or the trace cannot be played.
        """
        return cls(profile.thermal, profile.registration.device, drivers, clock)

    @property
    def governor(self) -> Governor:
        """Who decides."""
        return self.monitor.governor

    @property
    def is_on_cpu(self) -> bool:
        """The CPU is the device, and nobody's substitute."""
        return self.device == "cpu"

    @property
    def duty(self) -> float:
        """The share of the time that jobs may work on the device now, 0..1."""
        now_s = self._clock()
        return self.governor.obeyed_duty(now_s) if self.trust.may_work(now_s) else 0.0

    def serve_on(self, device: str) -> bool:
        """The worker says where it computes; True where another was expected."""
        self.is_known = True
        if device.partition(":")[0] == self.device.partition(":")[0]:
            self.device = device
            return False
        self.trust = self._trust_in(device)
        if self._settings.trace is not None:  # it plays on, whatever it stands for
            self.device, self.monitor = device, self.monitor.on(device)
            return True
        self._retired.append(self.monitor)  # a look may be under way in its thread
        self.monitor = self._monitor(device)
        return True

    def close(self) -> None:
        """Let go of every sensor."""
        for monitor in (*self._retired, self.monitor):
            monitor.close()

    def _monitor(self, device: str | None) -> ThermalMonitor:
        sensor = choose_sensor(
            self._settings, self._drivers, self._clock, device=device
        )
        if device is None:
            try:
                said = "cpu" if sensor is None else sensor.read().device
            except (SensorLostError, OSError):
                said = "cpu"
            device = said if said.startswith("cuda") else "cpu"
        self.device = device
        return ThermalMonitor(sensor, self._settings, self._clock, device=device)

    def _trust_in(self, device: str) -> Trust:
        every_s = 60.0 * self._settings.known_answer_min
        return Trust(every_s=every_s, is_cpu=device == "cpu")

    # before a job

    def decide(self, job: JobRow) -> ThermalDecision:
        """May this job of the queue start now, where, and if not, why and how long."""
        return self.decide_for(
            rank_of(job.priority), waited_s=self._waited_s(job), kind=job.kind
        )

    def decide_for(
        self, rank: Priority, *, waited_s: float, kind: str = REGISTER
    ) -> ThermalDecision:
        """The same for a job that has waited so long."""
        now_s = self._clock()
        if not self.trust.may_work(now_s):
            return ThermalDecision(
                admission=Admission.CPU,
                state=self.governor.acting,
                sentence=f"runs on the CPU: {self.device} is set aside",
            )
        decision = self._by_heat(rank, waited_s, kind)
        if decision.admission is Admission.DEFER and self._held_since_s is None:
            self._held_since_s = now_s
        return decision

    def foretell(self, job: JobRow) -> ThermalDecision:
        """What heat would say to a job whose turn has not come; counts for nothing."""
        return self._by_heat(rank_of(job.priority), self._waited_s(job), job.kind)

    def _by_heat(self, rank: Priority, waited_s: float, kind: str) -> ThermalDecision:
        work_s = self._work_of(kind)
        job = ThermalJob(priority=rank, work_s=work_s, waited_s=waited_s)
        return self.governor.decide(job, self._clock())

    def _waited_s(self, job: JobRow) -> float:
        """Since it came, but not longer than heat has held the queue."""
        if self._held_since_s is None:
            return 0.0
        came = datetime.fromisoformat(job.created_at)
        age_s = (datetime.now(UTC) - came).total_seconds()
        return max(0.0, min(age_s, self._clock() - self._held_since_s))

    # while it is on the device

    def enter(self, job: AtWork) -> None:
        """A job has the device and stands at a breathing point."""
        self._on_device.append(job)
        if len(self._on_device) == 1:
            self.governor.started(self._clock())

    def breathe(self, busy_s: float) -> float:
        """A job has worked for `busy_s`; seconds that it must stand still."""
        wait_s = self.governor.breathe(self._clock(), busy_s)
        if wait_s > 0:
            self._others_go_on()
        return wait_s

    def must_yield(self) -> bool:
        """The job that stands still should give the device back."""
        return self.governor.must_yield(self._clock())

    def leave(self, job: AtWork, busy_s: float = 0.0) -> None:
        """A job has given the device back, `busy_s` after its last breath."""
        if job not in self._on_device:
            return
        self._on_device.remove(job)
        now_s = self._clock()
        if self._on_device:
            self.governor.breathe(now_s, busy_s)
            self._others_go_on()
        else:
            self.governor.ended(now_s, busy_s)

    def has_done(self, work_s: float, kind: str = REGISTER) -> None:
        """A whole job is done: the next one of its kind will take about as long."""
        self._held_since_s = None
        self._work_s[kind] = _KEEP * self._work_of(kind) + (1 - _KEEP) * work_s

    def _work_of(self, kind: str) -> float:
        return self._work_s.get(kind, _ANY_WORK_S)

    def _others_go_on(self) -> None:
        if any(job.is_working for job in self._on_device):
            self.governor.goes_on(self._clock())

    # its arithmetic

    def owes_proof(self) -> bool:
        """The device must give the known answer before the next job."""
        now_s = self._clock()
        return self.trust.owes_proof(now_s) and self.trust.may_work(now_s)

    def proved(self) -> bool:
        """It has; True where it was set aside until now."""
        was_aside = bool(self.trust.set_aside)
        self.trust.prove(self._clock())
        return was_aside

    def ban(self, reason: str, cause: Cause = "wrong") -> float:
        """It is not to be used; seconds until it may try to prove itself."""
        return self.trust.ban(reason, self._clock(), cause=cause)

    # the operator

    def override(self, wish: str, *, seconds: float, by: str = "") -> Override | None:
        """Set the operator's word for a while; `none` takes it back.

        Raises:
            UsageError: no such wish, or no sensible duration.
        """
        now_s = self._clock()
        asked = None
        if wish != "none":
            asked = Override.of(wish, seconds=seconds, now_s=now_s, by=by)
        self.governor.override(asked)
        return asked

    def wish(self) -> tuple[Override, float] | None:
        """The operator's word and the seconds that it still holds."""
        now_s = self._clock()
        asked = self.governor.wish(now_s)
        return None if asked is None else (asked, asked.until_s - now_s)
