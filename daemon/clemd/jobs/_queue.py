"""A durable queue with leases: kill anything at any instant, and no work is lost.

    queued ──claim──► leased ──finish──► done
      ▲                 │  ├──defer───► deferred ──claim──► leased
      └───fail, stale───┘  └──fail or stale for the last time──► poisoned

Every claim raises the job's epoch, and every later step names the epoch it was given.
A worker that was thought dead and wakes up therefore changes nothing. Deadlines count
seconds since boot: a clock that is set, or a suspended machine, moves none of them.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from clemd.errors import LeaseLostError
from clemd.model import display_name

from ._owner import owner_is_alive
from ._rows import COLUMNS, JobRow, Lease, job_row
from ._table import JobTable, marks, utc_now


class JobQueue(JobTable):
    """Jobs in the table `jobs` of somebody else's connection.

    Each step is one transaction, or part of the one that is open: a result, its
    message and the end of its job are kept together or not at all.

    Args:
        connection: the writer; used only from its own thread.
        owner: who claims, from `owner_name()`; its boot is the one `clock` counts in.
        clock: seconds since boot, e.g. `boottime_s`.
        lease_s: how long a claim holds without `extend`.
        max_attempts: tries before a job is set aside for a person.
        is_alive: does the process of an owner still run?
        now: the wall clock (aware), only for people to read.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        owner: str,
        clock: Callable[[], float],
        lease_s: float = 60.0,
        max_attempts: int = 3,
        is_alive: Callable[[str], bool] = owner_is_alive,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        if lease_s <= 0:
            raise ValueError(f"lease_s must be positive, got {lease_s}")
        if max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, got {max_attempts}")
        super().__init__(connection, owner=owner, clock=clock, now=now)
        self._lease_s = lease_s
        self._max_attempts = max_attempts
        self._is_alive = is_alive

    def enqueue(
        self,
        kind: str,
        key: str,
        payload: dict[str, Any],
        *,
        priority: int = 0,
        not_before_s: float | None = None,
    ) -> int:
        """Put work in the queue; a key that is known already changes nothing.

        Args:
            kind: what is to be done.
            key: names the work itself: inputs and parameters.
            payload: what the worker needs to know, JSON values only.
            priority: the larger goes first.
            not_before_s: second since boot before which it must not start.

        Returns:
            The job's id, the old one for a known key.
        """
        stamp = self._stamp()
        with self._transaction():
            self._do(
                "INSERT INTO jobs (kind, key, payload, priority, state, boot, "
                "not_before_s, created_at, updated_at) "
                "VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?) "
                "ON CONFLICT (key) DO NOTHING",
                kind,
                key,
                json.dumps(payload, allow_nan=False),
                priority,
                self._boot,
                not_before_s,
                stamp,
                stamp,
            )
            return int(self._rows("SELECT id FROM jobs WHERE key = ?", key)[0][0])

    def peek(self, kinds: Sequence[str]) -> JobRow | None:
        """The job that `claim` would take now, left where it is."""
        found = self._rows(
            f"SELECT {COLUMNS} FROM jobs "  # noqa: S608 - own names and marks
            f"WHERE state IN ('queued', 'deferred') AND kind IN ({marks(kinds)}) "
            # A moment of another boot means nothing now: the job is due.
            "AND (not_before_s IS NULL OR boot IS NOT ? OR not_before_s <= ?) "
            "ORDER BY priority DESC, id LIMIT 1",
            *kinds,
            self._boot,
            self._clock(),
        )
        return job_row(found[0]) if found else None

    def claim(self, kinds: Sequence[str]) -> Lease | None:
        """Take the most urgent job of these kinds that is due; None if none is."""
        with self._transaction():
            job = self.peek(kinds)
            if job is None:
                return None
            self._do(
                "UPDATE jobs SET state = 'leased', owner = ?, boot = ?, "
                "deadline_s = ?, not_before_s = NULL, epoch = epoch + 1, "
                "attempts = attempts + 1, updated_at = ? WHERE id = ?",
                self._owner,
                self._boot,
                self._clock() + self._lease_s,
                self._stamp(),
                job.id,
            )
        return Lease(
            job_id=job.id,
            kind=job.kind,
            key=job.key,
            payload=job.payload,
            epoch=job.epoch + 1,
            attempt=job.attempts + 1,
            priority=job.priority,
        )

    def extend(self, lease: Lease) -> None:
        """Say that the work goes on.

        Raises:
            LeaseLostError: the job is no longer ours.
        """
        self._change(lease, "deadline_s = ?", self._clock() + self._lease_s)

    def finish(self, lease: Lease) -> None:
        """Say that the work is done.

        Raises:
            LeaseLostError: the job is no longer ours; undo what was to be kept with it.
        """
        self._end(lease, "done")

    def fail(
        self, lease: Lease, reason: str, *, retry_after_s: float
    ) -> Literal["queued", "poisoned"]:
        """Say that the work failed: again later, or set aside after the last try.

        Raises:
            LeaseLostError: the job is no longer ours.
        """
        if lease.attempt >= self._max_attempts:
            self._end(lease, "poisoned", reason)
            return "poisoned"
        self._end(lease, "queued", reason, wait_s=retry_after_s)
        return "queued"

    def defer(self, lease: Lease, reason: str, *, delay_s: float) -> None:
        """Put the work off through no fault of its own; the try does not count.

        Raises:
            LeaseLostError: the job is no longer ours.
        """
        self._end(lease, "deferred", reason, wait_s=delay_s, attempts=-1)

    def hold(self, job_id: int, reason: str) -> None:
        """Say why a job that waits must wait; it stays due and keeps its place."""
        with self._transaction():
            self._do(
                "UPDATE jobs SET state = 'deferred', reason = ?, updated_at = ? "
                "WHERE id = ? AND state IN ('queued', 'deferred')",
                display_name(reason),
                self._stamp(),
                job_id,
            )

    def note(self, lease: Lease, reason: str) -> None:
        """Say why a job that runs stands still; empty when it goes on.

        Raises:
            LeaseLostError: the job is no longer ours.
        """
        self._change(lease, "reason = ?", display_name(reason))

    def prioritise(self, keys: Sequence[str], priority: int) -> int:
        """Give jobs that wait another priority; how many there were."""
        with self._transaction():
            return self._do(
                "UPDATE jobs SET priority = ?, updated_at = ? WHERE "  # noqa: S608
                f"state IN ('queued', 'deferred') AND key IN ({marks(keys)})",
                priority,
                self._stamp(),
                *keys,
            )

    def release_stale(self) -> int:
        """Take back the leases of the dead and of the silent; how many there were.

        A lease is stale past its deadline, or when its owner's process or boot has
        ended. The try of a silent owner counts, so a job that hangs its workers is set
        aside in the end; a daemon that was killed is not the job's fault.
        """
        with self._transaction():
            stale = [
                (job_id, self._has_ended(owner, boot))
                for job_id, owner, boot, deadline_s in self._rows(
                    "SELECT id, owner, boot, deadline_s FROM jobs "
                    "WHERE state = 'leased' ORDER BY id"
                )
                if deadline_s <= self._clock() or self._has_ended(owner, boot)
            ]
            for job_id, is_blameless in stale:
                self._do(
                    "UPDATE jobs SET attempts = attempts - ?1, "
                    "state = CASE WHEN attempts - ?1 >= ?2 THEN 'poisoned' "
                    "ELSE 'queued' END, reason = ?3, owner = NULL, "
                    "deadline_s = NULL, not_before_s = NULL, updated_at = ?4 "
                    "WHERE id = ?5",
                    int(is_blameless),
                    self._max_attempts,
                    "the daemon ended" if is_blameless else "its worker fell silent",
                    self._stamp(),
                    job_id,
                )
        return len(stale)

    def retry(self, job_id: int, *, again_priority: int | None = None) -> bool:
        """Start a job afresh that is done, poisoned or put off; False if it is not.

        Args:
            job_id: the job.
            again_priority: for one that is done: what came for the first time may
                go before it.
        """
        with self._transaction():
            changed = self._do(
                "UPDATE jobs SET priority = CASE WHEN state = 'done' "
                "THEN COALESCE(?, priority) ELSE priority END, "
                "state = 'queued', attempts = 0, reason = '', "
                "not_before_s = NULL, updated_at = ? "
                "WHERE id = ? AND state != 'leased'",
                again_priority,
                self._stamp(),
                job_id,
            )
        return changed == 1

    def _has_ended(self, owner: str, boot: str) -> bool:
        if boot != self._boot:
            return True
        return owner != self._owner and not self._is_alive(owner)

    def _end(
        self,
        lease: Lease,
        state: str,
        reason: str = "",
        *,
        wait_s: float | None = None,
        attempts: int = 0,
    ) -> None:
        self._change(
            lease,
            "state = ?, reason = ?, not_before_s = ?, attempts = attempts + ?, "
            "owner = NULL, deadline_s = NULL",
            state,
            display_name(reason),
            None if wait_s is None else self._clock() + wait_s,
            attempts,
        )

    def _change(self, lease: Lease, columns: str, *values: object) -> None:
        with self._transaction():
            changed = self._do(
                f"UPDATE jobs SET {columns}, updated_at = ? "  # noqa: S608 - own names
                "WHERE id = ? AND state = 'leased' AND owner = ? AND epoch = ?",
                *values,
                self._stamp(),
                lease.job_id,
                self._owner,
                lease.epoch,
            )
            if changed == 0:
                raise LeaseLostError(
                    f"job {lease.job_id} ({lease.kind}) is no longer held under "
                    f"epoch {lease.epoch}: drop its result"
                )
