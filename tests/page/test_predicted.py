"""What is foretold is shown as that, and never as more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.browser


def prediction(registration: dict[str, Any]) -> dict[str, Any]:
    """The message that foretells the place of an image that is registered later."""
    known = registration["registration"]
    names = ("session", "em_frame_id", "lm_frame_id", "em_file", "lm_file")
    return {name: registration[name] for name in names} | {
        "topic": "prediction",
        "em_to_lm": known["em_to_lm"],
        "error_lm_px": {"p50": 3.0, "p95": 8.0},
        "error_um": {"p50": 0.6, "p95": 1.6},
        "epoch": 1,
        "pairs": 4,
        "reasons": ["from the stage, by 4 registered images of this session"],
    }


@pytest.fixture
def world(world: Any) -> Any:
    """Both images are there, and nothing is registered."""
    world.state["registrations"] = []
    return world


def test_prediction_is_marked_until_the_pixels_have_spoken(
    page: Any, running: Any, truth: Any, registration_of: Any, tmp_path: Path
) -> None:
    """An operator must see at a glance that nobody has looked yet."""
    result = registration_of(truth.matrix)
    running.emit(prediction(result))
    badge = page.locator("#badge.predicted")
    badge.wait_for()
    assert "unchecked" in badge.inner_text()
    assert "1.6" in badge.inner_text()
    assert page.locator("#verdict button").count() == 0
    page.screenshot(path=tmp_path / "predicted.png")
    running.emit(result)
    page.locator("#badge.accepted").wait_for()
    assert page.locator("#badge.predicted").count() == 0
    assert page.locator("#results li").count() == 1


def test_late_prediction_does_not_hide_a_result(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Messages may be replayed; what the pixels said stands."""
    result = registration_of(truth.matrix)
    running.emit(result)
    page.locator("#badge.accepted").wait_for()
    running.emit(prediction(result))
    running.emit(result | {"registration_id": "reg-2", "best": False})
    page.locator("#results li:nth-child(2)").wait_for()
    assert page.locator("#results .predicted").count() == 0


def test_contradiction_is_told_beside_the_result(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """The old transform is gone; the operator learns why, with the value."""
    running.emit(registration_of(truth.matrix))
    doubt = {
        "topic": "session",
        "session": "s1",
        "lm_frame_id": "lm-1",
        "epoch": 2,
        "standing": "doubted",
        "event": "retired",
        "reason": "turned by 7.00 (± 0.10) degrees: the specimen was mounted again",
        "images": 1,
    }
    running.emit(doubt)
    warning = page.locator("#session-warning")
    warning.wait_for()
    assert "turned by 7.00" in warning.inner_text()
    running.emit(doubt | {"standing": "trusted", "event": "confirmed", "reason": ""})
    warning.wait_for(state="detached")


def test_reload_shows_what_was_foretold_and_what_is_in_doubt(
    page: Any, running: Any, world: Any, truth: Any, registration_of: Any
) -> None:
    """A page that is opened again, or late, tells the same as one that stayed."""
    result = registration_of(truth.matrix)
    world.state["predictions"] = [prediction(result)]
    page.reload()
    page.locator("#badge.predicted").wait_for()
    world.state["predictions"] = []
    world.state["registrations"] = [result]
    told = {
        "topic": "session",
        "session": result["session"],
        "lm_frame_id": result["lm_frame_id"],
        "epoch": 2,
        "images": 1,
    }
    world.state["transforms"] = [
        told
        | {"standing": "doubted", "event": "contradicted", "reason": "two maps differ"},
        told | {"standing": "doubted", "event": "retired", "reason": "turned by 7.00"},
    ]
    page.reload()
    page.locator("#session-warning").wait_for()
    assert "turned by 7.00" in page.locator("#session-warning").inner_text()
    assert "Two maps differ" in page.locator("#map-warning").inner_text()
