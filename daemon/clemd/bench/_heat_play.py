"""Play a trace: the device, its thermometer, jobs that breathe, and the governor."""

from __future__ import annotations

import math
import random

from clemd.config import ThermalSettings
from clemd.driver_api import Sensor
from clemd.model import ThermalState
from clemd.thermal import (
    Admission,
    BlindRule,
    Limits,
    ThermalJob,
    ThermalMonitor,
)

from ._heat_device import STEP_S, Device
from ._heat_jobs import CPU_FACTOR, Job, Played, draw_job
from ._heat_thermometer import Thermometer
from ._heat_traces import LIMIT_C, WARM_C, HeatTrace
from ._heat_world import GRID_S, LASTS_S

DRAIN_S = 2400.0
"""After the trace no job comes; those that are there must end within this time."""
_PER_GRID = round(GRID_S / STEP_S)
_PER_LOOK = round(1.0 / STEP_S)


class Player:
    """One trace with its governor, step by step."""

    def __init__(self, trace: HeatTrace) -> None:
        self._trace = trace
        self._rng = random.Random(trace.seed + 10_000_019)  # noqa: S311
        self._thermometer = Thermometer(trace, self._rng)
        sensor: Sensor = self._thermometer
        settings = ThermalSettings(warm_c=WARM_C, hot_c=LIMIT_C)
        rule = BlindRule.SLOW if trace.blind_slow else BlindRule.CPU
        self._limits = Limits(warm_c=WARM_C, hot_c=LIMIT_C, blind=rule)
        self._monitor = ThermalMonitor(
            sensor, settings, lambda: self._thermometer.now_s, limits=self._limits
        )
        self._governor = self._monitor.governor
        self._device = Device(trace.device, trace.ambient_c[0])
        self._queue: list[Job] = []
        self._job: Job | None = None
        self._piece_s = 0.0
        self._wake_s = 0.0
        self._is_working = False
        self._cpu_free_s = 0.0
        self._blind_from_c: float | None = None
        self.played = Played()

    def run(self) -> Played:
        """The trace, then until every job has ended or the patience is over."""
        steps = round(LASTS_S / STEP_S)
        number = 0
        while number < steps or (number < steps + DRAIN_S / STEP_S and self._waiting):
            self._step(number, is_over=number >= steps)
            number += 1
        return self.played

    @property
    def _waiting(self) -> bool:
        return self._job is not None or bool(self._queue)

    def _step(self, number: int, *, is_over: bool) -> None:
        now_s = number * STEP_S
        trace, played = self._trace, self.played
        place = min(number // _PER_GRID, len(trace.ambient_c) - 1)
        tenant = trace.tenant[place]
        if number % _PER_LOOK == 0:
            self._look(now_s, tenant)
        if now_s >= self._wake_s - 1e-9:
            self._act(now_s, is_over=is_over)
        load = tenant + self._is_working
        true_c = self._device.step(load, trace.ambient_c[place], trace.fan[place])
        played.highest_c = max(played.highest_c, true_c)
        self._note_blind(true_c)
        if self._is_working and not is_over:
            played.worked_s += STEP_S

    def _note_blind(self, true_c: float) -> None:
        if self._governor.acting is not ThermalState.BLIND:
            self._blind_from_c = None
            return
        if self._blind_from_c is None:
            self._blind_from_c = true_c
        over_c = true_c - max(LIMIT_C, self._blind_from_c)
        before_c = self.played.blind_excess_c
        self.played.blind_excess_c = max(
            over_c, -math.inf if before_c is None else before_c
        )

    def _look(self, now_s: float, tenant: float) -> None:
        thermometer, played = self._thermometer, self.played
        thermometer.now_s, thermometer.true_c = now_s, self._device.die_c
        thermometer.load = tenant + self._is_working
        sample = self._monitor.sample()
        if sample.changed and now_s > 0:
            played.changes_s.append(now_s)

    def _act(self, now_s: float, *, is_over: bool) -> None:
        """What is due at this moment: a breathing point, or the next job."""
        if self._job is None:
            self._begin_next(now_s, is_over=is_over)
            return
        done_s = self._piece_s if self._is_working else 0.0
        self._job.left_s -= done_s
        if self._job.left_s <= 1e-6:
            self._end(now_s, done_s)
            self._begin_next(now_s, is_over=is_over)
            return
        pause_s = self._governor.breathe(now_s, done_s)
        if pause_s > 0:
            self._is_working = False
            self._wake_s = now_s + max(STEP_S, pause_s)
            if self._governor.must_yield(now_s):
                self._give_back(now_s)
        else:
            self._work(now_s)

    def _work(self, now_s: float) -> None:
        assert self._job is not None
        drawn_s = self._trace.piece_s * self._rng.uniform(0.7, 1.3)
        piece_s = max(STEP_S, round(drawn_s / STEP_S) * STEP_S)
        self._piece_s = min(piece_s, math.ceil(self._job.left_s / STEP_S) * STEP_S)
        self._is_working = True
        self._wake_s = now_s + self._piece_s

    def _begin_next(self, now_s: float, *, is_over: bool) -> None:
        self._is_working = False
        ready = [job for job in self._queue if job.not_before_s <= now_s]
        if not ready and not is_over and len(self._queue) < 4:
            self.played.begun += 1
            ready = [draw_job(self._rng, now_s)]
            self._queue += ready
        if not ready:
            self._wake_s = now_s + 1.0
            return
        job = min(ready, key=lambda one: (one.priority, one.came_s))
        self._queue.remove(job)
        self._try(job, now_s)

    def _try(self, job: Job, now_s: float) -> None:
        since_s = job.first_deferred_s
        waited_s = 0.0 if since_s is None else now_s - since_s
        asked = ThermalJob(priority=job.priority, work_s=job.left_s, waited_s=waited_s)
        decision = self._governor.decide(asked, now_s)
        self._wake_s = now_s + STEP_S
        if decision.may_start:
            self._job = job
            self._governor.started(now_s)
            self._act(now_s, is_over=False)
        elif decision.admission is Admission.CPU and self._cpu_free_s <= now_s:
            self._to_cpu(job, now_s)
        else:
            self._defer(job, now_s, decision.wait_s or 5.0)

    def _to_cpu(self, job: Job, now_s: float) -> None:
        self.played.on_cpu += 1
        start_s = max(now_s, self._cpu_free_s)
        self._cpu_free_s = start_s + CPU_FACTOR * job.left_s
        self._count(job, self._cpu_free_s)

    def _defer(self, job: Job, now_s: float, wait_s: float) -> None:
        self.played.deferrals += 1
        if job.first_deferred_s is None:
            job.first_deferred_s = now_s
        job.not_before_s = now_s + min(30.0, max(1.0, wait_s))
        self._queue.append(job)

    def _give_back(self, now_s: float) -> None:
        assert self._job is not None
        self._governor.ended(now_s)
        self._defer(self._job, now_s, 5.0)
        self._job = None

    def _end(self, now_s: float, done_s: float) -> None:
        assert self._job is not None
        self._governor.ended(now_s, done_s)
        self._count(self._job, now_s)
        self._job = None

    def _count(self, job: Job, end_s: float) -> None:
        self.played.ended += 1
        wait_s = end_s - job.came_s
        self.played.longest_wait_s = max(self.played.longest_wait_s, wait_s)
