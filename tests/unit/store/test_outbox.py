"""What is said is said once, in order, and only together with what made it true."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clemd.messages import StatusMessage, ThermalMessage
from clemd.store import Store

STATUS = StatusMessage(state="ready", run_epoch="e")
THERMAL = ThermalMessage(state="cool")


def test_each_topic_counts_for_itself(store: Store) -> None:
    """A subscriber to one topic must be able to see a gap, and no false ones."""
    seqs = [store.announce(m) for m in (STATUS, THERMAL, STATUS, THERMAL, STATUS)]

    rows = store.outbox_after(0)
    assert [r.seq for r in rows] == seqs == [1, 2, 3, 4, 5]
    assert [(r.topic, r.topic_seq) for r in rows] == [
        ("status", 1),
        ("thermal", 1),
        ("status", 2),
        ("thermal", 2),
        ("status", 3),
    ]
    assert store.topic_seqs() == {"status": 3, "thermal": 2}


def test_body_is_the_message(store: Store) -> None:
    """What the bus sends and what the database holds are the same bytes."""
    store.announce(STATUS, session="S")

    row = store.outbox_after(0)[0]
    assert StatusMessage.model_validate_json(row.body) == STATUS
    assert (json.loads(row.body)["topic"], row.session) == ("status", "S")


def test_message_of_an_undone_change_was_never_said(store: Store) -> None:
    """Its number is used again, so that nobody sees a gap."""
    store.announce(STATUS)
    with suppress(ZeroDivisionError), store.transaction():
        store.announce(STATUS)
        raise ZeroDivisionError

    assert store.last_seq() == 1
    assert store.announce(STATUS) == 2
    assert store.outbox_after(1)[0].topic_seq == 2


def test_published_messages_are_owed_no_more(store: Store) -> None:
    """After a crash the bus repeats exactly what it had not sent."""
    for _ in range(3):
        store.announce(STATUS)

    assert store.mark_published(2) == 2
    assert [r.seq for r in store.unpublished()] == [3]
    assert store.mark_published(2) == 0


def test_pruning_keeps_the_newest_and_everything_unpublished(store: Store) -> None:
    """A bus that was off for a week still owes its messages."""
    for _ in range(6):
        store.announce(STATUS)
    store.mark_published(4)

    assert store.prune(keep_outbox=3) == 3
    assert [r.seq for r in store.outbox_after(0)] == [4, 5, 6]
    assert store.prune(keep_outbox=0) == 1
    assert [r.seq for r in store.unpublished()] == [5, 6]


def test_numbers_go_on_after_everything_was_pruned(state: Path) -> None:
    """Also across a restart: the page's event id must never go back."""
    with Store.open(state) as store:
        store.announce(STATUS)
        store.mark_published(1)
        store.prune(keep_outbox=0)
        assert (store.first_seq(), store.last_seq()) == (2, 1)
    with Store.open(state) as store:
        assert store.last_seq() == 1
        assert store.announce(STATUS) == 2
        assert store.outbox_after(0)[0].topic_seq == 2


def test_thermal_history_is_kept_for_its_days(store: Store, clock: Any) -> None:
    """Months of one reading a second would fill the disk."""
    store.record_thermal("cool", temperature_c=40.0, sensor="cpu", power_w=20.0)
    clock.pass_(days=31)
    store.record_thermal("warm", temperature_c=76.0)

    assert store.prune() == 1
    rows = store.thermal_history(datetime(2020, 1, 1, tzinfo=UTC))
    assert [(r.state, r.temperature_c) for r in rows] == [("warm", 76.0)]


def test_thermal_history_is_the_newest_part_oldest_first(
    store: Store, clock: Any
) -> None:
    """The page draws it from left to right and has room for so much."""
    start = clock.time
    for second in range(5):
        store.record_thermal("cool", temperature_c=40.0 + second)
        clock.pass_(seconds=1)

    since = start + timedelta(seconds=1)
    assert [r.temperature_c for r in store.thermal_history(since)] == [41, 42, 43, 44]
    assert [
        r.temperature_c for r in store.thermal_history(since.isoformat(), limit=2)
    ] == [
        43,
        44,
    ]


def test_naive_time_is_refused(store: Store) -> None:
    """A time without a zone means another moment on every machine."""
    with pytest.raises(ValueError, match="must state a zone"):
        store.thermal_history("2026-03-01T12:00:00")
