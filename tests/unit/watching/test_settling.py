"""Each version settles once, after its last change and not before."""

from __future__ import annotations

import pytest

from clemd.config import Ready
from clemd.watching import Look
from clemd.watching._settling import (
    CREATED_RECHECK_S,
    RECHECK_S,
    Hint,
    Patience,
    Settling,
)

NAME = b"tile.tif"
SMALL, LARGE = (Look(size, size, 7, is_regular=True) for size in (10, 20))
EMPTY = Look(0, 1, 7, is_regular=True)


def make(ready: Ready = Ready.SETTLE, max_wait_s: float = 3600.0) -> Settling:
    """A quiet period of two seconds."""
    return Settling(Patience(settle_s=2.0, ready=ready, max_wait_s=max_wait_s))


def see(settling: Settling, at_s: float, look: Look, hint: Hint = Hint.NONE) -> bool:
    """One look at the one file."""
    return settling.observe(NAME, look, now_s=at_s, hint=hint)


def test_three_looks_over_the_quiet_period_settle() -> None:
    """Exactly the quiet period is long enough."""
    settling = make()

    assert [see(settling, t, SMALL) for t in (0, 1, 2)] == [False, False, True]


def test_two_looks_are_too_few_however_far_apart() -> None:
    """A mount that caches attributes shows the same twice while bytes arrive."""
    settling = make()

    assert [see(settling, t, SMALL) for t in (0, 60, 60.5)] == [False, False, True]


def test_growth_restarts_the_wait() -> None:
    """Bytes that arrive during the quiet period start it again from zero."""
    settling = make()
    looks = [(0, SMALL), (1, SMALL), (1.9, LARGE), (2.5, LARGE), (3.8, LARGE)]

    assert not any(see(settling, t, look) for t, look in looks)
    assert see(settling, 3.9, LARGE)


@pytest.mark.parametrize("changed", ["size_bytes", "modified_ns", "inode"])
def test_every_fact_of_a_version_counts(changed: str) -> None:
    """Writers pre-size, touch and rename over; each shows in another fact."""
    facts = {"size_bytes": 10, "modified_ns": 10, "inode": 7, changed: 99}
    other = Look(**facts, is_regular=True)
    settling = make()

    assert not any(see(settling, t, SMALL) for t in (0, 1))
    assert not see(settling, 2, other)


def test_empty_file_waits_ten_times_as_long_and_is_then_offered() -> None:
    """It is a claimed name; in the end somebody has to say that it is empty."""
    settling = make()

    assert not any(see(settling, t, EMPTY) for t in (0, 1, 19.9))
    assert see(settling, 20, EMPTY)


def test_longest_wait_shortens_the_wait_for_an_empty_file() -> None:
    """...but never below the quiet period."""
    settling = make(max_wait_s=1.0)

    assert [see(settling, t, EMPTY) for t in (0, 1.5, 2)] == [False, False, True]


def test_close_and_one_agreeing_look_settle_at_once() -> None:
    """The exporter promised that a closed file is complete."""
    settling = make(Ready.CLOSE)

    assert not see(settling, 0, SMALL, Hint.CLOSED)
    assert settling.next_due_s == RECHECK_S
    assert see(settling, RECHECK_S, SMALL)


def test_close_of_a_file_that_goes_on_changing_waits_for_the_next_close() -> None:
    """A writer that comes back to the header closes twice."""
    settling = make(Ready.CLOSE)
    see(settling, 0, SMALL, Hint.CLOSED)

    assert not see(settling, 0.02, LARGE)
    assert not see(settling, 0.5, LARGE)
    assert not see(settling, 0.6, LARGE, Hint.CLOSED)
    assert see(settling, 0.6 + RECHECK_S, LARGE)


def test_closed_but_empty_file_is_still_only_a_claimed_name() -> None:
    """Exporters create the name, close it, and open it again to write."""
    settling = make(Ready.CLOSE)
    see(settling, 0, EMPTY, Hint.CLOSED)

    assert not see(settling, 5, EMPTY)


