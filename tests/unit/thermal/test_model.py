"""The device is learnt from its work, and holding it does not unlearn it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clemd.thermal import ThermalModel


class Device:
    """The law itself, with a thermometer of whole degrees."""

    def __init__(self, *, rest_c: float, rise_c: float, tau_s: float) -> None:
        self.rest_c, self.rise_c, self.tau_s = rest_c, rise_c, tau_s
        self.now_c = rest_c

    def work(self, duty: float, seconds: float = 1.0) -> float:
        """Go on; the reading."""
        share = 1.0 - math.exp(-seconds / self.tau_s)
        self.now_c += (self.rest_c + self.rise_c * duty - self.now_c) * share
        return float(round(self.now_c))


@pytest.mark.parametrize("tau_s", [30.0, 60.0, 120.0])
@pytest.mark.parametrize("rise_c", [25.0, 45.0, 80.0])
def test_after_some_jobs_the_device_is_known(tau_s: float, rise_c: float) -> None:
    """Its constants vary by a factor of four from card to card."""
    device = Device(rest_c=38.0, rise_c=rise_c, tau_s=tau_s)
    model, rng = ThermalModel(), random.Random(1)  # noqa: S311
    for _ in range(30):
        duty = rng.choice((0.0, 0.5, 1.0))
        for _ in range(20):
            model.observe(device.work(duty), duty=duty, seconds=1.0)

    fit = model.fit
    assert fit.is_known
    assert fit.settles_c(1.0) == pytest.approx(38.0 + rise_c, abs=0.2 * rise_c)
    assert fit.tau_s == pytest.approx(tau_s, rel=0.7)


def test_holding_a_temperature_does_not_unlearn_the_device() -> None:
    """Under control the duty follows the temperature.

    Naive forgetting would take the controller's habits for the device's.
    """
    device = Device(rest_c=50.0, rise_c=60.0, tau_s=60.0)
    model, reading_c = ThermalModel(), 50.0
    for _ in range(1800):
        duty = min(1.0, max(0.0, 0.55 + 0.15 * (83.0 - reading_c)))
        reading_c = device.work(duty)
        model.observe(reading_c, duty=duty, seconds=1.0)

    assert model.fit.rise_c > 30.0
    assert model.fit.settles_c(0.55) == pytest.approx(83.0, abs=2.0)


def test_a_forecast_covers_the_peak() -> None:
    """What a job is admitted by must not be the mean of what may come."""
    rng, covered, asked = random.Random(2), 0, 0  # noqa: S311
    for _ in range(40):
        device = Device(
            rest_c=rng.uniform(25, 50),
            rise_c=rng.uniform(22, 90),
            tau_s=rng.uniform(30, 120),
        )
        model, reading_c = ThermalModel(), device.rest_c
        for _ in range(12):
            duty, seconds = rng.choice((0.0, 1.0)), rng.randint(10, 40)
            told = model.forecast(reading_c, work_s=seconds)
            for _ in range(seconds):
                reading_c = device.work(duty)
                model.observe(reading_c, duty=duty, seconds=1.0)
            if duty and model.fit.windows > 20:
                asked += 1
                covered += device.now_c <= told.highest_c + 0.5

    assert asked > 50
    assert covered / asked >= 0.95


def test_less_is_promised_where_less_is_known() -> None:
    """The margin of a forecast shrinks with what was seen."""
    device, model = Device(rest_c=40.0, rise_c=45.0, tau_s=60.0), ThermalModel()
    model.observe(40.0, duty=0.0, seconds=1.0)
    before = model.forecast(40.0, work_s=60.0).margin_c
    for second in range(600):
        duty = float(second // 60 % 2)
        model.observe(device.work(duty), duty=duty, seconds=1.0)

    assert model.forecast(device.now_c, work_s=60.0).margin_c < 0.5 * before


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-30, 150), st.floats(0, 1), st.floats(0.1, 900)),
        min_size=1,
        max_size=80,
    )
)
def test_whatever_is_seen_the_fit_stays_sensible(
    looks: list[tuple[float, float, float]],
) -> None:
    """A broken sensor must not make it divide by zero or forecast infinity."""
    model = ThermalModel()
    for value_c, duty, seconds in looks:
        model.observe(value_c, duty=duty, seconds=seconds)

    fit, told = model.fit, model.forecast(50.0, work_s=30.0)
    assert -20.0 <= fit.rest_c <= 140.0 or fit.windows == 0
    assert 3.0 <= fit.rise_c <= 140.0
    assert math.isfinite(told.highest_c)
    assert told.margin_c > 0
