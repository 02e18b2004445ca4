"""A sensor is believed as far as it deserves, and results learn how hot it was."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from clemd.config import ThermalSettings
from clemd.driver_api import Sensor, load_drivers
from clemd.errors import SensorLostError, UsageError
from clemd.model import ThermalReading, ThermalState
from clemd.thermal import (
    Admission,
    Limits,
    ThermalJob,
    ThermalMonitor,
    choose_sensor,
)

SETTINGS = ThermalSettings(warm_c=75, hot_c=85)


class Clock:
    """A clock that a test turns."""

    now_s = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


class Scripted:
    """A sensor that says what the test wants."""

    name = "scripted"

    def __init__(self) -> None:
        self.says: ThermalReading | Exception = reading(40)
        self.is_closed = False

    def read(self) -> ThermalReading:
        """Say it."""
        if isinstance(self.says, Exception):
            raise self.says
        return self.says

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def reading(
    temperature_c: float | None,
    *,
    throttle: tuple[str, ...] = (),
    utilisation: float | None = None,
    power_w: float | None = None,
) -> ThermalReading:
    """One look."""
    return ThermalReading(
        sensor="scripted",
        device="cuda:0",
        temperature_c=temperature_c,
        throttle_reasons=throttle,
        utilisation=utilisation,
        power_w=power_w,
    )


@pytest.fixture
def clock() -> Clock:
    """A clock at 100 s."""
    return Clock()


@pytest.fixture
def sensor() -> Scripted:
    """A sensor that says 40 °C."""
    return Scripted()


@pytest.fixture
def monitor(sensor: Scripted, clock: Clock) -> ThermalMonitor:
    """The monitor of both."""
    return ThermalMonitor(sensor, SETTINGS, clock)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (SensorLostError("GPU is lost"), "does not answer: GPU is lost"),
        (OSError("no such device"), "does not answer"),
        (reading(None), "gives no temperature"),
        (reading(math.nan), "gives no temperature"),
        (reading(255), "255 °C, which cannot be"),
        (reading(-273), "-273 °C, which cannot be"),
        (reading(math.inf), "which cannot be"),
    ],
)
def test_what_cannot_be_believed_makes_blind(
    monitor: ThermalMonitor,
    sensor: Scripted,
    clock: Clock,
    says: ThermalReading | Exception,
    why: str,
) -> None:
    """No number is better than a wrong one; the reason says which it was."""
    assert monitor.sample().state is ThermalState.COOL

    sensor.says = says
    samples = []
    for _ in range(5):
        clock.now_s += 1
        samples.append(monitor.sample())

    assert [s.changed for s in samples] == [False, False, False, True, False]
    assert samples[-1].state is ThermalState.BLIND
    assert all(why in s.reason and s.reading is None for s in samples)


def test_a_machine_without_sensor_is_blind_and_says_so_once(clock: Clock) -> None:
    """Nobody is told again every second."""
    monitor = ThermalMonitor(None, SETTINGS, clock)
    samples = [monitor.sample(), monitor.sample()]

    assert [s.state for s in samples] == [ThermalState.BLIND] * 2
    assert not any(s.changed for s in samples)
    assert "no temperature sensor" in samples[0].reason


def test_a_value_that_does_not_move_under_load_is_stuck(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """A frozen 40 °C would let a burning card go on."""
    for second in range(60):
        sensor.says = reading(40, utilisation=float(second >= 20))
        assert monitor.sample().state is ThermalState.COOL
        clock.now_s += 1

    reasons = []
    for _ in range(5):
        reasons.append(monitor.sample().reason)
        clock.now_s += 1
    assert monitor.state is ThermalState.BLIND
    assert "has said 40 °C for 60 s" in reasons[0]


def test_a_card_that_is_held_at_its_limit_is_not_stuck(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """A job that breathes switches the load every second; heat feels only its mean."""
    sensor.says = reading(83, utilisation=0.5)
    monitor.sample()
    for second in range(300):
        clock.now_s += 1
        sensor.says = reading(84, utilisation=float(second % 2))
        assert monitor.sample().state is ThermalState.WARM


def test_an_idle_card_may_rest_at_one_value_all_night(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """Whole degrees and no work: nothing moves, and nothing is wrong."""
    sensor.says = reading(34, utilisation=0.0, power_w=21.0)
    for _ in range(48):
        assert monitor.sample().state is ThermalState.COOL
        clock.now_s += 900


def test_without_load_ten_minutes_of_one_value_are_too_long(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """Nothing else tells a frozen sensor from a calm one."""
    sensor.says = reading(40.5)
    for _ in range(60):
        assert monitor.sample().state is ThermalState.COOL
        clock.now_s += 10
    for _ in range(2):
        doubted = monitor.sample()
        clock.now_s += 10
    assert doubted.state is ThermalState.BLIND
    sensor.says = reading(41.0)
    for _ in range(3):
        monitor.sample()
        clock.now_s += 5
    assert monitor.state is ThermalState.COOL


def test_a_look_may_block_and_the_taking_of_it_does_not(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """A driver that hangs for a moment must not hold the daemon's loop."""
    look = monitor.look()
    clock.now_s += 30
    sensor.says = SensorLostError("gone meanwhile")

    sample = monitor.take(look)

    assert (look.at_s, sample.state) == (100.0, ThermalState.COOL)


