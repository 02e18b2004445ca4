"""Heat is obeyed at once, the display never flaps, and nothing is forgotten."""

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
LIMITS = Thresholds(warm_c=75, hot_c=85, dwell_s=10)


def play(*steps: tuple[float, float | None]) -> list[ThermalState]:
    """What is shown after each (time, temperature)."""
    machine = StateMachine(LIMITS)
    return [machine.step(value, now_s=at_s) for at_s, value in steps]


def obey(*steps: tuple[float, float | None]) -> list[ThermalState]:
    """What is obeyed after each (time, temperature)."""
    machine, obeyed = StateMachine(LIMITS), []
    for at_s, value in steps:
        machine.step(value, now_s=at_s)
        obeyed.append(machine.acting)
    return obeyed


def test_the_first_look_decides_at_once() -> None:
    """A daemon that starts on a hot device must not begin a job on it."""
    assert play((0, 40)) == [COOL]
    assert play((0, 75)) == [WARM]
    assert play((0, 85)) == [HOT]
    assert play((0, None)) == [BLIND]
    assert play((0, None), (1, 40)) == [BLIND, COOL]


def test_heat_is_obeyed_on_the_very_look() -> None:
    """Waiting for the display would let the device pass its limit."""
    steps = [(0, 40), (1, 75), (2, 85), (3, None)]

    assert obey(*steps) == [COOL, WARM, HOT, BLIND]
    assert play(*steps) == [COOL, WARM, WARM, WARM]


def test_a_hot_moment_that_could_not_be_shown_is_shown_later() -> None:
    """The operator must learn of it although it was short."""
    steps = [(0, 40), (1, 75), (2, 85), (3, 74), (10, 74), (11, 74), (31, 70)]

    assert play(*steps) == [COOL, WARM, WARM, WARM, WARM, HOT, HOT]
    assert obey(*steps)[-2:] == [WARM, COOL], "it is over; nothing is held up for it"


def test_cooling_needs_the_margin_and_the_time() -> None:
    """A device that just touches its limit would switch every second."""
    assert play((0, 85), (1, 82.1), (50, 82.1)) == [HOT, HOT, HOT]
    assert play((0, 85), (1, 82), (10.9, 82), (11, 82)) == [HOT, HOT, HOT, WARM]
    assert play((0, 75), (1, 72), (11, 72)) == [WARM, WARM, COOL]


def test_cooling_starts_again_after_a_warmer_look() -> None:
    """The margin must hold for the whole time, not at its two ends."""
    steps = [(0, 85), (1, 80), (9, 83), (10, 80), (19, 80), (20, 80)]

    assert play(*steps) == [HOT, HOT, HOT, HOT, HOT, WARM]


def test_from_hot_straight_to_cool_after_a_long_rest() -> None:
    """Looks may be far apart, e.g. after the machine slept."""
    assert play((0, 90), (100, 40), (200, 40)) == [HOT, HOT, COOL]


def test_seeing_again_must_last() -> None:
    """A loose sensor must not switch jobs on and off."""
    steps = [(0, 40), (20, None), (21, 40), (22, None), (23, 40), (32, 40), (33, 40)]

    assert play(*steps) == [COOL, BLIND, BLIND, BLIND, BLIND, BLIND, COOL]


def test_hot_is_believed_even_by_the_blind() -> None:
    """Of two mistakes, waiting in the heat is the worse."""
    assert obey((0, 40), (1, None), (2, 90)) == [COOL, BLIND, HOT]


@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 6),
            st.one_of(st.none(), st.floats(20, 110)),
        ),
        max_size=60,
    )
)
def test_on_any_trace_heat_is_obeyed_and_the_display_is_calm(
    looks: list[tuple[float, float | None]],
) -> None:
    """The two promises, which seem to contradict each other, at the same time."""
    machine, now_s = StateMachine(LIMITS), 0.0
    changed_s: float | None = None
    shown: ThermalState | None = None
    for step_s, value in looks:
        now_s += step_s
        state = machine.step(value, now_s=now_s)
        if value is None:
            assert machine.acting in {BLIND, HOT}
        elif value >= LIMITS.hot_c:
            assert machine.acting is HOT
        if shown is not None and state is not shown:
            assert changed_s is None or now_s - changed_s >= LIMITS.dwell_s
            changed_s = now_s
        shown = state
