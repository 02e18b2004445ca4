"""The device stays below its limit, jobs go on, and every wait has its sentence."""

from __future__ import annotations

import pytest

from clemd.errors import UsageError
from clemd.model import ThermalState
from clemd.thermal import (
    Admission,
    BlindRule,
    Governor,
    Limits,
    Override,
    Priority,
    ThermalJob,
)

from .test_model import Device

LIMITS = Limits(warm_c=75, hot_c=85)
JOB = ThermalJob(work_s=20)


class Bench:
    """A device at work under a governor; one piece of work takes half a second."""

    def __init__(self, device: Device, limits: Limits = LIMITS) -> None:
        self.device, self.governor = device, Governor(limits)
        self.now_s = self.worked_s = 0.0
        self.highest_c = device.now_c
        self.can_see = True
        self._is_working = False
        self._wake_s = 0.0
        self.look()

    def look(self) -> None:
        """The thermometer is read."""
        value_c = float(round(self.device.now_c)) if self.can_see else None
        self.governor.observe(self.now_s, value_c)

    def idle(self, seconds: float) -> None:
        """No job."""
        for _ in range(round(seconds)):
            self.now_s += 1.0
            self.device.work(0.0)
            self.look()

    def work(self, seconds: float) -> None:
        """One long job."""
        self.governor.started(self.now_s)
        self._is_working, self._wake_s = False, self.now_s
        for step in range(round(seconds * 10)):
            if self.now_s >= self._wake_s - 1e-9:
                busy_s = 0.5 if self._is_working else 0.0
                pause_s = self.governor.breathe(self.now_s, busy_s)
                self._is_working = pause_s == 0.0
                self._wake_s = self.now_s + (pause_s or 0.5)
            self.device.work(float(self._is_working), 0.1)
            self.highest_c = max(self.highest_c, self.device.now_c)
            self.now_s += 0.1
            self.worked_s += 0.1 * self._is_working
            if step % 10 == 9:
                self.look()
        self.governor.ended(self.now_s)


def hot_device() -> Device:
    """It would settle at 115 °C; half of the work can be done below 85 °C."""
    return Device(rest_c=55.0, rise_c=60.0, tau_s=60.0)


def cool_device() -> Device:
    """It never comes near its limit."""
    return Device(rest_c=30.0, rise_c=30.0, tau_s=60.0)


def test_a_long_job_on_a_hot_day_is_held_just_below_the_limit() -> None:
    """Nearly as much is done as could be, and the limit is not passed."""
    bench = Bench(hot_device())

    bench.work(900)

    assert bench.highest_c < 85.0
    assert bench.worked_s > 0.9 * (0.5 * 900 + 30)
    assert bench.governor.state is ThermalState.WARM


def test_on_a_cool_day_nothing_is_lost() -> None:
    """A guard that costs time is switched off by its users."""
    bench = Bench(cool_device())

    bench.work(600)

    assert bench.worked_s >= 0.99 * 600


def test_a_job_that_fits_starts_and_one_that_does_not_is_slowed() -> None:
    """The forecast decides, with what the last jobs have taught."""
    bench = Bench(hot_device())
    bench.work(120)
    bench.idle(300)

    short = bench.governor.decide(ThermalJob(work_s=5), bench.now_s)
    long = bench.governor.decide(ThermalJob(work_s=600), bench.now_s)

    assert short.admission is Admission.ADMIT
    assert short.sentence.startswith("starts now")
    assert long.admission is Admission.THROTTLE
    assert 0.3 < long.duty < 0.8
    assert "to stay below 85 °C" in long.sentence
    assert long.sentence.endswith(" min instead of 10 min")
    assert long.lasting_s is not None
    assert long.lasting_s > 600


def test_a_hot_device_defers_and_says_for_how_long() -> None:
    """The operator's own frame need not wait: the CPU takes it."""
    bench = Bench(hot_device())
    bench.work(120)
    bench.device.now_c = 90.0
    for _ in range(3):
        bench.look()
        bench.now_s += 1.0

    usual = bench.governor.decide(JOB, bench.now_s)
    now = bench.governor.decide(
        ThermalJob(priority=Priority.NOW, work_s=20), bench.now_s
    )

    assert bench.governor.acting is ThermalState.HOT
    assert (usual.admission, usual.may_start) == (Admission.DEFER, False)
    assert usual.wait_s is not None
    assert 5 < usual.wait_s < 120
    assert "waits about" in usual.sentence
    assert "limit 85 °C" in usual.sentence
    assert now.admission is Admission.CPU


def test_rerunning_waits_where_the_operators_frame_creeps() -> None:
    """With little room the room is for what somebody is looking at."""
    bench = Bench(Device(rest_c=81.5, rise_c=60.0, tau_s=60.0))
    bench.work(300)

    asked = {
        priority: bench.governor.decide(
            ThermalJob(priority=priority, work_s=60), bench.now_s
        ).admission
        for priority in (Priority.NOW, Priority.AGAIN)
    }

    assert asked[Priority.NOW] in {Admission.THROTTLE, Admission.CPU}
    assert asked[Priority.AGAIN] is Admission.DEFER