def test_a_cpu_without_sensor_is_free_and_a_gpu_is_not(clock: Clock) -> None:
    """A CPU slows itself; of a GPU nobody may say that it will be well."""
    job = ThermalJob(work_s=30)
    asked = {}
    for device in ("cpu", "cuda:0"):
        limits = Limits.of(SETTINGS, device=device, has_sensor=False)
        monitor = ThermalMonitor(None, SETTINGS, clock, limits=limits)
        monitor.sample()
        asked[device] = monitor.governor.decide(job, clock.now_s).admission

    assert asked == {"cpu": Admission.ADMIT, "cuda:0": Admission.CPU}


def test_a_result_learns_how_hot_and_how_slow_the_device_was(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """It goes into the provenance of every registration."""
    slow = ("software thermal slow-down",)
    for value, throttle in [(50, ()), (70, ()), (84, slow), (80, slow), (60, ())]:
        sensor.says = reading(value, throttle=throttle)
        monitor.sample()
        clock.now_s += 1

    assert monitor.highest_between(100, 104) == 84
    assert monitor.highest_between(100, 101) == 70
    assert monitor.highest_between(102.5, 102.6) == 84, "the look before counts"
    assert monitor.highest_between(0, 50) is None
    assert monitor.throttled_between(100, 104) == 2
    assert monitor.throttled_between(102.5, 103.25) == 0.75
    assert monitor.throttled_between(104, 105) == 0
    assert [c for _, c in monitor.history.recent(since_s=103)] == [80, 60]


def test_a_gap_in_the_looks_is_not_counted_as_slow(
    monitor: ThermalMonitor, sensor: Scripted, clock: Clock
) -> None:
    """One look speaks for seconds, not for the night in which nobody looked."""
    sensor.says = reading(70, throttle=("power brake",))
    monitor.sample()
    clock.now_s += 1000
    sensor.says = reading(70)
    monitor.sample()

    assert monitor.throttled_between(100, 1100) == 5


class Driver:
    """Offers sensors with the given names."""

    priority = 0

    def __init__(self, name: str, *sensors: str) -> None:
        self.name = name
        self.made: list[Scripted] = []
        self._names = sensors

    def discover(self) -> Sequence[Sensor]:
        """Make them."""
        self.made = [Scripted() for _ in self._names]
        for sensor, name in zip(self.made, self._names, strict=True):
            sensor.name = name
        return self.made


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("auto", "nvml:0 NVIDIA A"),
        ("nvml", "nvml:0 NVIDIA A"),
        ("nvml:1", "nvml:1 NVIDIA B"),
        ("hwmon", "hwmon:k10temp Tctl"),
        ("none", None),
        ("nvml:2", None),
    ],
)
def test_the_profile_says_which_sensor(
    wanted: str, found: str | None, clock: Clock
) -> None:
    """A machine with two cards works on one of them."""
    drivers = [
        Driver("empty"),
        Driver("nvml", "nvml:0 NVIDIA A", "nvml:1 NVIDIA B"),
        Driver("hwmon", "hwmon:k10temp Tctl"),
    ]

    chosen = choose_sensor(ThermalSettings(sensor=wanted), drivers, clock)

    assert (chosen.name if chosen else None) == found
    left_open = [s for d in drivers for s in d.made if not s.is_closed]
    assert left_open == ([chosen] if chosen else [])


def test_a_trace_in_the_profile_is_played(tmp_path: Path, clock: Clock) -> None:
    """A rehearsal of a hot day, on the drivers as they are installed."""
    trace = tmp_path / "ramp.csv"
    with trace.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["t_s", "temperature_c"])
        rows.writerows([second, 60 + second / 2] for second in range(60))
        rows.writerows([[60, ""], [80, 70], [120, 70]])
    settings = ThermalSettings(trace=trace, warm_c=75, hot_c=85)
    sensor = choose_sensor(settings, load_drivers("clemd.sensors"), clock)
    monitor = ThermalMonitor(sensor, settings, clock)

    obeyed = []
    for _ in range(130):
        obeyed.append(monitor.sample().acting.value)
        clock.now_s += 1

    in_turn = [state for state, _ in groupby(obeyed)]
    assert in_turn == ["cool", "warm", "hot", "blind", "cool", "blind"]
    assert (obeyed[29], obeyed[31]) == ("cool", "warm")
    assert "hot" in obeyed[50:53]
    assert monitor.sample().reason.startswith("the sensor does not answer")


def test_a_sensor_that_no_driver_has_is_refused(clock: Clock) -> None:
    """A misspelt sensor must not leave the device unwatched."""
    with pytest.raises(UsageError, match="thermocouple"):
        choose_sensor(ThermalSettings(sensor="thermocouple"), [Driver("nvml")], clock)


def test_a_trace_that_cannot_be_played_is_one_line(
    tmp_path: Path, clock: Callable[[], float]
) -> None:
    """A profile that asks for it must not run without it."""
    absent = ThermalSettings(trace=tmp_path / "absent.csv")

    with pytest.raises(UsageError, match=r"No such file.*absent\.csv"):
        choose_sensor(absent, load_drivers("clemd.sensors"), clock)
    with pytest.raises(UsageError, match="no sensor driver can play"):
        choose_sensor(absent, [], clock)
