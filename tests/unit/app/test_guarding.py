"""Which job may start, and where, on machines with and without a thermometer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from clemd.app._guarding import Guard
from clemd.app._urgency import AGAIN, FIRST, NEW
from clemd.config import ThermalSettings
from clemd.driver_api import Sensor
from clemd.errors import SensorLostError, UsageError
from clemd.jobs import JobRow
from clemd.model import ThermalReading
from clemd.thermal import Admission

SETTINGS = ThermalSettings(warm_c=75, hot_c=85)


class Clock:
    """A clock that a test turns."""

    now_s = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Thermometer:
    """A sensor, and the driver that finds it."""

    priority = 0

    def __init__(self, device: str, says_c: float | None = 50.0) -> None:
        self.name, self.device, self.says_c = f"of {device}", device, says_c
        self.is_lost = self.is_closed = False

    def discover(self) -> Sequence[Sensor]:
        """Itself."""
        return [self]

    def read(self) -> ThermalReading:
        """What the test wants."""
        if self.is_lost:
            raise SensorLostError("it fell off")
        return ThermalReading(
            sensor=self.name, device=self.device, temperature_c=self.says_c
        )

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def job(priority: int = NEW, *, age_s: float = 0.0, kind: str = "register") -> JobRow:
    """A job that came so long ago."""
    came = (datetime.now(UTC) - timedelta(seconds=age_s)).isoformat()
    return JobRow(
        id=1,
        kind=kind,
        key="k",
        payload={},
        priority=priority,
        state="queued",
        attempts=0,
        epoch=0,
        owner=None,
        reason="",
        created_at=came,
        updated_at=came,
    )


def guard_of(clock: Clock, device: str, *drivers: Thermometer) -> Guard:
    """A guard that has looked once."""
    guard = Guard(SETTINGS, device, drivers, clock)
    guard.monitor.sample()
    return guard


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000 s."""
    return Clock()


@pytest.mark.parametrize("priority", [FIRST, NEW, AGAIN])
@pytest.mark.parametrize("device", ["auto", "cpu"])
def test_a_pc_without_any_thermometer_works_at_once_and_freely(
    clock: Clock, device: str, priority: int
) -> None:
    """Most instrument computers: the CPU guards itself, and nobody must wait."""
    guard = guard_of(clock, device)

    decision = guard.decide(job(priority))
    for _ in range(100):
        clock.now_s += 10
        guard.monitor.sample()
        assert guard.breathe(10.0) == 0.0

    assert decision.admission is Admission.ADMIT
    assert guard.governor.duty == 1.0
    assert not guard.must_yield()


def test_a_cpu_whose_thermometer_is_lost_goes_on_slowly(clock: Clock) -> None:
    """It was seen to matter, so it is not ignored; but nobody else can do the work."""
    sensor = Thermometer("cpu")
    guard = guard_of(clock, "cpu", sensor)
    sensor.is_lost = True
    for _ in range(20):
        clock.now_s += 1
        guard.monitor.sample()

    for priority in (FIRST, NEW):
        assert guard.decide(job(priority)).admission is Admission.THROTTLE
    assert 0.05 <= guard.governor.duty <= 0.1


def test_even_a_rerun_ends_on_a_cpu_that_cannot_be_seen(clock: Clock) -> None:
    """It may wait for the others, not for ever."""
    sensor = Thermometer("cpu", says_c=80.0)
    guard = guard_of(clock, "cpu", sensor)
    for _ in range(200):
        clock.now_s += 1
        sensor.says_c = 80.0 + 0.1 * (clock.now_s % 2)
        guard.monitor.sample()
    sensor.is_lost = True
    for _ in range(20):
        clock.now_s += 1
        guard.monitor.sample()
    first = guard.decide(job(AGAIN, age_s=5000))
    clock.now_s += 1000

    assert first.admission in {Admission.DEFER, Admission.THROTTLE}
    assert guard.decide(job(AGAIN, age_s=5000)).admission is Admission.THROTTLE