def test_lost_close_hint_falls_back_to_the_quiet_period() -> None:
    """Hints only make it faster."""
    settling = make(Ready.CLOSE)

    assert [see(settling, t, SMALL) for t in (0, 1, 2)] == [False, False, True]


def test_rename_into_place_settles_at_once() -> None:
    """Under the final name it was never incomplete."""
    settling = make(Ready.RENAME)

    assert not see(settling, 0, SMALL, Hint.MOVED)
    assert see(settling, RECHECK_S, SMALL)


def test_file_moved_in_from_elsewhere_settles_nearly_at_once() -> None:
    """The kernel says "created", as it does for a writer in place: look a bit later."""
    settling = make(Ready.RENAME)

    assert not see(settling, 0, SMALL, Hint.CREATED)
    assert not see(settling, CREATED_RECHECK_S / 2, SMALL)
    assert see(settling, CREATED_RECHECK_S, SMALL)


def test_file_created_empty_under_its_final_name_gets_no_shortcut() -> None:
    """Somebody writes in place although a rename was promised."""
    settling = make(Ready.RENAME)
    see(settling, 0, EMPTY, Hint.CREATED)

    assert not any(see(settling, t, SMALL) for t in (0.1, 0.2, 1.0))


@pytest.mark.parametrize("hint", [Hint.CLOSED, Hint.MOVED, Hint.CREATED])
def test_without_a_promise_hints_shorten_nothing(hint: Hint) -> None:
    """Many writers open and close a file several times."""
    settling = make(Ready.SETTLE)
    see(settling, 0, SMALL, hint)

    assert not any(see(settling, t, SMALL) for t in (0.1, 0.5, 1.9))


def test_old_file_needs_two_looks_and_no_quiet_period() -> None:
    """It lay there when the watch began; the operator has waited long enough."""
    settling = make()
    settling.observe(NAME, SMALL, now_s=0, is_old=True)

    assert see(settling, 0.5, SMALL)


def test_old_file_that_changes_is_no_longer_old() -> None:
    """The writer is at it again."""
    settling = make()
    settling.observe(NAME, SMALL, now_s=0, is_old=True)

    assert not any(see(settling, t, LARGE) for t in (0.5, 1.0))


def test_sent_back_version_is_offered_again_after_its_delay() -> None:
    """Its structure points past its end: perhaps the rest is still on the way."""
    settling = make()
    settling.wait_more(NAME, SMALL, now_s=0, delay_s=10)

    assert [see(settling, t, SMALL) for t in (2, 9.9, 10)] == [False, False, True]


def test_sent_back_file_that_changes_settles_as_usual() -> None:
    """The rest has come: no reason to wait for the delay."""
    settling = make()
    settling.wait_more(NAME, SMALL, now_s=0, delay_s=100)

    assert [see(settling, t, LARGE) for t in (1, 2, 3)] == [False, False, True]


def test_looks_are_planned_densely_and_hit_the_end_of_the_quiet_period() -> None:
    """Every half second at most, and exactly when the wait is over."""
    settling = make()
    see(settling, 0, SMALL)
    assert settling.take_due(0.4) == []
    assert settling.take_due(0.5) == [NAME]
    see(settling, 0.5, SMALL)
    see(settling, 1.7, SMALL)

    assert settling.next_due_s == 2.0


def test_forgotten_file_is_neither_due_nor_waiting() -> None:
    """Without this, memory grows with every deleted file."""
    settling = make()
    see(settling, 0, SMALL)
    settling.forget(NAME)

    assert settling.next_due_s is None
    assert settling.take_due(99) == []
    assert settling.oldest_since_s is None
    assert len(settling) == 0


def test_longest_waiting_file_is_known() -> None:
    """The page shows it, and an alarm may hang on it."""
    settling = make()
    settling.observe(b"a", SMALL, now_s=3)
    settling.observe(b"b", SMALL, now_s=5)
    settling.observe(b"a", LARGE, now_s=9)

    assert settling.oldest_since_s == 3