@pytest.mark.parametrize("priority", list(Priority))
def test_no_job_waits_for_ever(priority: Priority) -> None:
    """In a summer without end the CPU is slow, and it is there."""
    bench = Bench(hot_device())
    bench.device.now_c = 95.0
    bench.idle(2)
    tired = ThermalJob(priority=priority, work_s=20, waited_s=1000)

    assert bench.governor.decide(tired, bench.now_s).admission is Admission.CPU


def test_one_missed_look_is_bridged_and_more_are_blindness() -> None:
    """Sensors stumble; the law goes on for three seconds, not longer."""
    bench = Bench(cool_device())
    bench.idle(20)
    bench.can_see = False
    obeyed = []
    for _ in range(5):
        bench.idle(1)
        obeyed.append(bench.governor.acting)

    assert obeyed[:3] == [ThermalState.COOL] * 3
    assert obeyed[3:] == [ThermalState.BLIND] * 2


def test_unseen_and_already_warm_is_not_used_even_slowly() -> None:
    """The last degrees may be needed by air and programs that nobody sees either."""
    limits = Limits(warm_c=75, hot_c=85, blind=BlindRule.SLOW)
    bench = Bench(Device(rest_c=65.0, rise_c=40.0, tau_s=60.0), limits)
    bench.work(300)
    bench.can_see = False
    bench.idle(10)

    assert bench.governor.duty == 0.0
    assert bench.governor.decide(JOB, bench.now_s).admission is Admission.CPU


@pytest.mark.parametrize("rule", [BlindRule.CPU, BlindRule.SLOW])
def test_a_device_that_went_blind_at_work_stays_below_its_limit(
    rule: BlindRule,
) -> None:
    """What cannot be seen is left alone, or used a little, as the profile says."""
    limits = Limits(warm_c=75, hot_c=85, blind=rule)
    bench = Bench(Device(rest_c=35.0, rise_c=80.0, tau_s=60.0), limits)
    bench.work(300)
    bench.can_see = False
    worked_s = bench.worked_s

    bench.work(300)

    assert bench.highest_c < 85.0
    share = (bench.worked_s - worked_s) / 300
    assert share < (0.05 if rule is BlindRule.CPU else 0.25)
    decided = bench.governor.decide(JOB, bench.now_s)
    assert "the temperature is unknown" in decided.sentence
    expected = Admission.CPU if rule is BlindRule.CPU else Admission.THROTTLE
    assert decided.admission is expected


def test_a_thermometer_that_stops_moving_is_found_out_at_work() -> None:
    """A frozen 60 °C would let a burning card go on."""
    bench = Bench(hot_device())
    bench.work(60)
    bench.idle(200)
    frozen_c = float(round(bench.device.now_c))
    governor = bench.governor
    governor.started(bench.now_s)
    governor.breathe(bench.now_s, 0.0)
    seconds = 0
    while not governor.doubts_sensor and seconds < 120:
        bench.now_s += 1.0
        seconds += 1
        bench.device.work(1.0)
        governor.observe(bench.now_s, frozen_c)

    assert governor.doubts_sensor
    assert bench.device.now_c < 85.0


def test_a_job_that_cannot_go_on_gives_the_device_back() -> None:
    """It keeps what it has done and waits in the queue, where it is seen."""
    bench = Bench(hot_device())
    bench.device.now_c = 95.0
    bench.look()
    governor = bench.governor
    governor.started(0.0)

    assert governor.breathe(0.0, 0.0) > 0
    assert not governor.must_yield(1.0)
    assert governor.breathe(10.0, 0.0) > 0
    assert governor.must_yield(LIMITS.yield_after_s)


def test_the_operator_may_pause_and_allow_for_a_while() -> None:
    """A wish ends by itself: nobody remembers to take it back."""
    bench = Bench(cool_device())
    governor = bench.governor
    governor.override(Override.of("pause", seconds=60, now_s=0.0, by="page"))

    paused = governor.decide(JOB, 1.0)
    governor.started(1.0)
    assert governor.breathe(1.0, 0.0) > 0
    assert governor.must_yield(1.0)
    governor.ended(1.0)
    again = governor.decide(JOB, 61.0)

    assert paused.admission is Admission.DEFER
    assert paused.wait_s == pytest.approx(59.0)
    assert "the operator has paused the device" in paused.sentence
    assert again.admission is Admission.ADMIT


def test_no_wish_lifts_the_limit_of_a_device_that_is_seen() -> None:
    """Allowing means "do not defer it", never "cook it"."""
    bench = Bench(hot_device())
    bench.governor.override(Override.of("allow", seconds=3600, now_s=0.0))

    bench.work(600)

    assert bench.highest_c < 85.0


@pytest.mark.parametrize(
    ("wish", "seconds"), [("melt", 60), ("allow", 0), ("pause", 1e6), ("allow", -5)]
)
def test_a_wish_that_makes_no_sense_is_refused(wish: str, seconds: float) -> None:
    """It comes from the page or the bus."""
    with pytest.raises(UsageError):
        Override.of(wish, seconds=seconds, now_s=0.0)


def test_after_a_night_asleep_the_first_look_is_taken_as_it_is() -> None:
    """The law foretells minutes, not nights."""
    bench = Bench(hot_device())
    bench.work(120)
    bench.now_s += 30_000
    bench.device.now_c = 30.0
    bench.look()

    assert bench.governor.temperature_c == 30.0
