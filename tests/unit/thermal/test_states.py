"""Heating acts at once, cooling must last, and nothing flaps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clemd.model import ThermalState
from clemd.thermal import StateMachine, Thresholds

COOL, WARM, HOT, BLIND = (
    ThermalState.COOL,
    ThermalState.WARM,
    ThermalState.HOT,
    ThermalState.BLIND,
)
LIMITS = Thresholds(warm_c=75, hot_c=85)


def play(*steps: tuple[float, float | None]) -> list[ThermalState]:
    """States after each (time, temperature)."""
    machine = StateMachine(LIMITS)
    return [machine.step(value, now_s=at_s) for at_s, value in steps]


def test_the_first_look_decides_at_once() -> None:
    """A daemon that starts on a hot device must not begin a job on it."""
    assert play((0, 40)) == [COOL]
    assert play((0, 75)) == [WARM]
    assert play((0, 85)) == [HOT]
    assert play((0, None)) == [BLIND]
    assert play((0, None), (1, 40)) == [BLIND, COOL]


def test_heating_acts_on_one_look() -> None:
    """Waiting for a second look lets the device pass its limit."""
    assert play((0, 40), (1, 75), (2, 85)) == [COOL, WARM, HOT]
    assert play((0, 40), (1, 99)) == [COOL, HOT]


def test_cooling_needs_the_margin_and_the_time() -> None:
    """A device that just touches its limit would switch every second."""
    assert play((0, 85), (1, 82.1), (50, 82.1)) == [HOT, HOT, HOT]
    assert play((0, 85), (1, 82), (5.9, 82), (6, 82)) == [HOT, HOT, HOT, WARM]
    assert play((0, 75), (1, 72), (6, 72)) == [WARM, WARM, COOL]


def test_cooling_starts_again_after_a_warmer_look() -> None:
    """The margin must hold for the whole time, not at its two ends."""
    steps = [(0, 85), (1, 80), (4, 83), (5, 80), (9, 80), (10, 80)]
    assert play(*steps) == [HOT, HOT, HOT, HOT, HOT, WARM]


def test_from_hot_straight_to_cool_after_a_long_rest() -> None:
    """Looks may be far apart, e.g. after the machine slept."""
    assert play((0, 90), (100, 40), (200, 40)) == [HOT, HOT, COOL]


def test_losing_sight_acts_at_once_and_seeing_again_must_last() -> None:
    """A loose sensor must not switch jobs on and off."""
    steps = [(0, 40), (1, None), (2, 40), (3, None), (4, 40), (8.9, 40), (9, 40)]
    assert play(*steps) == [COOL, BLIND, BLIND, BLIND, BLIND, BLIND, COOL]


def test_hot_is_believed_even_by_the_blind() -> None:
    """Of two mistakes, waiting in the heat is the worse."""
    assert play((0, 40), (1, None), (2, 90)) == [COOL, BLIND, HOT]


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 3),
            st.one_of(st.none(), st.floats(20, 110)),
        ),
        max_size=60,
    )
)
def test_on_any_trace_heat_is_never_missed_and_better_states_last(
    looks: list[tuple[float, float | None]],
) -> None:
    """The two promises of the drawing, for traces nobody thought of."""
    machine, now_s = StateMachine(LIMITS), 0.0
    order = [COOL, WARM, HOT]
    entered_s, before = 0.0, BLIND
    for number, (step_s, value) in enumerate(looks):
        now_s += step_s
        state = machine.step(value, now_s=now_s)
        assert (state is BLIND) >= (value is None)
        if value is not None and value >= LIMITS.hot_c:
            assert state is HOT
        improved = before in order and state in order[: order.index(before)]
        if improved and number:
            assert now_s - entered_s >= LIMITS.dwell_s
        if state is not before:
            entered_s = now_s
        before = state
