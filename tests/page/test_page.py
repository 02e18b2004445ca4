"""What the page says is current, complete, and never more than text."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=`owned`"><script>alert(1)</script>.tif'


def test_verdict_stands_there_in_words(page: Any) -> None:
    """With its radius and its reasons, not only in colour."""
    page.locator("#badge.accepted").wait_for()

    assert "Accepted" in page.locator("#verdict h2").inner_text()
    text = page.locator("#verdict").inner_text()
    assert "300 nm" in text
    assert "14 of 16 tiles agree" in text


def test_pixel_sizes_that_disagree_are_pointed_out(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Metadata is wrong by several per cent often enough; both values are shown."""
    page.locator("#badge.accepted").wait_for()
    assert page.locator("#ratio-warning").count() == 0
    running.emit(
        registration_of(truth.matrix, registration_id="reg-2", metadata_ratio=3.8)
    )
    warning = page.locator("#ratio-warning")
    warning.wait_for()

    assert "3.8000" in warning.inner_text()
    assert "4.0000" in warning.inner_text()
    assert "+5.3 %" in warning.inner_text()


def test_lost_daemon_is_said_and_its_return_noticed(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """What happened in between is not lost: the stream goes on where it stopped."""
    page.locator("#line[data-state=live]").wait_for()
    port = int(running.url.split(":")[2].partition("/")[0])
    running.stop()
    page.locator("#banner", has_text="may be out of date").wait_for()
    running.emit(
        registration_of(truth.matrix, verdict="review", registration_id="reg-2")
    )
    running.start(port)
    page.locator("#line[data-state=live]").wait_for()

    page.locator("#badge.review").wait_for()
    assert page.locator("#banner").is_hidden()


def test_daemon_that_hangs_is_noticed(page: Any, running: Any) -> None:
    """Its socket stays open and says nothing: only the missing heartbeat tells."""
    page.locator("#line[data-state=live]").wait_for()
    until = threading.Event()
    running.hang(until)
    page.locator("#banner", has_text="may be out of date").wait_for()
    until.set()

    page.locator("#line[data-state=live]").wait_for()


def test_file_name_is_only_ever_text(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Whoever can save a file would otherwise run code in the operator's browser."""
    page.locator("#badge.accepted").wait_for()
    file = {"topic": "file", "file_id": 9, "root": HOSTILE, "name": HOSTILE}
    running.emit(file | {"state": "refused", "reason": HOSTILE, "revision": 1})
    result = registration_of(truth.matrix, registration_id=HOSTILE, pair_id=HOSTILE)
    result["registration"] |= {"reasons": [HOSTILE], "warnings": [HOSTILE]}
    running.emit(
        result | {"em_file": HOSTILE, "lm_file": HOSTILE, "outputs": {HOSTILE: "x"}}
    )
    thermal = {"topic": "thermal", "state": "hot", "sensor": HOSTILE}
    running.emit(thermal | {"temperature_c": 90.0, "limit_c": 85.0, "reason": HOSTILE})
    job = {"topic": "job", "job_id": 1, "kind": HOSTILE, "state": "leased"}
    running.emit(job | {"subject": HOSTILE, "reason": HOSTILE})
    pair = {"topic": "pair", "pair_id": HOSTILE, "em_frame_id": HOSTILE}
    running.emit(pair | {"lm_frame_id": None, "state": "waiting", "reasons": [HOSTILE]})
    page.locator("#waiting button").wait_for()

    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    assert "owned" not in page.title()
    assert "onerror" in page.locator("#files").inner_text()


def test_results_are_reached_by_keyboard(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """`n` and `p` step; stepping away stops following the newest."""
    running.emit(
        registration_of(truth.matrix, registration_id="reg-2", pair_id="pair-2")
    )
    page.locator("#results li:nth-child(2)").wait_for()
    page.keyboard.press("n")
    current = page.locator("#results button[aria-current=true]")

    assert current.locator("xpath=..").get_attribute("data-key") == "reg-1"
    assert not page.locator("#follow").is_checked()
    running.emit(
        registration_of(truth.matrix, registration_id="reg-3", pair_id="pair-3")
    )
    page.locator("#results li:nth-child(3)").wait_for()
    assert current.locator("xpath=..").get_attribute("data-key") == "reg-1"


def test_command_says_what_became_of_it(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Also when it was declined, and by whom it is carried out is not the page's."""
    page.get_by_role("button", name="Try again").click()
    page.locator("#said", has_text="retry noted").wait_for()
    page.get_by_role("button", name="Reject").click()
    page.locator("#said", has_text="it is in use").wait_for()

    assert running.world.asked[0] == ("retry", {"registration_id": "reg-1"})


def test_operators_decision_is_told_apart_from_the_programs(
    page: Any, running: Any, truth: Any, registration_of: Any
) -> None:
    """Overruled results say so, hide what was rejected, and can be undone."""
    message = registration_of(truth.matrix)
    running.emit(message | {"verdict": "rejected"})
    page.locator("#badge.rejected").wait_for()

    assert "The program said: accepted" in page.locator("#verdict").inner_text()
    assert "Rejected by the operator" in page.locator("#notice").inner_text()
    page.get_by_role("button", name="Undo").click()
    page.locator("#said", has_text="undo noted").wait_for()
    assert running.world.asked == [("undo", {"registration_id": "reg-1"})]


def test_image_without_partner_is_named_and_can_be_looked_at(
    page: Any, running: Any, frame_of: Any, file_of: Any
) -> None:
    """The operator sees at once that the map is missing."""
    running.emit(file_of(7, "day 1/em-7.tif"))
    running.emit(frame_of("em-7", "em", (1500, 1200), 0.05))
    pair = {"topic": "pair", "pair_id": None, "em_frame_id": "em-7"}
    running.emit(
        pair | {"lm_frame_id": None, "state": "waiting", "reasons": ["no map yet"]}
    )
    page.locator("#waiting button", has_text="no map yet").click()

    page.locator("#verdict", has_text="No partner yet").wait_for()
    assert "em-7.tif" in page.locator("#verdict").inner_text()
    paired = pair | {"pair_id": "pair-7", "lm_frame_id": "lm-1"}
    running.emit(paired | {"state": "done", "reasons": []})
    page.locator("#waiting-box").wait_for(state="hidden")


def test_stranger_is_told_how_to_sign_in(browser: Any, running: Any) -> None:
    """An old bookmark leads to a sentence, not to an empty screen."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(running.url.partition("?")[0])
    page.locator("#banner", has_text="Open the address").wait_for()

    assert page.locator("#results button").count() == 0
    context.close()


def test_browser_that_cannot_draw_still_shows_verdicts(
    browser: Any, running: Any
) -> None:
    """Instrument computers have old graphics drivers."""
    context = browser.new_context()
    context.add_init_script(
        "HTMLCanvasElement.prototype.getContext = ((old) => function (kind, ...more) {"
        "  return kind === 'webgl2' ? null : old.call(this, kind, ...more);"
        "})(HTMLCanvasElement.prototype.getContext)"
    )
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda failed: failures.append(str(failed)))
    page.goto(running.url)
    page.locator("#port", has_text="cannot draw the overlay").wait_for()
    page.locator("#verdict", has_text="Accepted").wait_for()

    assert failures == []
    context.close()


def test_every_control_has_a_name(page: Any) -> None:
    """A screen reader, and the operator's neighbour, must know what a button does."""
    page.locator("#layer-rows .layer").first.wait_for()
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, [role=slider], a')]
          .filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length))
          .map((e) => e.outerHTML)"""
    )

    assert nameless == []
