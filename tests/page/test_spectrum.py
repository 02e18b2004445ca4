"""The spectrum under the cursor: of the place that is looked at, its axis named."""

from __future__ import annotations

import time
from typing import Any

import pytest

from clemd.errors import UsageError

pytestmark = pytest.mark.browser
AXIS = [600.0 + 10 * n for n in range(100)]
CUBE = {
    "axis_name": "wavenumber",
    "unit": "1/cm",
    "bands": len(AXIS),
    "first": AXIS[0],
    "last": AXIS[-1],
}


def spectrum_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """One band at 1000 1/cm, the higher the further right; a hole at 700."""
    x, _ = arguments["px"]
    values: list[float | None] = [
        20 + (100 + x) / (1 + ((at - 1000) / 25) ** 2) for at in AXIS
    ]
    values[10] = None
    return {
        "schema": "clemd.spectrum/1",
        "frame_id": arguments["frame_id"],
        "px": arguments["px"],
        "axis": AXIS,
        "axis_name": "wavenumber",
        "unit": "1/cm",
        "values": values,
        "values_name": "mean value",
        "pixels": 25,
    }


@pytest.fixture
def cube(page: Any, world: Any) -> Any:
    """The page, with an EM side that is a map of spectra."""
    world.state["frames"][0]["frame"] |= {
        "spectrum": CUBE,
        "channels": [{"name": f"{at:g} 1/cm", "kind": "spectral"} for at in AXIS],
    }
    world.state["verbs"].append("spectrum")
    world.answers["spectrum"] = spectrum_of
    page.reload()
    page.locator("#spectrum svg path.em").wait_for()
    return page


def asked(world: Any) -> list[list[int]]:
    """The places that were asked about."""
    return [given["px"] for verb, given in world.asked if verb == "spectrum"]


def move(page: Any, x: float, y: float) -> None:
    """The cursor to a place of the canvas, shares of its size."""
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_moving_over_the_overlay_shows_the_spectrum_there(
    cube: Any, world: Any, truth: Any
) -> None:
    """Axis, unit and numbers, and the very pixel that the coordinates name."""
    move(cube, 0.4, 0.6)
    cube.wait_for_function(
        """() => {
          const [x, y] = document.getElementById('em-at').textContent
            .replaceAll('\\u202f', '').match(/[\\d.]+/g).map(Number);
          return document.getElementById('spectrum-where').textContent
            .replaceAll('\\u202f', '')
            .includes(`EM ${Math.round(x)}, ${Math.round(y)} px`);
        }"""
    )
    x, y = asked(world)[-1]

    assert world.asked[-1][1] == {"frame_id": "em-1", "px": [x, y], "radius_px": 2}
    assert cube.locator("#spectrum svg .name").all_text_contents() == [
        "wavenumber (1/cm)",
        "mean value",
    ]
    assert cube.locator("#spectrum-read").inner_text() == (
        f"Largest at 1000 1/cm: {120 + x}"
    )
    assert "mean of 25 px" in cube.locator("#spectrum-where").inner_text()
    line = cube.locator("#spectrum svg path.em").get_attribute("d")
    assert line.count("M") == 2, "a hole is a gap, not a zero"


def test_a_hand_that_is_quicker_than_the_answers_asks_only_where_it_stops(
    cube: Any, world: Any
) -> None:
    """One question at a time: a thousand would keep the worker busy for minutes."""
    before = len(asked(world))
    world.answer_s = 0.5
    began_s = time.monotonic()
    for step in range(60):
        move(cube, 0.3 + step / 200, 0.5)
    moved_s = time.monotonic() - began_s
    cube.wait_for_timeout(1500)
    places = asked(world)[before:]

    assert 1 <= len(places) <= 2 + moved_s / world.answer_s
    label = cube.locator("#em-at").inner_text().replace("\u202f", "")
    assert places[-1][0] == round(float(label.split(",")[0]))


def test_a_kept_line_stays_to_compare_with(cube: Any) -> None:
    """Two places against each other, which is what spectra are for."""
    move(cube, 0.4, 0.5)
    cube.locator("#spectrum-keep").click()
    move(cube, 0.6, 0.5)
    cube.locator("#spectrum svg path.kept").wait_for()
    assert cube.locator("#spectrum-keep").get_attribute("aria-pressed") == "true"
    cube.locator("#spectrum-keep").click()

    cube.locator("#spectrum svg path.kept").wait_for(state="detached")


def test_without_a_mouse_the_middle_of_the_view_counts(cube: Any, world: Any) -> None:
    """Arrow keys move the image; on the plot they read band by band, in words."""
    first = asked(world)[-1]
    assert first == [750, 600]
    cube.locator("#layers input").first.focus()
    for _ in range(40):
        cube.keyboard.press("Shift+Tab")
        if cube.evaluate("document.activeElement.id") == "view":
            break
    cube.keyboard.press("ArrowRight")
    cube.wait_for_timeout(400)
    moved = asked(world)[-1]
    assert moved[0] > first[0]
    assert moved[1] == first[1]

    plot = cube.locator("#spectrum-plot")
    plot.focus()
    cube.keyboard.press("Home")
    assert plot.get_attribute("aria-valuetext").startswith("600 1/cm: ")
    for _ in range(10):
        cube.keyboard.press("ArrowRight")
    assert plot.get_attribute("aria-valuetext") == "700 1/cm: no value"
    assert cube.locator("#spectrum-read").inner_text() == "700 1/cm: no value"
    assert cube.locator("#spectrum svg line.mark").count() == 1


def test_what_cannot_be_read_is_said_once_in_words(cube: Any, world: Any) -> None:
    """The daemon's own line; the last spectrum is not passed off as this place's."""

    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise UsageError("cannot look into the image: it is gone", "a.wdf", "ask again")

    world.answers["spectrum"] = refuse
    before = len(asked(world))
    move(cube, 0.45, 0.5)
    cube.locator("#spectrum-where", has_text="cannot look into the image").wait_for()
    cube.wait_for_timeout(500)

    assert len(asked(world)) == before + 1


def test_a_cube_is_one_layer(cube: Any) -> None:
    """A thousand bands are no thousand rows to switch on and off."""
    names = cube.locator("#layer-rows .name").all_inner_texts()

    assert len(names) == 2
    assert "100 bands" in names[0]


def test_images_without_spectra_have_no_such_card(page: Any, world: Any) -> None:
    """Nearly all pairs: nothing is shown, and nothing is asked."""
    page.locator("#badge.accepted").wait_for()
    move(page, 0.5, 0.5)
    page.wait_for_timeout(200)

    assert page.locator("#spectrum").is_hidden()
    assert asked(world) == []
