"""What is kept, told and counted of heat: the blind hours, the pause, the reasons."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from clemd.app._guarding import Guard
from clemd.app._heat import HeatWatch
from clemd.app._holding import Holding
from clemd.app._house import House
from clemd.app._inbox import Inbox
from clemd.app._levers import LeverKeeper
from clemd.app._views import Views
from clemd.app._waiting import renew_reasons
from clemd.config import Profile, ThermalSettings
from clemd.driver_api import Sensor
from clemd.errors import SensorLostError
from clemd.jobs import JobQueue, owner_name
from clemd.model import ThermalReading
from clemd.store import Store
from clemd.supervising import Heartbeats, Metrics, StopSignal

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that a test turns; it stands for both clocks."""

    now_s = 1000.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now_s

    def wall(self) -> datetime:
        """The time of day."""
        return datetime(2026, 5, 4, tzinfo=UTC) + timedelta(seconds=self.now_s)


class Thermometer:
    """A sensor, and the driver that finds it."""

    name, priority, device = "of a card", 0, "cuda:0"
    says_c: float | None = 50.0
    lost = ""

    def discover(self) -> Sequence[Sensor]:
        """Itself."""
        return [self]

    def read(self) -> ThermalReading:
        """What the test wants."""
        if self.lost:
            raise SensorLostError(self.lost)
        return ThermalReading(
            sensor=self.name, device=self.device, temperature_c=self.says_c
        )

    def close(self) -> None:
        """Nothing is held."""


class Inboxes:
    """Folders in which no file waits."""

    def statuses(self) -> list[Any]:
        """None is watched."""
        return []


