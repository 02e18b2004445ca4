"""The overlay lies where the matrix says, and is never shown where it may not be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from clemd.geometry import apply, compose, invert, translation

pytestmark = pytest.mark.browser

# weighted middle and amount of grey (EM) and of coloured (LM) light on the canvas
READ = """() => {
  const view = document.getElementById('view');
  const copy = new OffscreenCanvas(view.width, view.height).getContext('2d');
  copy.drawImage(view, 0, 0);
  const d = copy.getImageData(0, 0, view.width, view.height).data;
  const sums = {em: [0, 0, 0], lm: [0, 0, 0]};
  for (let i = 0, n = 0; i < d.length; i += 4, n++) {
    const colour = Math.max(0, d[i] - d[i + 1]);
    const grey = colour > 2 ? 0 : d[i + 1];
    const x = n % view.width + 0.5, y = Math.floor(n / view.width) + 0.5;
    for (const [key, w] of [['em', grey], ['lm', colour]]) {
      sums[key][0] += w; sums[key][1] += w * x; sums[key][2] += w * y;
    }
  }
  return {width: view.width, height: view.height, em: sums.em, lm: sums.lm};
}"""


class Sight:
    """What can be read off the canvas, px of the screen."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.size = (facts["width"], facts["height"])
        self.em, self.em_at = self._of(facts["em"])
        self.lm, self.lm_at = self._of(facts["lm"])

    def _of(self, sums: list[float]) -> tuple[float, np.ndarray[Any, Any]]:
        total = sums[0]
        return total, np.array(sums[1:]) / max(total, 1e-9)


def look(page: Any, *, until: Any) -> Sight:
    """The canvas, once `until(sight)` holds."""
    for _ in range(80):
        sight = Sight(page.evaluate(READ))
        if until(sight):
            return sight
        page.wait_for_timeout(50)
    raise AssertionError(f"never seen: em {sight.em}, lm {sight.lm} at {sight.lm_at}")


def on_screen(
    sight: Sight, point: Any, size: tuple[int, int]
) -> tuple[np.ndarray[Any, Any], float]:
    """Where a px of an image that fits the view lies, and screen px per image px."""
    scale = 0.94 * min(sight.size[0] / size[0], sight.size[1] / size[1])
    middle = (np.array(size) - 1) / 2
    return (np.asarray(point) - middle) * scale + np.array(sight.size) / 2, scale


def zoom_onto(page: Any, point: Any) -> None:
    """Turn the wheel over a point of the canvas, which then stays where it is."""
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + point[0], box["y"] + point[1])
    page.mouse.wheel(0, -900)


def bright(sight: Sight) -> bool:
    """Is only the light image to be seen? Its faintest px count as grey."""
    return lit(sight) and sight.em < 0.05 * sight.lm


def fade(page: Any) -> None:
    """Make the light image invisible."""
    page.locator("#opacity").focus()
    page.keyboard.press("Home")


def lit(sight: Sight) -> bool:
    """Is the light image to be seen?"""
    return sight.lm > 1_500


def dark(sight: Sight) -> bool:
    """Is only the electron image to be seen?"""
    return sight.lm == 0 and sight.em > 4_000


def test_light_lies_where_the_matrix_puts_it(page: Any, truth: Any) -> None:
    """To one EM pixel: the true spots of both images lie on each other."""
    sight = look(page, until=lit)
    expected, scale = on_screen(sight, truth.em_spot, truth.em_size)
    fade(page)
    alone = look(page, until=dark)

    assert np.abs(sight.lm_at - expected).max() <= scale
    assert np.abs(alone.em_at - expected).max() <= scale


def test_placement_holds_at_high_magnification(page: Any, truth: Any) -> None:
    """A half pixel forgotten in the shader shows here, not in the whole field."""
    sight = look(page, until=lit)
    spot, scale = on_screen(sight, truth.em_spot, truth.em_size)
    cursor = np.round(spot)  # a mouse stands on whole px
    zoom_onto(page, cursor)
    # the true spot moves away from the cursor by the rounding, enlarged
    factor = np.exp(900 * 0.0015)
    expected = cursor + (spot - cursor) * factor
    zoomed = look(page, until=lambda s: s.lm > 2.5 * sight.lm)

    assert np.abs(zoomed.lm_at - expected).max() <= 0.5 * scale * factor


