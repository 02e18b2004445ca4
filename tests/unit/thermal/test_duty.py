"""The controller settles, and nothing winds it up."""

from __future__ import annotations

import pytest

from clemd.thermal import ThermalFit
from clemd.thermal._duty import DutyControl
from clemd.thermal._gate import BreathingGate

FIT = ThermalFit(rest_c=55.0, rise_c=60.0, tau_s=60.0)


def settle(
    control: DutyControl, *, wrong_by_c: float = 0.0, seconds: int = 900
) -> float:
    """Where the law ends under this controller; `wrong_by_c`: the fit's rest is off."""
    now_c = 60.0
    for _ in range(seconds):
        duty = control.step(now_c, 83.0, FIT, seconds=1.0)
        now_c += (55.0 + wrong_by_c + 60.0 * duty - now_c) / 60.0
    return now_c


@pytest.mark.parametrize("wrong_by_c", [-10.0, 0.0, 10.0])
def test_the_goal_is_held_although_the_fit_is_wrong(wrong_by_c: float) -> None:
    """That is what the integral is for."""
    assert settle(DutyControl(), wrong_by_c=wrong_by_c) == pytest.approx(83.0, abs=0.2)


def test_hours_of_cold_do_not_wind_it_up() -> None:
    """After a cool night the first warm minutes must be steered as ever."""
    rested, fresh = DutyControl(), DutyControl()
    for _ in range(10_000):
        rested.step(40.0, 83.0, FIT, seconds=1.0)

    for temperature_c in (80.0, 82.0, 83.0, 84.0):
        late = rested.step(temperature_c, 83.0, FIT, seconds=1.0)
        assert late == pytest.approx(
            fresh.step(temperature_c, 83.0, FIT, seconds=1.0), abs=0.02
        )


def test_a_reading_that_does_not_move_does_not_draw_the_duty_up() -> None:
    """A stuck 82 °C would otherwise end in full speed."""
    control = DutyControl()
    settle(control)
    held = control.duty
    for second in range(300):
        control.step(82.0, 83.0, FIT, seconds=1.0, unmoved_s=float(second))

    assert control.duty <= held + 0.15


def test_a_job_rests_as_its_duty_says() -> None:
    """Half duty: as long as it has worked."""
    gate = BreathingGate()
    gate.rest(10.0, 0.4, 0.5)

    assert gate.wait_s(10.0, 0.0) == pytest.approx(0.4)
    assert gate.wait_s(10.3, 0.0) == pytest.approx(0.1)
    assert gate.wait_s(10.4, 0.0) == 0.0


def test_no_pause_is_endless() -> None:
    """At the smallest duty the gate is asked again before anybody gives up."""
    gate = BreathingGate()
    gate.rest(0.0, 100.0, 0.0)

    assert gate.wait_s(0.0, 0.0) <= 20.0
