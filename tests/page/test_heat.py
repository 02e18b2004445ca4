"""The timeline of heat: what was measured is drawn, and a click overrules it."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytestmark = pytest.mark.browser
NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def at(minutes: float) -> str:
    """So many minutes before now."""
    return (NOW - timedelta(minutes=minutes)).isoformat()


def hot_hour() -> dict[str, Any]:
    """A device that warms up, is hot for ten minutes, and was not seen for five."""
    readings = []
    for minute in (m / 6 for m in range(360)):
        if 35 < minute < 40:
            continue
        value = 52 + 36 * math.exp(-(((minute - 28) / 9) ** 2))
        state = "hot" if value > 85 else "warm" if value > 75 else "cool"
        readings.append(
            {
                "reason": "",
                "at": at(60 - minute),
                "state": state,
                "temperature_c": round(value, 1),
                "power_w": None,
                "duty": 0.0 if state == "hot" else 0.55 if state == "warm" else 1.0,
                "throttle": "hw_thermal" if value > 87 else "",
            }
        )
    unseen = {"temperature_c": None, "power_w": None, "throttle": "", "duty": 0.0}
    readings += [
        unseen | {"at": at(25 - n), "state": "blind", "reason": "the sensor is lost"}
        for n in range(4)  # one a minute, then nobody looked
    ]
    readings.sort(key=lambda one: one["at"])
    jobs = [
        {
            "kind": "register",
            "subject": f"em-{n}.tif",
            "device": "cuda:0",
            "started_at": at(60 - start),
            "ended_at": at(60 - start - took),
            "busy_s": busy,
            "paused_s": took * 60 - busy,
            "outcome": outcome,
        }
        for n, (start, took, busy, outcome) in enumerate(
            [
                (2, 0.5, 30, "done"),
                (9, 0.5, 29, "done"),
                (18, 3, 70, "done"),
                (24, 1, 30, "stopped"),
                (46, 0.6, 36, "failed"),
                (52, 0.6, 36, "done"),
            ]
        )
    ]
    return {
        "since": at(60),
        "now": NOW.isoformat(),
        "sensor": "nvml:0 Card",
        "warm_c": 75.0,
        "hot_c": 85.0,
        "readings": readings,
        "jobs": jobs,
    }


@pytest.fixture
def opened(page: Any, running: Any) -> Any:
    """The page with the panel open."""
    running.world.timeline = hot_hour()
    running.world.state["verbs"] = ["thermal", "first"]
    thermal = {"topic": "thermal", "state": "warm", "sensor": "nvml:0 Card"}
    more = {"temperature_c": 76.0, "reason": "76 °C: jobs work 55 % of the time"}
    running.emit(thermal | more)
    page.reload()
    page.locator("#line[data-state=live]").wait_for()
    running.emit(thermal | more | {"reason": "77 °C: jobs work 50 % of the time"})
    page.locator("#thermal").click()
    page.locator("#heat svg").wait_for()
    return page


def test_timeline_draws_what_was_measured(opened: Any) -> None:
    """Peak at its time, a gap where nothing was seen, each try of a job a bar."""
    box = opened.locator("#heat svg").evaluate(
        """svg => {
             const line = svg.querySelector("path.heat");
             const points = line.getAttribute("d").match(/[ML][^ML]*/g)
               .map((p) => p.slice(1).split(" ").map(Number));
             const top = points.reduce((a, b) => (b[1] < a[1] ? b : a));
             const hot = Number(svg.querySelector("line.hot").getAttribute("y1"));
             return { pieces: line.getAttribute("d").match(/M/g).length,
                      top, hot, points: points.length,
                      jobs: svg.querySelectorAll("g.job").length,
                      failed: svg.querySelectorAll("g.job.failed").length,
                      slowed: svg.querySelectorAll(".slowed").length };
           }"""
    )

    assert box["pieces"] == 2
    assert (box["jobs"], box["failed"]) == (6, 1)
    assert box["slowed"] > 0
    left, right = 40, 620 - 52
    assert box["top"][0] == pytest.approx(left + 28 / 60 * (right - left), abs=5)
    assert box["top"][1] < box["hot"]
    said = opened.locator("#heat-state").inner_text()
    assert said == "nvml:0 Card: 77 °C: jobs work 50 % of the time"


def test_times_in_which_nothing_was_seen_are_marked(opened: Any) -> None:
    """A gap in the line could as well be a daemon that did not run."""
    spans = opened.locator("#heat svg rect.blind").evaluate_all(
        """all => all.map((r) => [Number(r.getAttribute("x")),
             Number(r.getAttribute("width")), r.textContent])"""
    )

    left, right = 40, 620 - 52
    minute = (right - left) / 60
    ((start, wide, said),) = spans
    assert start == pytest.approx(left + 35 * minute, abs=1)
    assert wide == pytest.approx(4.25 * minute, abs=1)
    assert said.endswith("not seen, the sensor is lost")


def test_chip_has_no_old_value_for_a_device_that_is_not_seen(
    opened: Any, running: Any
) -> None:
    """The last temperature says nothing of now."""
    running.emit({"topic": "thermal", "state": "blind", "reason": "lost"})
    opened.locator("#thermal[data-state=blind]").wait_for()

    assert opened.locator("#thermal-text").inner_text() == "not seen"


def test_pause_is_asked_for_with_its_end(opened: Any, running: Any) -> None:
    """Time-limited, told back, and the button shows that it holds."""
    opened.locator("#heat-wishes [data-wish=pause]").click()
    opened.locator("#heat-said", has_text="thermal noted").wait_for()
    running.emit(
        {
            "topic": "thermal",
            "state": "warm",
            "temperature_c": 76.0,
            "reason": "paused by the operator until 10:15 UTC",
            "wish": "pause",
        }
    )
    opened.locator("#heat-wishes [data-wish=pause][aria-pressed=true]").wait_for()

    assert ("thermal", {"wish": "pause", "seconds": 900}) in running.world.asked
    assert "paused by the operator" in opened.locator("#thermal-text").inner_text()
    assert opened.locator("#heat-wishes [data-wish=none]").is_enabled()


def test_panel_leaves_by_key(opened: Any) -> None:
    """And the timeline is not asked for while nobody looks."""
    opened.keyboard.press("Escape")

    assert opened.locator("#heat").is_hidden()
    assert opened.locator("#thermal").get_attribute("aria-expanded") == "false"
