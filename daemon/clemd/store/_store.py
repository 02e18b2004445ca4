"""The store: SQLite is the truth, everything else only makes it arrive faster."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from clemd.errors import StateFolderError

from ._connection import (
    GuardedConnection,
    connect_reader,
    connect_writer,
    sqlite_finding,
)
from ._decisions import DecisionChanges
from ._errors import StoreDamagedError
from ._files import FileChanges
from ._folder import DATABASE, FolderLock, check_database, prepare_folder
from ._frames import FrameChanges
from ._outbox import OutboxChanges
from ._pairs import PairChanges
from ._queries import Clock, utc_now
from ._registrations import RegistrationChanges
from ._schema import VERSIONS, migrate
from ._snapshot import SnapshotQueries
from ._thermal import ThermalChanges
from ._transforms import TransformChanges, TransformQueries

_COUNTED = ("files", "frames", "sessions", "pairs", "registrations", "outbox")


class Reader(SnapshotQueries, TransformQueries):
    """Questions to a state folder that may belong to a running daemon.

    Use it from the thread that opened it.
    """

    @classmethod
    def open(cls, state: Path) -> Reader:
        """Open for looking only.

        Raises:
            StateFolderError: there is no database, or not of this version.
            StoreDamagedError: the database cannot be read.
        """
        return cls(_reading_connection(state))

    def counts(self) -> dict[str, int]:
        """How many rows of each kind, and results by the verdict that holds."""
        with self.consistent_view():
            counts = {t: self._number(f"SELECT COUNT(*) FROM {t}") for t in _COUNTED}  # noqa: S608
            counts["unpublished"] = self._number(
                "SELECT COUNT(*) FROM outbox WHERE published_at IS NULL"
            )
            counts |= dict.fromkeys(("accepted", "review", "rejected"), 0)
            for verdict, number in self._all(
                "SELECT verdict, COUNT(*) FROM registrations GROUP BY verdict"
            ):
                counts[verdict] = number
        return counts

    def integrity_check(self) -> list[str]:
        """What is wrong with the database; empty if nothing. Reads all of it."""
        found = [row[0] for row in self._all("PRAGMA integrity_check")]
        orphans = self._all("PRAGMA foreign_key_check")
        return [text for text in found if text != "ok"] + [
            f"row {row[1]} of {row[0]} points at a missing {row[2]}" for row in orphans
        ]

    @property
    def sqlite_finding(self) -> str:
        """Which SQLite is linked and what that means, for `clemd doctor`."""
        return sqlite_finding()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Store(
    RegistrationChanges,
    DecisionChanges,
    PairChanges,
    FrameChanges,
    FileChanges,
    OutboxChanges,
    ThermalChanges,
    TransformChanges,
    Reader,
):
    """The one writer. Use it only from the supervisor's event-loop thread.

    Every change is one transaction; `with store.transaction():` joins several, so
    that a result, its message and the end of its job are kept together or not at all.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        resources: ExitStack,
        now: Clock = utc_now,
    ) -> None:
        super().__init__(connection, now=now)
        self._resources = resources

    @classmethod
    def open(
        cls, state: Path, *, exclusive: bool = True, now: Clock = utc_now
    ) -> Store:
        """Create or open a state folder for writing.

        Args:
            state: the state folder.
            exclusive: take the folder's lock. False only where the caller knows that
                nobody else writes.
            now: the wall clock (aware).

        Raises:
            StateFolderError: taken by another daemon, remote, unusable, too new.
            StoreDamagedError: the database is damaged.
        """
        prepare_folder(state)
        with ExitStack() as resources:
            if exclusive:
                resources.callback(FolderLock(state).release)
            check_database(state / DATABASE, writable=True)
            connection = connect_writer(state / DATABASE)
            resources.callback(connection.close)
            _refuse_damaged(connection)
            migrate(connection, str(state / DATABASE))
            store = cls(connection, resources=resources, now=now)
            store._resources = resources.pop_all()
        return store

    @staticmethod
    def open_reader(state: Path) -> Reader:
        """The same as `Reader.open`."""
        return Reader.open(state)

    def prune(self, keep_outbox: int = 100_000, keep_thermal_days: float = 30.0) -> int:
        """Delete what nobody will ask for again, at most a step of each kind.

        Messages not yet published are kept however old they are.

        Returns:
            How many rows went; call again until it is 0.
        """
        return self.prune_outbox(keep_outbox) + self.prune_thermal(keep_thermal_days)

    def close(self) -> None:
        """Checkpoint, let go of the file, and let the next daemon in."""
        self._resources.close()


def _refuse_damaged(connection: GuardedConnection) -> None:
    found = [row[0] for row in connection.execute("PRAGMA quick_check(5)").fetchall()]
    if found != ["ok"]:
        first = " ".join(found[0].split())
        raise StoreDamagedError(
            f"clemd.sqlite is damaged ({first}): restore a copy of the state folder "
            "or start with an empty one"
        )


def _reading_connection(state: Path) -> GuardedConnection:
    file = state / DATABASE
    if not file.is_file():
        raise StateFolderError(
            "no clemd database here", str(state), "check CLEMD_STATE or start clemd"
        )
    check_database(file, writable=False)
    connection = connect_reader(file)
    try:
        rows = connection.execute("SELECT name FROM _sqlite_migrations").fetchall()
        found = {row[0] for row in rows}
    except sqlite3.OperationalError:
        found = set()
    if found != set(VERSIONS):
        connection.close()
        raise StateFolderError(
            "the database is of another clemd version",
            str(file),
            "look at it with the clemd that writes it",
        )
    return connection
