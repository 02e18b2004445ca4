"""What heat does to a job of the queue, told and kept: put off, slowed, moved."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from clemd.jobs import (
    Executor,
    JobRow,
    Lease,
    WorkerFailedError,
    WorkerLostError,
    WorkerStoppedError,
    WorkerWrongError,
)
from clemd.messages import JobMessage
from clemd.thermal import Admission, Priority, ThermalDecision

from ._house import House
from ._kinds import ON_DEVICE, READ
from ._trust import Cause
from ._turn import Turn
from ._urgency import rank_of

TELL_EVERY_S = 5.0
"""A reason with a temperature in it changes every second."""
PROOF_LIMIT_S = 60.0
_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Spent:
    """What one try has cost."""

    outcome: str = "failed"
    highest_c: float | None = None
    throttled_s: float = 0.0
    """Pauses, and time in which the device slowed itself."""


class Holding:
    """Puts jobs off and lets them go on, visibly."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._told: tuple[int, str] = (0, "")
        self._told_s = 0.0

    def put_off(self, job: JobRow, decision: ThermalDecision) -> None:
        """The job stays where it is in the queue, and says why."""
        is_new = self._told[0] != job.id or job.state != "deferred"
        if not self._should_tell(job.id, decision.sentence, is_new=is_new):
            return
        with self._house.store.transaction():
            self._house.queue.hold(job.id, decision.sentence)
            self.announce(job, "deferred", decision.sentence, wait_s=estimate(decision))
        if is_new:
            self._house.metrics.jobs_deferred.inc()
            _log.info("job_put_off", job=job.id, reason=decision.sentence)
        self._house.committed()

    def turn(
        self,
        lease: Lease,
        decision: ThermalDecision,
        *,
        beat: Callable[[], None],
        gives_way: bool = False,
    ) -> Turn:
        """The job's time on the device, or on the CPU instead.

        A job that gives way stops at a breathing point as soon as anything more urgent
        is to be read or registered.
        """
        house = self._house
        on_cpu = decision.admission is Admission.CPU
        if on_cpu:
            house.metrics.jobs_on_cpu.inc()
        return Turn(
            guard=house.guard,
            clock=house.clock,
            is_guarded=not on_cpu,
            rank=rank_of(lease.priority),
            beat=beat,
            tell=lambda why: self._park(lease, why),
            has_rival=lambda: self._has_rival(lease),
            gives_way=lambda: (
                gives_way and (self.is_expecting() or self._has_rival(lease))
            ),
        )

    def put_back(self, lease: Lease, reason: str) -> None:
        """A job that was stopped at a breathing point is due again at once."""
        with self._house.store.transaction():
            self._house.queue.defer(lease, reason, delay_s=0.0)
            self.announce(lease, "deferred", reason)
        self._house.committed()
        _log.info("job_stopped", job=lease.job_id, reason=reason)

    def reason_of(self, decision: ThermalDecision) -> str:
        """What is worth saying of a job that starts: only what is not as ever."""
        return "" if decision.admission is Admission.ADMIT else decision.sentence

    @contextmanager
    def spending(self, turn: Turn, lease: Lease, *, subject: str) -> Iterator[Spent]:
        """Keep what a try has cost, whatever comes of it."""
        house, spent = self._house, Spent()
        began_s, began = house.clock(), datetime.now(UTC)
        try:
            yield spent
        except (WorkerStoppedError, asyncio.CancelledError):
            spent.outcome = "stopped"
            raise
        finally:
            turn.end()
            ended_s, monitor = house.clock(), house.monitor
            spent.highest_c = monitor.highest_between(began_s, ended_s)
            slowed_s = monitor.throttled_between(began_s, ended_s)
            spent.throttled_s = min(turn.paused_s + slowed_s, ended_s - began_s)
            house.metrics.busy_s.inc(turn.busy_s)
            house.metrics.paused_s.inc(turn.paused_s)
            if spent.outcome == "done" and turn.is_guarded:
                house.guard.has_done(turn.busy_s, lease.kind)
            house.store.record_span(
                lease.job_id,
                lease.kind,
                subject=subject,
                device=house.guard.device if turn.is_guarded else "cpu",
                started=began,
                ended=datetime.now(UTC),
                busy_s=turn.busy_s,
                paused_s=turn.paused_s,
                highest_c=spent.highest_c,
                outcome=spent.outcome,
            )

    async def prove(self, executor: Executor, *, beat: Callable[[str], None]) -> None:
        """Ask the device for the answer that is known; who fails is set aside."""
        house = self._house
        turn = Turn(
            guard=house.guard,
            clock=house.clock,
            is_guarded=True,
            rank=Priority.NEXT,
            beat=lambda: beat(""),
            tell=lambda _why: None,
            has_rival=lambda: False,
        )
        task = {"kind": "known", "device": house.guard.device}
        try:
            await run_in_turn(executor, task, turn, limit_s=PROOF_LIMIT_S, beat=beat)
        except WorkerStoppedError:
            return  # heat: the next job asks again
        except WorkerWrongError as wrong:
            self.ban(str(wrong), "wrong")
        except (WorkerLostError, WorkerFailedError) as failed:
            self.ban(str(failed), "unusable")
        else:
            if house.guard.proved():
                _log.info("device_back", device=house.guard.device)
        finally:
            turn.end()

    def ban(self, reason: str, cause: Cause) -> None:
        """The device is set aside for a while; `HeatWatch` tells at its next look."""
        lasts_s = self._house.guard.ban(reason, cause)
        self._house.metrics.devices_set_aside.labels(cause).inc()
        _log.error(
            "device_set_aside",
            device=self._house.guard.device,
            reason=reason,
            cause=cause,
            seconds=lasts_s,
        )

    def announce(
        self,
        job: Lease | JobRow,
        state: str,
        reason: str = "",
        *,
        wait_s: float | None = None,
    ) -> None:
        """Tell everyone about a job; inside a transaction of the caller's."""
        self._house.store.announce(
            JobMessage.model_validate(
                {
                    "job_id": job.job_id if isinstance(job, Lease) else job.id,
                    "kind": job.kind,
                    "state": state,
                    "subject": str(next(iter(job.payload.values()), "")),
                    "reason": reason,
                    "wait_s": wait_s,
                }
            )
        )

    def _park(self, lease: Lease, why: ThermalDecision | None) -> None:
        """A job that had begun stands still without the device, or goes on."""
        sentence = "" if why is None else why.sentence
        is_new = why is None or self._told[0] != lease.job_id or not self._told[1]
        if not self._should_tell(lease.job_id, sentence, is_new=is_new):
            return
        with self._house.store.transaction():
            self._house.queue.note(lease, sentence)
            if why is None:
                self.announce(lease, "leased")
            else:
                self.announce(lease, "deferred", sentence, wait_s=estimate(why))
        self._house.committed()

    def _should_tell(self, job_id: int, sentence: str, *, is_new: bool) -> bool:
        now_s = self._house.clock()
        is_due = now_s - self._told_s >= TELL_EVERY_S
        if self._told == (job_id, sentence) or not (is_new or is_due):
            return False
        self._told, self._told_s = (job_id, sentence), now_s
        return True

    def _has_rival(self, lease: Lease) -> bool:
        job = self._house.queue.peek(ON_DEVICE)
        if job is None or job.priority <= lease.priority:
            return False
        decision = self._house.guard.decide(job)
        return decision.admission is not Admission.DEFER

    def is_expecting(self) -> bool:
        """An image is being read, and will want the device in a moment."""
        queue = self._house.queue
        return queue.is_under_way(READ) or queue.peek([READ]) is not None


def estimate(decision: ThermalDecision) -> float | None:
    """Seconds until the job may start, where somebody knows."""
    return decision.wait_s if decision.is_estimate else None


async def run_in_turn(
    executor: Executor,
    task: Mapping[str, Any],
    turn: Turn,
    *,
    limit_s: float,
    beat: Callable[[str], None],
) -> dict[str, Any]:
    """Run a task whose breathing points are the turn's.

    Raises:
        WorkerStoppedError: heat, or somebody more urgent, had it stopped.
    """
    if not await turn.begin():
        raise WorkerStoppedError(turn.stopped_because)
    try:
        return await executor.run(task, limit_s=limit_s, beat=beat, gate=turn.breathe)
    except WorkerStoppedError as stopped:
        raise WorkerStoppedError(turn.stopped_because or str(stopped)) from stopped