def test_new_matrix_moves_the_overlay_at_once(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """It arrives over the event stream; nothing is reloaded, the EM stays."""
    before = look(page, until=lit)
    moved = compose(translation(-40, 25), truth.matrix)
    running.emit(registration_of(moved, registration_id="reg-2"))
    spot = apply(invert(moved), [truth.lm_spot])[0]
    expected, scale = on_screen(before, spot, truth.em_size)
    after = look(page, until=lambda s: np.abs(s.lm_at - before.lm_at).max() > 20)

    assert np.abs(after.lm_at - expected).max() <= scale


def test_light_map_upright_puts_the_structure_on_the_light(
    page: Any, truth: Any
) -> None:
    """The other way round the same matrix holds, inverted."""
    look(page, until=lit)
    page.keyboard.press("m")
    page.keyboard.press("f")
    page.keyboard.press("k")
    page.keyboard.press("o")
    size = (640, 480)
    scale = on_screen(Sight(page.evaluate(READ)), truth.lm_spot, size)[1]
    sight = look(
        page,
        until=lambda s: (
            lit(s)
            and np.abs(s.lm_at - on_screen(s, truth.lm_spot, size)[0]).max() <= scale
        ),
    )
    fade(page)
    alone = look(page, until=dark)
    expected, _ = on_screen(sight, truth.lm_spot, size)

    assert np.abs(alone.em_at - expected).max() <= scale


def test_opacity_slider_fades_the_light(page: Any) -> None:
    """From what was shown to nothing, by keyboard."""
    full = look(page, until=lit)
    page.locator("#opacity").focus()
    for _ in range(45):
        page.keyboard.press("ArrowLeft")
    half = look(page, until=lambda s: 0 < s.lm < 0.75 * full.lm)
    page.keyboard.press("Home")

    assert half.lm > 0.2 * full.lm
    look(page, until=dark)


def test_blink_shows_the_one_and_the_other(page: Any) -> None:
    """Never both: the eye finds a shift between two pictures, not within a mixture."""
    look(page, until=lit)
    page.keyboard.press("b")
    look(page, until=bright)
    look(page, until=dark)
    page.keyboard.press("b")

    look(page, until=lambda s: lit(s) and not bright(s))


def test_curtain_divides_the_picture_where_it_is_dragged(page: Any, truth: Any) -> None:
    """EM to the left, LM to the right; the spot changes sides as the curtain passes."""
    sight = look(page, until=lit)
    spot, _ = on_screen(sight, truth.em_spot, truth.em_size)
    page.keyboard.press("c")
    handle = page.locator("#curtain")
    box = handle.bounding_box()
    view = page.locator("#view").bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(view["x"] + spot[0] + 90, middle, steps=3)
    look(page, until=dark)
    page.mouse.move(view["x"] + spot[0] - 90, middle, steps=3)
    page.mouse.up()

    look(page, until=bright)
    before = int(handle.get_attribute("aria-valuenow"))
    page.keyboard.press("ArrowRight")
    assert int(handle.get_attribute("aria-valuenow")) > before


def test_rejected_result_shows_no_light_in_any_way_of_looking(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """A wrong overlay shown as right is the worst that this page can do."""
    look(page, until=lit)
    rejected = registration_of(
        truth.matrix, verdict="rejected", registration_id="reg-2"
    )
    rejected["registration"]["reasons"] = ["no pose is better than chance"]
    running.emit(rejected)
    page.locator("#notice").wait_for(state="visible")

    assert "Not registered" in page.locator("#notice").inner_text()
    assert "no pose is better than chance" in page.locator("#verdict").inner_text()
    for key in "cbkso":
        page.keyboard.press(key)
        look(page, until=dark)
    page.keyboard.press("m")  # the map alone may be looked at, but nothing on it
    look(page, until=bright)


def test_review_is_hatched_and_named(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Not to be taken for an accepted one, not even on a grey print."""
    plain = look(page, until=lit)
    running.emit(
        registration_of(truth.matrix, verdict="review", registration_id="reg-2")
    )
    page.locator("#badge.review").wait_for()

    assert "not confirmed" in page.locator("#badge").inner_text()
    look(page, until=lambda s: 0 < s.lm < 0.95 * plain.lm)


def test_cut_off_remainder_of_a_preview_shifts_nothing(
    page: Any, running: Any, world: Any, registration_of: Any, frame_of: Any, truth: Any
) -> None:
    """20489 px binned by 11 leave 7 px over; spread out they would be 7 px of error."""
    size, spot, factor = (20_489, 1_500), (20_000.0, 700.0), 11
    at = ((spot[0] + 0.5) / factor - 0.5, (spot[1] + 0.5) / factor - 0.5)
    small = (size[0] // factor, size[1] // factor)
    cv2.imwrite(str(world.folder / "em-2_0.png"), truth.draw(small, at, 1.5))
    running.emit(frame_of("em-2", "em", size, 0.05))
    lone = registration_of(truth.matrix, verdict="rejected", registration_id="reg-2")
    running.emit(lone | {"em_frame_id": "em-2", "pair_id": "pair-2"})
    page.locator("#notice").wait_for(state="visible")
    sight = look(page, until=lambda s: s.em > 30 and s.lm == 0)
    before, scale = on_screen(sight, spot, size)
    cursor = np.round(before)
    zoom_onto(page, cursor)
    factor = np.exp(900 * 0.0015) ** 2
    expected = cursor + (before - cursor) * factor
    page.mouse.wheel(0, -900)
    zoomed = look(page, until=lambda s: np.abs(s.em_at - expected).max() < 20)

    assert np.abs(zoomed.em_at - expected).max() <= 2 * scale * factor


def test_light_is_not_laid_over_the_info_bar(
    page: Any, running: Any, frame_of: Any, truth: Any
) -> None:
    """Those rows show no specimen; seen from the map, they hide nothing either."""
    look(page, until=lit)
    rows = truth.em_size[1] - int(truth.em_spot[1]) + 150
    barred = frame_of("em-1", "em", truth.em_size, 0.05)
    running.emit(barred | {"frame": barred["frame"] | {"info_bar_rows": rows}})
    look(page, until=dark)
    page.keyboard.press("m")

    look(page, until=bright)


def test_preview_that_comes_late_is_fetched_when_it_is_there(
    page: Any, running: Any, world: Any, frame_of: Any, registration_of: Any, truth: Any
) -> None:
    """A worker makes it after the result; nobody has to press reload."""
    running.emit(frame_of("lm-2", "lm", (640, 480), 0.2))
    late = registration_of(truth.matrix, registration_id="reg-2")
    running.emit(late | {"lm_frame_id": "lm-2", "pair_id": "pair-2"})
    page.locator("#loading", has_text="not there yet").wait_for()
    source: Path = world.folder / "lm-1_0.png"
    source.rename(world.folder / "lm-2_0.png")

    look(page, until=lit)


def test_both_coordinates_stand_under_the_cursor(page: Any, truth: Any) -> None:
    """The same point in the px and µm of both images."""
    sight = look(page, until=lit)
    spot, scale = on_screen(sight, truth.em_spot, truth.em_size)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + spot[0], box["y"] + spot[1])
    texts = [page.locator(f"#{side}-at").inner_text() for side in ("em", "lm")]
    shown = [
        [float(n.replace("\u202f", "")) for n in text.split(" px")[0].split(", ")]
        for text in texts
    ]

    assert np.abs(np.array(shown[0]) - truth.em_spot).max() <= 1 / scale
    assert np.abs(np.array(shown[1]) - truth.lm_spot).max() <= 0.25 / scale
    assert all("µm" in text for text in texts)
