"""A pairing that may be wrong is called so, and is put right where that is said."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser

DOUBT = "2 maps are equally likely by what the files say"


def pair_of(pair_id: str, lm: str, state: str = "done", doubt: str = DOUBT) -> Any:
    """A pair message of the EM image on a map."""
    return {
        "topic": "pair",
        "pair_id": pair_id,
        "em_frame_id": "em-1",
        "lm_frame_id": lm,
        "state": state,
        "reasons": ["the names agree"],
        "doubt": doubt,
    }


def second_map(running: Any, *, position: int | None = None) -> None:
    """Another light map, of a file of its own."""
    file = {"topic": "file", "file_id": 3, "root": "exports", "name": "lm-2.czi"}
    running.emit(file | {"state": "read", "reason": "", "revision": 1})
    running.emit(
        {
            "topic": "frame",
            "frame_id": "lm-3",
            "file_id": 3,
            "side": "lm",
            "session": "s1",
            "position": position,
            "frame": {"shape": [480, 640], "channels": [{"name": "GFP"}]},
        }
    )


def test_doubtful_pairing_names_both_maps(page: Any, running: Any, world: Any) -> None:
    """The operator knows which of them it is; the program says that it does not."""
    page.locator("#badge.accepted").wait_for()
    assert page.locator("#doubt").count() == 0
    second_map(running)
    running.emit(pair_of("pair-2", "lm-3"))
    running.emit(pair_of("pair-1", "lm-1"))
    text = page.locator("#doubt")
    text.wait_for()

    assert DOUBT in text.inner_text()
    assert "Shown on lm-1.tif; it may belong on lm-2.czi." in text.inner_text()


def test_other_map_is_one_click_away(page: Any, running: Any, world: Any) -> None:
    """By the same command that programs and the command line use."""
    world.state["verbs"].append("pair")
    page.reload()
    page.locator("#badge.accepted").wait_for()
    second_map(running)
    running.emit(pair_of("pair-2", "lm-3"))
    running.emit(pair_of("pair-1", "lm-1"))
    page.locator("#doubt button", has_text="Put it on lm-2.czi").click()
    page.locator("#said", has_text="pair noted").wait_for()

    assert world.asked == [("pair", {"em_frame_id": "em-1", "lm_frame_id": "lm-3"})]


def test_doubt_goes_when_a_person_has_decided(
    page: Any, running: Any, world: Any
) -> None:
    """What was told by hand is not asked again."""
    page.locator("#badge.accepted").wait_for()
    second_map(running)
    running.emit(pair_of("pair-2", "lm-3"))
    running.emit(pair_of("pair-1", "lm-1"))
    page.locator("#doubt").wait_for()
    running.emit(pair_of("pair-2", "lm-3", "overruled", ""))
    running.emit(pair_of("pair-1", "lm-1", "proposed", ""))

    page.locator("#doubt").wait_for(state="detached")


def test_scenes_of_one_file_are_told_apart(page: Any, running: Any, world: Any) -> None:
    """A slide of six sections waits as six rows, not as one name six times."""
    page.locator("#badge.accepted").wait_for()
    second_map(running, position=4)
    running.emit(
        {"topic": "pair", "pair_id": None, "em_frame_id": None, "lm_frame_id": "lm-3"}
        | {"state": "waiting", "reasons": ["no EM image fits it yet"], "doubt": ""}
    )

    page.locator("#waiting .name", has_text="lm-2.czi #5").wait_for()