def test_an_unseen_gpu_is_left_alone_and_the_cpu_takes_the_job(clock: Clock) -> None:
    """At once, and with the reason."""
    guard = guard_of(clock, "cuda:0")

    decision = guard.decide(job())

    assert decision.admission is Admission.CPU
    assert decision.sentence == "runs on the CPU: the temperature is unknown"


def test_the_thermometer_is_that_of_the_device_that_works(clock: Clock) -> None:
    """A cool graphics card says nothing of a CPU that computes, nor the other way."""
    gpu, cpu = Thermometer("cuda:0"), Thermometer("cpu")
    guard = guard_of(clock, "auto", gpu, cpu)
    guessed = (guard.device, guard.monitor.sensor_name)
    changed = guard.serve_on("cpu")

    assert guessed == ("cuda:0", "of cuda:0")
    assert changed
    assert (guard.device, guard.monitor.sensor_name) == ("cpu", "of cpu")
    assert guard_of(clock, "cuda:1", gpu, cpu).monitor.sensor_name is None
    assert not guard.serve_on("cpu")
    guard.close()
    assert gpu.is_closed
    assert cpu.is_closed


def test_jobs_behind_a_held_queue_do_not_each_wait_their_patience(
    clock: Clock,
) -> None:
    """After five hot minutes the CPU takes one after the other."""
    sensor = Thermometer("cuda:0", says_c=95.0)
    guard = guard_of(clock, "cuda:0", sensor)
    at_first = guard.decide(job())
    for _ in range(310):
        clock.now_s += 1
        sensor.says_c = 95.0 + 0.1 * (clock.now_s % 2)
        guard.monitor.sample()

    assert at_first.admission is Admission.DEFER
    assert guard.decide(job(age_s=400)).admission is Admission.CPU
    assert guard.decide(job(age_s=301)).admission is Admission.CPU
    assert guard.decide(job(age_s=5)).admission is Admission.DEFER
    assert guard.decide(job(FIRST)).admission is Admission.CPU


def test_the_operators_word_ends_by_itself(clock: Clock) -> None:
    """Nobody must remember to take it back."""
    guard = guard_of(clock, "cpu", Thermometer("cpu"))
    guard.override("pause", seconds=60)
    paused = guard.decide(job())
    clock.now_s += 61
    guard.monitor.sample()

    assert paused.admission is Admission.DEFER
    assert paused.sentence == "waits about 60 s: the operator has paused the device"
    assert guard.decide(job()).may_start
    assert guard.wish() is None
    with pytest.raises(UsageError, match="choose one of allow, pause, none"):
        guard.override("boost", seconds=60)


class At:
    """A job on the device."""

    is_working = True


def test_two_jobs_at_a_time_are_one_piece_of_work(clock: Clock) -> None:
    """One that pauses must not make the other's heat look like a stranger's."""
    guard = guard_of(clock, "cpu", Thermometer("cpu"))
    one, two = At(), At()
    for each in (one, two):
        guard.enter(each)
        guard.breathe(0.0)
    one.is_working = False
    guard.leave(one, 0.5)
    clock.now_s += 2
    busy_s = guard.governor._work.busy_since_look_s(clock.now_s)
    two.is_working = False
    guard.leave(two, 2.0)
    clock.now_s += 5

    assert busy_s == pytest.approx(2.0)
    assert guard.governor._work.busy_since_look_s(clock.now_s) == pytest.approx(2.0)


def test_long_looks_by_a_second_engine_do_not_make_registrations_look_long(
    clock: Clock,
) -> None:
    """A registration is let in by how long registrations take, not by anything else."""
    cpu = Thermometer("cpu", 74.0)
    guard = guard_of(clock, "cpu", cpu)
    before = guard.decide(job()).sentence
    for _ in range(10):
        guard.has_done(600.0, "second")

    assert guard.decide(job()).sentence == before
    second = guard.decide(job(kind="second"))
    assert second.lasting_s is not None
    assert second.lasting_s > 100.0
