"""Which engine has spoken, and what a second one says of a result in doubt."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

SAID = "two engines disagree by 41.0 LM px, 2.1 are allowed"


def second(agreement: str, apart: float | None) -> dict[str, Any]:
    """What the daemon tells of the other engine."""
    return {
        "engine": "mine",
        "engine_version": "1",
        "agreement": agreement,
        "apart_lm_px": apart,
        "allowed_lm_px": 2.1,
        "verdict": "review",
        "confidence": 0.5,
        "device": "cpu",
        "seconds": 31.0,
        "sentence": SAID,
    }


def rows(page: Any) -> dict[str, str]:
    """The figures beside the verdict."""
    names = page.locator("#verdict dt").all_inner_texts()
    return dict(zip(names, page.locator("#verdict dd").all_inner_texts(), strict=True))


def doubtful(running: Any, registration_of: Any, truth: Any, **more: Any) -> None:
    """The result goes to review."""
    body = registration_of(truth.matrix, verdict="review", **more)
    if body.get("second"):
        body["registration"]["reasons"].insert(0, SAID)
    running.emit(body)


def test_engines_and_their_disagreement_are_named(
    page: Any, running: Any, registration_of: Any, truth: Any
) -> None:
    """The verdict stays; the first reason is that two engines differ."""
    doubtful(running, registration_of, truth)
    page.locator("#badge.review").wait_for()
    assert "Second engine" not in rows(page)
    doubtful(running, registration_of, truth, second=second("disagrees", 41.0))
    page.locator("#verdict .reasons li", has_text=SAID).wait_for()

    assert page.locator("#verdict .reasons li").first.inner_text() == SAID
    assert rows(page)["Engine"] == "multimodal on cpu"
    assert rows(page)["Second engine"] == "mine disagrees, 41 LM px apart"
    assert page.locator("#badge.review").is_visible()


def test_an_engine_without_an_answer_is_named_too(
    page: Any, running: Any, registration_of: Any, truth: Any
) -> None:
    """Silence is no agreement."""
    doubtful(running, registration_of, truth, second=second("silent", None))
    page.locator("#verdict dd", has_text="mine has no answer").wait_for()


def test_who_waits_sees_that_somebody_is_asked(
    page: Any, running: Any, registration_of: Any, truth: Any
) -> None:
    """A click on Accept may wait for half a minute."""
    doubtful(running, registration_of, truth)
    job = {"topic": "job", "job_id": 9, "kind": "second", "subject": "reg-1"}
    running.emit(job | {"state": "deferred", "reason": "a more urgent job goes first"})
    page.locator("#verdict dd", has_text="is being asked").wait_for()
    running.emit(job | {"state": "done", "reason": ""})

    page.locator("#verdict dd", has_text="is being asked").wait_for(state="detached")
