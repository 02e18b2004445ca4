"""What every group of queries stands on: one connection, and a clock for the writer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any

from ._connection import transaction
from ._errors import NoSuchRecordError
from ._rows import utc_text

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class Queries:
    """Questions; they change nothing."""

    connection: sqlite3.Connection

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    @contextmanager
    def consistent_view(self) -> Iterator[None]:
        """Everything asked inside is answered as of one moment."""
        with transaction(self.connection, begin="BEGIN"):
            yield

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        return self.connection.execute(sql, values).fetchall()

    def _one(self, kind: str, record_id: object, sql: str) -> sqlite3.Row:
        row: sqlite3.Row | None = self.connection.execute(sql, (record_id,)).fetchone()
        if row is None:
            raise NoSuchRecordError(kind, record_id)
        return row

    def _number(self, sql: str, *values: Any) -> int:
        return int(self.connection.execute(sql, values).fetchone()[0])


class Changes(Queries):
    """Changes; each is one transaction, or part of the caller's."""

    def __init__(self, connection: sqlite3.Connection, *, now: Clock = utc_now) -> None:
        super().__init__(connection)
        self._now = now

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing; inside an open transaction, simply part of it.

        The outermost block commits. An exception that leaves it undoes everything,
        inner blocks included; one that is caught inside undoes nothing.
        """
        return transaction(self.connection)

    def _stamp(self) -> str:
        return utc_text(self._now())

    def _do(self, sql: str, *values: Any) -> int:
        """Carry out one statement; the number of rows it changed."""
        return self.connection.execute(sql, values).rowcount


def where(conditions: Mapping[str, object]) -> tuple[str, list[object]]:
    """A WHERE clause of those columns that were asked for (value not None).

    >>> where({"side": "em", "session": None})
    (' WHERE side = ?', ['em'])
    """
    asked = {column: value for column, value in conditions.items() if value is not None}
    if not asked:
        return "", []
    clause = " AND ".join(f"{column} = ?" for column in asked)
    return f" WHERE {clause}", list(asked.values())
