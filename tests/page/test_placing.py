"""Where no search finds it, the operator shows the page where the image lies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clemd.geometry import apply, compose, corner_errors, mirroring, similarity_through

pytestmark = pytest.mark.browser

LM_SIZE = (640, 480)
EM_POINTS = [(300.0, 250.0), (1200.0, 300.0), (700.0, 1000.0)]


@pytest.fixture
def world(world: Any, registration_of: Any, truth: Any) -> Any:
    """A pair that was rejected, in front of a daemon that takes points."""
    rejected = registration_of(truth.matrix, verdict="rejected")
    rejected["registration"] |= {"em_to_lm": None, "error_lm_px": None}
    world.state["registrations"] = [rejected]
    world.state["verbs"].append("place")
    return world


def click(page: Any, point: Any, size: tuple[int, int]) -> None:
    """Click a px of the image that stands upright, wherever the view was."""
    page.keyboard.press("f")
    box = page.locator("#view").bounding_box()
    canvas = np.array([box["width"], box["height"]])
    scale = 0.94 * min(canvas / size)
    at = (np.asarray(point) - (np.array(size) - 1) / 2) * scale + canvas / 2
    page.mouse.click(box["x"] + at[0], box["y"] + at[1])


def place(page: Any, truth: Any, matrix: Any, points: Any = EM_POINTS) -> None:
    """Click each point in the EM image and its partner in the map."""
    page.locator("[data-verb=place]").click()
    for point in points:
        page.locator("#placing-turn", has_text="EM image").wait_for()
        click(page, point, truth.em_size)
        page.locator("#placing-turn", has_text="LM map").wait_for()
        click(page, apply(matrix, [point])[0], LM_SIZE)


@pytest.mark.parametrize("mirrored", [False, True])
def test_clicked_points_reach_the_daemon_as_they_were_meant(
    page: Any, world: Any, truth: Any, mirrored: bool
) -> None:
    """In px of both images as stored; a mirror image is told by the third point."""
    matrix = truth.matrix
    if mirrored:
        matrix = compose(matrix, mirroring(truth.em_size[0]))
    place(page, truth, matrix)
    said = page.locator("#placing-said").inner_text()
    page.locator("[data-placing=send]").click()
    page.locator("#placing-turn").wait_for(state="detached")
    page.wait_for_timeout(200)
    ((verb, asked),) = world.asked
    rows = np.array(asked["points"])
    fit = similarity_through(rows[:, :2], rows[:, 2:])

    assert verb == "place"
    assert (asked["em_frame_id"], asked["lm_frame_id"]) == ("em-1", "lm-1")
    assert np.abs(rows[:, :2] - EM_POINTS).max() < 2.0  # a mouse stands on whole px
    assert fit.mirrored is mirrored
    assert ("mirrored" in said) is mirrored
    shape = truth.em_size[::-1]
    assert corner_errors(fit.matrix, matrix, shape).max() < 4.0


def test_what_was_placed_by_hand_is_never_shown_as_right(page: Any, truth: Any) -> None:
    """The picture itself says that nobody has checked it."""
    place(page, truth, truth.matrix, EM_POINTS[:2])
    badge = page.locator("#badge")
    badge.wait_for()

    assert badge.inner_text() == "By hand, unchecked"
    assert page.locator("#stage").get_attribute("data-verdict") == ""


def test_placing_can_be_taken_back_click_by_click_and_given_up(
    page: Any, world: Any, truth: Any
) -> None:
    """A slip of the hand must not cost the points before it."""
    place(page, truth, truth.matrix, EM_POINTS[:1])
    assert page.locator("[data-placing=send]").is_disabled()
    click(page, EM_POINTS[1], truth.em_size)
    page.locator("[data-placing=undo]").click()
    page.locator("#placing-turn", has_text="(point 2)").wait_for()
    page.keyboard.press("Escape")
    page.locator("#placing-turn").wait_for(state="detached")

    assert page.locator(".stamp.rejected").is_visible()
    assert world.asked == []


def test_dragging_the_picture_sets_no_point(page: Any, truth: Any) -> None:
    """One looks around for a landmark before one clicks it."""
    page.locator("[data-verb=place]").click()
    page.locator("#placing-turn").wait_for()
    box = page.locator("#view").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 20, steps=4)
    page.mouse.up()

    assert "(point 1)" in page.locator("#placing-turn").inner_text()
    assert page.locator("[data-placing=undo]").is_disabled()


def test_a_result_that_comes_meanwhile_moves_nothing_under_the_hand(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """The points would belong to another pair."""
    place(page, truth, truth.matrix, EM_POINTS[:1])
    running.emit(registration_of(truth.matrix, registration_id="reg-2"))
    page.locator("#results button", has_text="em-1").first.wait_for()
    page.wait_for_timeout(300)

    assert "(point 2)" in page.locator("#placing-turn").inner_text()
