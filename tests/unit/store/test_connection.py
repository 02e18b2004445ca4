"""The database is a real file on a real disk, and the disk may fail."""

from __future__ import annotations

import resource
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from clemd.errors import StateFolderError, TransientError
from clemd.messages import StatusMessage
from clemd.store import (
    DiskFullError,
    Store,
    StoreBusyError,
    StoreDamagedError,
    sqlite_finding,
)

STATUS = StatusMessage(state="ready", run_epoch="e")


@contextmanager
def failing_disk(file: Path) -> Iterator[None]:
    """Writes past the present end of `file` fail, as on a dying disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _pragma(store: Store, name: str) -> Any:
    return store.connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_commits_survive_a_power_cut(store: Store) -> None:
    """The faster setting may forget the last results that were already shown."""
    assert _pragma(store, "journal_mode") == "wal"
    assert _pragma(store, "synchronous") == 2
    assert _pragma(store, "foreign_keys") == 1
    assert _pragma(store, "mmap_size") == 0


def test_inner_block_is_part_of_the_outer_one(store: Store) -> None:
    """Result, message and end of the job are kept together or not at all."""
    with suppress(ZeroDivisionError), store.transaction():
        with store.transaction():
            store.announce(STATUS)
        assert store.connection.in_transaction  # the inner block did not commit
        raise ZeroDivisionError

    assert not store.connection.in_transaction
    assert store.outbox_after(0) == []


def test_block_holds_the_write_lock_from_its_start(store: Store, state: Path) -> None:
    """A read that turns into a write later fails at once, without any waiting."""
    other = sqlite3.connect(state / "clemd.sqlite", timeout=0, isolation_level=None)
    with store.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    other.close()


def test_inner_block_is_kept_with_the_outer_one(store: Store, state: Path) -> None:
    """And nobody else sees a part of it before."""
    with Store.open_reader(state) as reader:
        with store.transaction():
            store.announce(STATUS)
            assert reader.last_seq() == 0
        assert reader.last_seq() == 1


def test_failing_write_ends_the_connection(store: Store, state: Path) -> None:
    """After one failed write a later "success" proves nothing."""
    wal = state / "clemd.sqlite-wal"
    with failing_disk(wal), pytest.raises(StoreDamagedError, match="cannot be trusted"):
        store.announce(STATUS)

    with pytest.raises(StoreDamagedError):
        store.last_seq()
    with pytest.raises(StoreDamagedError):
        store.announce(STATUS)


def test_restart_after_a_failing_write_finds_what_was_acknowledged(
    state: Path,
) -> None:
    """Exit, reopen, verify: nothing acknowledged is lost, nothing else appears."""
    store = Store.open(state)
    store.announce(STATUS)
    with (
        failing_disk(state / "clemd.sqlite-wal"),
        pytest.raises(StoreDamagedError),
    ):
        store.announce(STATUS)
    store.close()

    with Store.open(state) as again:
        assert [r.seq for r in again.outbox_after(0)] == [1]
        assert again.integrity_check() == []


def test_full_disk_undoes_the_change_and_may_pass(store: Store) -> None:
    """The operator makes room, and the daemon goes on without a restart."""
    pages = _pragma(store, "page_count")
    store.connection.execute(f"PRAGMA max_page_count={pages}")
    big = StatusMessage(state="ready", run_epoch="e" * 100_000)
    with pytest.raises(DiskFullError) as caught, store.transaction():  # noqa: PT012
        store.announce(STATUS)
        store.announce(big)
    assert isinstance(caught.value, TransientError)
    assert store.last_seq() == 0

    store.connection.execute("PRAGMA max_page_count=1000000")
    assert store.announce(big) == 1


def test_foreign_lock_is_named(store: Store, state: Path) -> None:
    """A backup tool that holds the database must not look like damage."""
    store.connection.execute("PRAGMA busy_timeout=1")
    other = sqlite3.connect(state / "clemd.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="another program"):
        store.announce(STATUS)
    other.execute("ROLLBACK")
    other.close()

    assert store.announce(STATUS) == 1


def test_damaged_page_is_refused_at_the_start_wherever_it_lies(state: Path) -> None:
    """It must not become a wrong overlay next week, when somebody reads that row."""
    with Store.open(state) as store:
        for _ in range(50):
            store.announce(StatusMessage(state="ready", run_epoch="e" * 1000))
    file = state / "clemd.sqlite"
    whole = file.read_bytes()
    for start in range(4096, len(whole), 4096 * 4):
        file.write_bytes(whole[:start] + b"\x5a" * 4096 + whole[start + 4096 :])
        with pytest.raises(StoreDamagedError) as caught:
            Store.open(state)
        assert "\n" not in str(caught.value)

    file.write_bytes(whole)
    Store.open(state).close()


def test_broken_reference_is_reported(store: Store, facts: Any) -> None:
    """A row whose frame is gone is damage too, though SQLite's pages are whole."""
    facts.pair()
    assert store.integrity_check() == []
    store.connection.execute("PRAGMA foreign_keys=OFF")
    store.connection.execute("DELETE FROM frames WHERE side = 'lm'")

    assert store.integrity_check() == ["row 1 of pairs points at a missing frames"]


def test_reader_can_change_nothing(store: Store, state: Path) -> None:
    """Readers of a running daemon's folder must not even checkpoint."""
    store.announce(STATUS)
    wal = state / "clemd.sqlite-wal"
    before = wal.read_bytes()
    with (
        Store.open_reader(state) as reader,
        pytest.raises(StoreDamagedError, match="readonly"),
    ):
        reader.connection.execute("DELETE FROM outbox")

    assert wal.read_bytes() == before


def test_reader_works_without_a_daemon(state: Path) -> None:
    """`clemd status` is asked most often when nothing runs."""
    with Store.open(state) as store:
        store.announce(STATUS)
    with Store.open_reader(state) as reader:
        assert reader.counts()["outbox"] == 1


def test_reader_of_an_empty_folder_is_refused(state: Path) -> None:
    """A look must not create a database."""
    with pytest.raises(StateFolderError, match="no clemd database"):
        Store.open_reader(state)
    assert not state.exists()


def test_other_threads_are_kept_out(store: Store) -> None:
    """One writer means one thread; a slip must be loud."""
    caught: list[BaseException] = []

    def touch() -> None:
        try:
            store.last_seq()
        except sqlite3.ProgrammingError as refused:
            caught.append(refused)

    thread = threading.Thread(target=touch)
    thread.start()
    thread.join()
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("version", "claim"),
    [
        ((3, 40, 1), "3.40.1 has the WAL-reset bug"),
        ((3, 51, 2), "3.51.2 has the WAL-reset bug"),
        ((3, 51, 3), "3.51.3 is free of"),
        ((3, 54, 0), "3.54.0 is free of"),
    ],
)
def test_doctor_names_the_sqlite_that_is_linked(
    version: tuple[int, ...], claim: str
) -> None:
    """Whether a distribution's SQLite is safe is not visible anywhere else."""
    assert claim in sqlite_finding(version)
