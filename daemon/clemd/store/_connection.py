"""Connections to the one database file: a single writer, and readers that only look.

The writer owns every write and every checkpoint. SQLite 3.7.0-3.51.2 can corrupt a
file when two connections do both at the same moment; with one writer they never do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from ._errors import StoreDamagedError, translated

P = ParamSpec("P")
T = TypeVar("T")

BUSY_TIMEOUT_S = 2.0
"""Longest wait for a foreign program's lock; the event loop stands still meanwhile."""
WAL_LIMIT_BYTES = 64 << 20
"""The write-ahead log is cut back to this after a checkpoint."""

_WRITER_PRAGMAS = (
    "PRAGMA journal_mode=WAL",
    # Survives power loss; costs a millisecond at rates of a few commits a second.
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}",
)
_COMMON_PRAGMAS = (
    "PRAGMA mmap_size=0",
    "PRAGMA cell_size_check=ON",
    "PRAGMA trusted_schema=OFF",
)


class GuardedConnection(sqlite3.Connection):
    """Names the situation behind a failed call, and refuses to go on after damage."""

    damage: StoreDamagedError | None = None

    def cursor(self, factory: Any = None) -> Any:
        """A cursor that reports through this connection."""
        return super().cursor(factory or GuardedCursor)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """As `sqlite3`, guarded."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, seq_of_parameters: Any) -> Any:
        """As `sqlite3`, guarded."""
        return self.cursor().executemany(sql, seq_of_parameters)

    def guarded(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Carry out one SQLite call.

        Raises:
            StoreDamagedError: now or at any earlier call.
            DiskFullError: no room; nothing of the statement is kept.
            StoreBusyError: locked by another program.
        """
        if self.damage is not None:
            raise StoreDamagedError(str(self.damage)) from self.damage
        try:
            return call(*args, **kwargs)
        except sqlite3.Error as failed:
            situation = translated(failed)
            if isinstance(situation, StoreDamagedError):
                self.damage = situation
            if situation is None:
                raise
            raise situation from failed


class GuardedCursor(sqlite3.Cursor):
    """A cursor whose every step may fail for good."""

    connection: GuardedConnection

    def execute(self, sql: str, parameters: Any = ()) -> GuardedCursor:
        """As `sqlite3`, guarded."""
        self.connection.guarded(super().execute, sql, parameters)
        return self

    def executemany(self, sql: str, seq_of_parameters: Any) -> GuardedCursor:
        """As `sqlite3`, guarded."""
        self.connection.guarded(super().executemany, sql, seq_of_parameters)
        return self

    def fetchone(self) -> Any:
        """As `sqlite3`, guarded."""
        return self.connection.guarded(super().fetchone)

    def fetchall(self) -> list[Any]:
        """As `sqlite3`, guarded."""
        return self.connection.guarded(super().fetchall)

    def __next__(self) -> Any:
        return self.connection.guarded(super().__next__)


def connect_writer(file: Path) -> GuardedConnection:
    """The one connection that changes `file`; created if it does not exist."""
    connection = _connect(f"{file.absolute().as_uri()}?mode=rwc")
    return _prepared(connection, (*_COMMON_PRAGMAS, *_WRITER_PRAGMAS))


def connect_reader(file: Path) -> GuardedConnection:
    """A connection that cannot change `file`, not even by a checkpoint."""
    connection = _connect(f"{file.absolute().as_uri()}?mode=ro")
    return _prepared(connection, (*_COMMON_PRAGMAS, "PRAGMA query_only=ON"))


def _connect(uri: str) -> GuardedConnection:
    try:
        return sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions begin where the code says so
            factory=GuardedConnection,
        )
    except sqlite3.Error as failed:
        raise translated(failed) or failed from failed


def _prepared(
    connection: GuardedConnection, pragmas: tuple[str, ...]
) -> GuardedConnection:
    connection.row_factory = sqlite3.Row
    try:
        for pragma in pragmas:
            connection.execute(pragma).fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def transaction(
    connection: sqlite3.Connection, *, begin: str = "BEGIN IMMEDIATE"
) -> Iterator[None]:
    """All or nothing; inside an open transaction, simply part of it.

    IMMEDIATE takes the write lock at once: a read that turns into a write later
    would fail without waiting.
    """
    if connection.in_transaction:
        yield
        return
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo what is open; SQLite may already have done so, or be past doing it."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except (sqlite3.Error, StoreDamagedError):
            # The error that brought us here says more than this one would.
            return


def sqlite_finding(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str:
    """One line for `clemd doctor`: which SQLite is linked and what that means."""
    name = ".".join(map(str, version))
    if (3, 7, 0) <= version < (3, 51, 3):
        return (
            f"SQLite {name} has the WAL-reset bug (mended in 3.51.3); clemd avoids it "
            "by writing and checkpointing from one connection: let no other program "
            "write to clemd.sqlite"
        )
    return f"SQLite {name} is free of the WAL-reset bug"
