"""Every decision is kept with its reasons; the newest holds."""

from __future__ import annotations

from typing import Any

import pytest

from clemd.store import NoSuchRecordError, Store


def test_newest_decision_holds_and_the_story_stays(store: Store, facts: Any) -> None:
    """Somebody asks in a month why an image lies on that map."""
    pair = store.pair(facts.pair())
    em, lm = pair.em_frame_id, pair.lm_frame_id
    store.add_decision(em, "waiting", reasons=("no LM map has arrived yet",))
    store.add_decision(
        em, "trying", partner_id=lm, doubt="two maps", left_out={lm: "later"}
    )
    now, before = store.decisions(em)

    assert (now.state, now.partner_id, now.doubt) == ("trying", lm, "two maps")
    assert now.left_out == {lm: "later"}
    assert before.reasons == ("no LM map has arrived yet",)
    assert [row.state for row in store.newest_decisions()] == ["trying"]
    assert store.newest_decisions("waiting") == []


def test_same_decision_again_is_no_news(store: Store, facts: Any) -> None:
    """It is drawn anew whenever a file comes; the story tells changes only."""
    em = store.pair(facts.pair()).em_frame_id

    assert store.add_decision(em, "waiting", reasons=("a",))
    assert not store.add_decision(em, "waiting", reasons=("a",))
    assert store.add_decision(em, "waiting", reasons=("b",))
    assert store.add_decision(em, "waiting", reasons=("a",))
    assert len(store.decisions(em)) == 3


def test_choice_of_a_person_holds_until_the_next_word(store: Store, facts: Any) -> None:
    """What was said before it, or after it was taken back, is no choice."""
    pair = store.pair(facts.pair())
    em, lm = pair.em_frame_id, pair.lm_frame_id

    assert store.chosen_map(em) is None
    store.add_decision(em, "overruled", partner_id=lm)
    assert store.chosen_map(em) == lm
    store.add_decision(em, "waiting", reasons=("left to the rules again",))
    assert store.chosen_map(em) is None


def test_words_become_one_line(store: Store, facts: Any) -> None:
    """A file name may be part of a reason."""
    em = store.pair(facts.pair()).em_frame_id
    store.add_decision(em, "waiting", doubt="a\nb", reasons=("c\x1bd",))
    (row,) = store.decisions(em)

    assert (row.doubt, row.reasons) == ("a\\x0ab", ("c\\x1bd",))


def test_unknown_frames_are_refused(store: Store, facts: Any) -> None:
    """A decision about nothing could never be shown."""
    em = store.pair(facts.pair()).em_frame_id
    with pytest.raises(NoSuchRecordError):
        store.add_decision("nobody", "waiting")
    with pytest.raises(NoSuchRecordError):
        store.add_decision(em, "trying", partner_id="nobody")

    assert store.decisions(em) == []


def test_value_of_the_daemons_own_is_kept_and_forgotten(store: Store) -> None:
    """The session that a person named outlives a restart."""
    store.keep_meta("session", "grid 7")
    store.keep_meta("session", "grid 8")
    assert store.meta("session") == "grid 8"
    store.keep_meta("session", None)
    assert store.meta("session") is None


def test_frame_moves_into_its_session(store: Store, facts: Any) -> None:
    """The session is made where it is new."""
    em = store.pair(facts.pair()).em_frame_id
    store.move_to_session(em, "S62")

    assert store.frame(em).session == "S62"
    assert store.session("S62").state == "open"
    with pytest.raises(NoSuchRecordError):
        store.move_to_session("nobody", "S62")
