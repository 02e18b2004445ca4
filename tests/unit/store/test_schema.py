"""Old state folders open, newer ones are refused, and no step is done by half."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from clemd.errors import StateFolderError
from clemd.model import Verdict
from clemd.store import Store
from clemd.store import _schema as schema
from clemd.store._connection import connect_writer

RESULT = '{"verdict": "review", "confidence": 0.5, "em_to_lm": null}'


@contextmanager
def raw(state: Path) -> Iterator[sqlite3.Connection]:
    """The database without the store."""
    with closing(sqlite3.connect(state / "clemd.sqlite")) as connection:
        yield connection
        connection.commit()


def names(connection: sqlite3.Connection) -> list[str]:
    """Migrations on record."""
    rows = connection.execute("SELECT name FROM _sqlite_migrations ORDER BY id")
    return [row[0] for row in rows]


@pytest.fixture
def version_1(state: Path) -> Path:
    """A state folder as the first version left it, with one result."""
    state.mkdir()
    connection = connect_writer(state / "clemd.sqlite")
    schema.migrate(connection, "here", stop_before="0002_operator_verdicts")
    insert = "INSERT INTO "
    for statement in (
        "files VALUES (1, 'em', x'61ff', 1, 1, 1, 1, 'read', '', 'aa', 't', 't')",
        "frames VALUES ('f', 1, 1, 'em', 'S', '{}', NULL, 't')",
        "pairs VALUES ('p', 'f', 'f', 'done', '[]', 1.0, 't')",
        "registrations VALUES ('r', 'p', 'k', 'S', 'f', 'f', 'review', 0.5, NULL, 1, "
        f"'{RESULT}', '{{}}', 't')",
    ):
        connection.execute(insert + statement)
    connection.close()
    return state


def test_version_1_opens_with_its_results(version_1: Path) -> None:
    """An upgrade keeps every result, and operators may overrule the old ones."""
    with Store.open(version_1) as store:
        row = store.registration("r")
        assert (row.verdict, row.decided_by) == (Verdict.REVIEW, "engine")
        assert store.overrule("r", Verdict.ACCEPTED, by="operator").is_best
        assert store.integrity_check() == []
    with raw(version_1) as connection:
        assert names(connection) == list(schema.VERSIONS)


def test_reader_refuses_a_folder_not_yet_upgraded(version_1: Path) -> None:
    """It may not upgrade, and it must not guess."""
    with pytest.raises(StateFolderError, match="another clemd version"):
        Store.open_reader(version_1)


def test_folder_of_a_newer_version_is_left_alone(state: Path) -> None:
    """A downgrade would write rows that the newer version misreads."""
    Store.open(state).close()
    with raw(state) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('clemd', '9999_future', 't')"
        )
    with pytest.raises(StateFolderError, match=r"newer clemd \(it has 9999_future\)"):
        Store.open(state)


def test_failed_step_leaves_nothing_behind(
    version_1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that is killed while upgrading upgrades again at the next start."""

    def half(database: Database) -> None:
        database.execute("ALTER TABLE registrations ADD COLUMN decided_by TEXT")
        raise OSError("power cut")

    step: Any = schema.MIGRATIONS._migrations[1]
    with monkeypatch.context() as patched:
        patched.setattr(step, "fn", half)
        with pytest.raises(OSError, match="power cut"):
            Store.open(version_1)
    with raw(version_1) as connection:
        assert names(connection) == ["0001_first"]

    with Store.open(version_1) as store:
        assert store.registration("r").decided_by == "engine"


def test_opening_again_changes_nothing(state: Path) -> None:
    """A restart every night for a year must not grow the file."""
    Store.open(state).close()
    before = (state / "clemd.sqlite").read_bytes()
    Store.open(state).close()

    assert (state / "clemd.sqlite").read_bytes() == before