class Scene:
    """A daemon's parts that know of heat, and a card that does as the test says."""

    def __init__(self, state: Path, *, sensor: str = "auto") -> None:
        self.clock, self.card = Clock(), Thermometer()
        thermal = ThermalSettings(warm_c=75, hot_c=85, sensor=sensor)
        self.store = Store.open(state, now=self.clock.wall)
        self.queue = JobQueue(
            self.store.connection, owner=owner_name(), clock=self.clock
        )
        drivers = [self.card] if sensor == "auto" else []
        self.guard = Guard(thermal, "cuda:0", drivers, self.clock)
        self.house = House(
            profile=Profile(thermal=thermal),
            state=state,
            run_epoch="one",
            store=self.store,
            queue=self.queue,
            reader=cast("Any", None),
            guard=self.guard,
            metrics=Metrics(),
            heartbeats=Heartbeats(self.clock),
            stop=StopSignal(),
            clock=self.clock,
        )
        levers = LeverKeeper(ThermalSettings(), cast("Any", None))
        self.watch = HeatWatch(self.house, levers)

    def feel(self, seconds: int) -> None:
        """So many looks, one a second."""

        async def look() -> None:
            for _ in range(seconds):
                self.clock.now_s += 1
                if self.card.says_c is not None:  # what never moves is not believed
                    self.card.says_c += 0.1 * (-1) ** int(self.clock.now_s)
                await self.watch.look()

        asyncio.run(look())

    def told(self, topic: str) -> list[dict[str, Any]]:
        """The messages so far."""
        rows = self.store.outbox_after(0, 1000)
        return [json.loads(row.body) for row in rows if row.topic == topic]

    def metric(self, name: str) -> float:
        """A number as Prometheus reads it."""
        views = Views(self.house, cast("Inbox", Inboxes()))
        for line in views.metrics().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        raise AssertionError(name)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A card at 50 °C."""
    one = Scene(tmp_path / "state")
    yield one
    one.store.close()


def test_blind_time_is_in_the_history_with_its_reasons(scene: Scene) -> None:
    """Who looks in the morning must see that nothing was seen, and why."""
    scene.feel(20)
    scene.card.says_c = -400.0
    scene.feel(100)
    scene.card.says_c = float("inf")
    scene.feel(100)
    scene.card.lost = "the recording ended after 220 s"
    scene.feel(180)

    blind = [
        row
        for row in scene.store.thermal_history(LONG_AGO)
        if row.temperature_c is None
    ]
    moments = [datetime.fromisoformat(row.at) for row in blind]
    gaps = [(b - a).total_seconds() for a, b in pairwise(moments)]

    assert [row.state for row in blind] == ["blind"] * len(blind)
    assert 6 <= len(blind) <= 12  # one a minute and one for each reason
    assert max(gaps) <= 61
    assert any("-4" in row.reason for row in blind)
    assert any("inf" in row.reason for row in blind)
    assert "the recording ended" in blind[-1].reason
    assert "the recording ended" in scene.told("thermal")[-1]["reason"]
    now = scene.watch.now()
    assert now is not None
    assert (now["state"], now["temperature_c"]) == ("blind", None)


def test_the_end_of_a_blind_time_is_kept_where_the_daemon_stops(scene: Scene) -> None:
    """Or up to a minute of it would be missing."""
    scene.card.says_c = None
    scene.feel(50)
    scene.watch.end()

    last = datetime.fromisoformat(scene.store.thermal_history(LONG_AGO)[-1].at)
    assert last == scene.clock.wall()


def test_one_missed_look_is_not_kept(scene: Scene) -> None:
    """It is bridged, and would only fill the history."""
    scene.feel(20)
    scene.card.lost = "busy"
    scene.feel(1)
    scene.card.lost = ""
    scene.feel(20)

    rows = scene.store.thermal_history(LONG_AGO)
    assert all(row.temperature_c is not None for row in rows)
    assert len(scene.told("thermal")) == 1


def test_paused_device_has_no_duty(scene: Scene) -> None:
    """What is published is what is obeyed; heat alone says nothing against work."""
    scene.feel(5)
    before = scene.metric("clemd_duty_ratio")
    scene.guard.override("pause", seconds=60)
    scene.feel(1)

    assert before == 1.0
    assert scene.metric("clemd_duty_ratio") == 0.0
    assert scene.told("thermal")[-1]["duty"] == 0.0
    assert scene.store.thermal_history(LONG_AGO)[-1].duty == 0.0

    scene.feel(61)
    assert scene.metric("clemd_duty_ratio") == 1.0
    assert scene.told("thermal")[-1]["duty"] == 1.0


def test_results_that_wait_are_as_old_as_their_jobs(scene: Scene) -> None:
    """An alarm on the oldest one must ring for heat and pauses too."""
    assert scene.metric("clemd_oldest_waiting_seconds") == 0.0
    scene.queue.enqueue("second", "s:1", {"registration_id": "x"})
    assert scene.metric("clemd_oldest_waiting_seconds") == 0.0  # it has its result
    scene.queue.enqueue("register", "r:1", {"pair_id": "x"})
    long_ago = (datetime.now(UTC) - timedelta(seconds=300)).isoformat()
    scene.store.connection.execute("UPDATE jobs SET created_at = ?", (long_ago,))

    assert scene.metric("clemd_oldest_waiting_seconds") == pytest.approx(300, abs=20)


@pytest.mark.parametrize("cause", ["wrong", "unusable"])
def test_device_is_set_aside_by_its_cause(scene: Scene, cause: Any) -> None:
    """A driver that is missing is no wrong result, and rings another bell."""
    other = {"wrong": "unusable", "unusable": "wrong"}[cause]
    scene.feel(2)
    Holding(scene.house).ban("no CUDA here", cause)
    scene.feel(1)
    name = "clemd_device_set_aside_total"
    message = scene.told("thermal")[-1]

    assert scene.metric(f'{name}{{cause="{cause}"}}') == 1.0
    assert scene.metric(f'{name}{{cause="{other}"}}') == 0.0
    assert (message["set_aside"], message["set_aside_cause"]) == ("no CUDA here", cause)
    assert scene.metric("clemd_duty_ratio") == 0.0

    scene.guard.proved()
    scene.feel(1)
    assert scene.told("thermal")[-1]["set_aside_cause"] == ""


def test_allowing_a_hot_device_says_that_the_limit_holds(scene: Scene) -> None:
    """`new jobs wait; allowed by the operator` would be two words at once."""
    scene.card.says_c = 92.0
    scene.feel(3)
    scene.guard.override("allow", seconds=600)
    hot = scene.watch.reason()
    scene.card.says_c = 60.0
    scene.feel(40)

    assert "allowed by the operator until" in hot
    assert hot.endswith("but the limit of 85 °C still holds")
    assert "still holds" not in scene.watch.reason()


def test_reason_of_a_job_that_waits_does_not_stay_at_its_first_temperature(
    scene: Scene,
) -> None:
    """The head of the queue is told by the registrar; the others by nobody else."""
    scene.card.says_c = 93.0
    scene.feel(5)
    for n in range(2):
        scene.queue.enqueue("register", f"r:{n}", {"pair_id": str(n)})
    jobs = scene.queue.jobs()
    for job in jobs:
        scene.queue.hold(job.id, scene.guard.foretell(job).sentence)
    first = scene.queue.jobs()[0].reason
    scene.card.says_c = 88.0
    scene.feel(20)
    renew_reasons(scene.house)
    fresh = scene.queue.jobs()[0].reason
    make_stale(scene)
    scene.queue.enqueue("register", "r:9", {"pair_id": "9"})
    renew_reasons(scene.house)
    renewed = [job.reason for job in scene.queue.jobs()]
    told = scene.told("job")[-1]
    scene.card.says_c = 60.0
    scene.feel(120)  # a look at the reasons is a part of it
    make_stale(scene)
    scene.feel(61)

    assert "(93 °C" in first
    assert fresh == first  # said just now
    assert renewed[0] == ""  # never put off
    assert all("(88 °C" in reason for reason in renewed[1:])
    assert (told["state"], told["reason"]) == ("deferred", renewed[1])
    assert {job.reason for job in scene.queue.jobs(("deferred",))} == {
        "waits for its turn"
    }
    assert scene.guard._held_since_s is None  # nobody's patience has begun


def make_stale(scene: Scene) -> None:
    """As if the reasons were minutes old."""
    before = (datetime.now(UTC) - timedelta(seconds=120)).isoformat()
    scene.store.connection.execute("UPDATE jobs SET updated_at = ?", (before,))


def test_sensor_that_is_switched_off_is_not_called_missing(tmp_path: Path) -> None:
    """The one is a decision, the other a fault of the machine."""
    scene = Scene(tmp_path / "state", sensor="none")
    scene.feel(2)

    assert "switched off in the profile" in scene.watch.reason()
    assert json.dumps(scene.watch.now())
    scene.store.close()
