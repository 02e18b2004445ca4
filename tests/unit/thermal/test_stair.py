"""Power is lowered before jobs wait, step by step, and comes back by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clemd.config import ThermalSettings
from clemd.model import LeverState, ThermalState
from clemd.thermal import LeverStep, Stair, steps_of

FOUND = LeverState(card="GPU-1", power_limit_w=250.0, least_power_w=100.0)
COOL, WARM, HOT, BLIND = ThermalState
SETTINGS = ThermalSettings.model_validate(
    {"power_limit_w": {"min": 160, "step": 40}, "lock_clocks_mhz": {"max": 1200}}
)


def stair() -> Stair:
    """Three steps down: 210, 170, 160 W."""
    return Stair(steps_of(SETTINGS, FOUND), warm_c=75.0, dwell_s=10.0)


def test_steps_go_down_to_the_floor_of_the_profile() -> None:
    """The last one is the floor itself, whatever the step."""
    steps = steps_of(SETTINGS, FOUND)
    assert steps[0] == LeverStep()
    assert [one.power_limit_w for one in steps[1:]] == [210.0, 170.0, 160.0]
    assert {one.clocks_mhz for one in steps[1:]} == {(210, 1200)}


@pytest.mark.parametrize(
    ("thermal", "found", "powers"),
    [
        ({}, FOUND, []),
        ({"power_limit_w": {"min": 250}}, FOUND, []),
        ({"power_limit_w": {"min": 400}}, FOUND, []),
        ({"power_limit_w": {"min": 10, "step": 100}}, FOUND, [150.0, 100.0]),
        ({"power_limit_w": {"min": 10}}, LeverState(card="GPU-2"), []),
        ({"lock_clocks_mhz": {"max": 900}}, FOUND, [None]),
    ],
    ids=["nothing", "at the floor", "above", "the card's own", "not told", "clocks"],
)
def test_no_lever_is_used_beyond_profile_and_card(
    thermal: dict[str, object], found: LeverState, powers: list[float | None]
) -> None:
    """A limit is never raised above what was found, nor set below what a card takes."""
    steps = steps_of(ThermalSettings.model_validate(thermal), found)
    assert [one.power_limit_w for one in steps[1:]] == powers


def test_warm_lowers_a_step_after_each_dwell_and_cool_raises_it_again() -> None:
    """One step at a time: each needs a while to show."""
    one = stair()
    down = [one.step(s, WARM, 77.0, duty=1.0, goal_c=83.0) for s in range(40)]
    assert [down.index(step) for step in one.steps] == [0, 10, 20, 30]
    up = [one.step(100.0 + s, COOL, 60.0, duty=1.0, goal_c=83.0) for s in range(100)]
    assert [up.index(step) for step in reversed(one.steps)] == [0, 30, 60, 90]


def test_warm_device_that_is_cooling_is_left_as_it_is() -> None:
    """Within the hysteresis: else the stair would overshoot at each way down."""
    one = stair()
    assert {one.step(s, WARM, 73.0, duty=1.0, goal_c=83.0) for s in range(300)} == {
        LeverStep()
    }


def test_slowed_jobs_press_and_heat_goes_down_at_once() -> None:
    """Before anything is put off, and long before the dwell is over."""
    one = stair()
    pressed = [one.step(s, COOL, 82.0, duty=0.6, goal_c=83.0) for s in range(5)]
    assert [pressed.index(step) for step in one.steps[:3]] == [0, 2, 4]
    assert one.step(5.0, HOT, 86.0, duty=1.0, goal_c=83.0) == one.steps[-1]


def test_duty_of_jobs_that_are_gone_presses_nobody() -> None:
    """It is remembered for the next job; a cool device gets its power back."""
    one = stair()
    one.step(0.0, HOT, 86.0, duty=0.5, goal_c=83.0)
    for s in range(1, 100):
        one.step(s, COOL, 50.0, duty=0.5, goal_c=83.0)
    assert one.now == LeverStep()


def test_unseen_device_keeps_what_is_set() -> None:
    """Nobody knows whether it has cooled."""
    one = stair()
    one.step(0.0, HOT, 90.0, duty=1.0, goal_c=83.0)
    kept = {one.step(s, BLIND, None, duty=0.0, goal_c=83.0) for s in range(1, 600)}
    assert kept == {one.steps[-1]}


LOOKS = st.lists(
    st.tuples(
        st.floats(0.1, 20.0),
        st.sampled_from([COOL, WARM, HOT, BLIND]),
        st.none() | st.floats(20.0, 100.0),
        st.floats(0.0, 1.0),
    ),
    max_size=200,
)


@given(LOOKS)
def test_levers_move_one_step_at_a_time_and_never_leave_the_stair(
    looks: list[tuple[float, ThermalState, float | None, float]],
) -> None:
    """Whatever a device does; only heat goes down at once, nothing goes up at once."""
    one, now_s = stair(), 0.0
    for pause_s, state, celsius, duty in looks:
        now_s += pause_s
        before = one.level
        step = one.step(now_s, state, celsius, duty=duty, goal_c=83.0)
        assert step is one.steps[one.level]
        if state is HOT:
            assert one.level == len(one.steps) - 1
        else:
            assert abs(one.level - before) <= 1
