"""The table `jobs`: what waits, what runs, what is done."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ._owner import boot_of
from ._rows import COLUMNS, STATES, UNFINISHED, JobRow, job_row


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


def marks(values: Sequence[object]) -> str:
    """One placeholder for each value."""
    return ", ".join("?" for _ in values)


class JobTable:
    """Looks at the table, and carries out steps as transactions.

    Args:
        connection: holds the table; used only from its own thread.
        owner: this process, from `owner_name()`; its boot is the one `clock` counts in.
        clock: seconds since boot.
        now: the wall clock (aware), only for people to read.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        owner: str,
        clock: Callable[[], float],
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._connection = connection
        self._owner = owner
        self._boot = boot_of(owner)
        self._clock = clock
        self._now = now

    def next_due_s(self, kinds: Sequence[str]) -> float | None:
        """Seconds until `claim` may find something: 0 = now, None = nothing waits."""
        rows = self._rows(
            "SELECT MIN(CASE WHEN not_before_s IS NULL OR boot IS NOT ? THEN 0 "  # noqa: S608
            "ELSE MAX(0, not_before_s - ?) END) FROM jobs WHERE "
            f"state IN ('queued', 'deferred') AND kind IN ({marks(kinds)})",
            self._boot,
            self._clock(),
            *kinds,
        )
        return None if rows[0][0] is None else float(rows[0][0])

    def job(self, job_id: int) -> JobRow | None:
        """One job, if there is such an id."""
        rows = self._rows(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", job_id)  # noqa: S608
        return job_row(rows[0]) if rows else None

    def is_under_way(self, kind: str) -> bool:
        """Does somebody work on a job of this kind just now?"""
        sql = "SELECT 1 FROM jobs WHERE state = 'leased' AND kind = ? LIMIT 1"
        return bool(self._rows(sql, kind))

    def jobs(self, states: Sequence[str] = STATES, *, limit: int = 500) -> list[JobRow]:
        """Jobs in these states, the newest first."""
        rows = self._rows(
            f"SELECT {COLUMNS} FROM jobs WHERE state IN ({marks(states)}) "  # noqa: S608
            "ORDER BY id DESC LIMIT ?",
            *states,
            limit,
        )
        return [job_row(row) for row in rows]

    def oldest_s(self, kinds: Sequence[str]) -> float:
        """Age of the oldest job of these kinds that waits or runs; 0 without one."""
        rows = self._rows(
            "SELECT MIN(created_at) FROM jobs WHERE "  # noqa: S608 - own marks
            f"state IN ({marks(UNFINISHED)}) AND kind IN ({marks(kinds)})",
            *UNFINISHED,
            *kinds,
        )
        if rows[0][0] is None:
            return 0.0
        age = self._now() - datetime.fromisoformat(rows[0][0])
        return max(0.0, age.total_seconds())

    def unfinished_kinds(self) -> frozenset[str]:
        """The kinds of which somebody works on a job, or still has to."""
        sql = "SELECT DISTINCT kind FROM jobs WHERE state IN (?, ?, ?)"
        return frozenset(kind for (kind,) in self._rows(sql, *UNFINISHED))

    def counts(self) -> dict[str, int]:
        """State -> number of jobs; every state is named."""
        found = self._rows("SELECT state, COUNT(*) FROM jobs GROUP BY state")
        # Rows of two columns, whatever the connection makes of a row.
        return dict.fromkeys(STATES, 0) | dict(found)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; inside an open transaction, simply part of it."""
        if self._connection.in_transaction:
            yield
            return
        # IMMEDIATE: two claimers must not read the same job before one has it.
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _rows(self, sql: str, *values: object) -> list[Any]:
        return self._connection.execute(sql, values).fetchall()

    def _do(self, sql: str, *values: object) -> int:
        return self._connection.execute(sql, values).rowcount

    def _stamp(self) -> str:
        return self._now().astimezone(UTC).isoformat(timespec="microseconds")
