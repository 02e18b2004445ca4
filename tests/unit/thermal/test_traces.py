"""Worlds that nobody thought of: the promises of the governor, kept in all of them."""

from __future__ import annotations

import json
import random

import pytest

from clemd.bench._heat import play_all, run_heat
from clemd.bench._heat_device import Device, DeviceKind, settles_at
from clemd.bench._heat_oracle import best_work_s
from clemd.bench._heat_outcome import DWELL_S, EXCESS_C, Outcome
from clemd.bench._heat_traces import KINDS, LIMIT_C, draw_trace
from clemd.bench._heat_world import GRID_S
from clemd.thermal import Limits

SEED = 700
TRIALS = 4 * len(KINDS)


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    """A few of every kind; the ten thousand are `clemd bench heat`."""
    return play_all(TRIALS, SEED, say=lambda _: None)


def test_the_limit_is_kept(outcomes: list[Outcome]) -> None:
    """Wherever it can be: not where air and others alone pass it, nor by a liar."""
    fair = [one for one in outcomes if not one.is_doomed and not one.is_stuck]

    assert len(fair) > 30
    assert max(one.excess_c for one in fair) <= EXCESS_C


def test_the_display_is_calm(outcomes: list[Outcome]) -> None:
    """At most one change per dwell, whatever the thermometer does."""
    assert Limits().dwell_s == DWELL_S
    assert sum(one.changes for one in outcomes) > 50
    assert sum(one.too_quick for one in outcomes) == 0


def test_every_job_ends(outcomes: list[Outcome]) -> None:
    """Deferred is not lost."""
    assert sum(one.deferrals for one in outcomes) > 100
    assert sum(one.unfinished for one in outcomes) == 0


def test_what_is_not_seen_is_not_heated_over_the_limit(outcomes: list[Outcome]) -> None:
    """Under both rules, and by stuck thermometers too once they are found out."""
    rises = [
        one.blind_excess_c
        for one in outcomes
        if one.blind_excess_c is not None and not one.is_doomed
    ]

    assert len(rises) > 5
    assert max(rises) <= EXCESS_C


def test_little_work_is_lost_to_caution(outcomes: list[Outcome]) -> None:
    """Against a schedule that knows the device and the future."""
    seeing = [one for one in outcomes if not one.has_fault and not one.is_doomed]
    ratios = [one.ratio for one in seeing if one.ratio is not None]

    assert sum(ratios) / len(ratios) >= 0.93


@pytest.mark.parametrize("seed", range(700, 712))
def test_no_even_schedule_beats_the_oracle(seed: int) -> None:
    """The yardstick must be the best, or the share of it says nothing."""
    trace = draw_trace(seed)
    best_s = best_work_s(trace)
    rng = random.Random(seed)  # noqa: S311
    for _ in range(5):
        duty, device, worked_s = (
            rng.random(),
            Device(trace.device, trace.ambient_c[0], GRID_S),
            0.0,
        )
        world = zip(trace.ambient_c, trace.tenant, trace.fan, strict=True)
        for ambient_c, tenant, fan in world:
            allowed = device.most_load(LIMIT_C, tenant, ambient_c, fan)
            load = min(duty, allowed)
            device.step(tenant + load, ambient_c, fan)
            worked_s += load * GRID_S
        assert worked_s <= best_s + 1e-6


@pytest.mark.parametrize("die_share", [0.0, 0.25])
def test_the_simulated_device_settles_where_its_constants_say(
    die_share: float,
) -> None:
    """First or second order, with and without its fan."""
    kind = DeviceKind(tau_s=60.0, rise_c=45.0, idle_c=10.0, die_share=die_share)
    device = Device(kind, 20.0)
    for fan in (1.0, 2.0):
        for _ in range(10_000):
            reached_c = device.step(0.5, 20.0, fan)
        assert reached_c == pytest.approx(settles_at(kind, 0.5, 20.0, fan), abs=0.1)


def test_the_table_is_printed_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """One object on stdout; the exit code says whether anything was unsafe."""
    assert run_heat(12, 1000, True) == 0

    answer = json.loads(capsys.readouterr().out)
    assert answer["schema"] == "clemd.bench.heat/1"
    assert not answer["tuned_on"]
    assert [row["kind"] for row in answer["kinds"]] == [
        draw_trace(1000 + number).kind for number in range(12)
    ]
    assert all(row["met"] is not False for row in answer["rows"])
