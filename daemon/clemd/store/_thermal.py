"""The history of heat: temperatures, and the jobs that made them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from ._queries import Changes, Queries
from ._rows import JobSpan, ThermalRow, one_line, row_as, utc_text

_PRUNE_STEP = 10_000


class ThermalQueries(Queries):
    """Look at temperatures."""

    def thermal_history(
        self, since: datetime | str, *, limit: int = 5000
    ) -> list[ThermalRow]:
        """The newest `limit` readings since a moment (aware), oldest first.

        Raises:
            ValueError: `since` is no aware time.
        """
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        rows = self._all(
            "SELECT * FROM thermal WHERE at >= ? ORDER BY at DESC, rowid DESC LIMIT ?",
            utc_text(moment),
            limit,
        )
        return [row_as(ThermalRow, row) for row in reversed(rows)]

    def job_spans(self, since: datetime | str, *, limit: int = 500) -> list[JobSpan]:
        """The newest `limit` spans that ended since a moment (aware), oldest first.

        Raises:
            ValueError: `since` is no aware time.
        """
        moment = datetime.fromisoformat(since) if isinstance(since, str) else since
        rows = self._all(
            "SELECT * FROM job_spans WHERE ended_at >= ? "
            "ORDER BY ended_at DESC, id DESC LIMIT ?",
            utc_text(moment),
            limit,
        )
        return [row_as(JobSpan, row) for row in reversed(rows)]

    def busy_s(self, job_id: int) -> float:
        """Seconds that all tries at one job have worked."""
        rows = self._all(
            "SELECT COALESCE(SUM(busy_s), 0.0) FROM job_spans WHERE job_id = ?", job_id
        )
        return float(rows[0][0])

    def newest_thermal(self) -> ThermalRow | None:
        """The last reading, if there is one."""
        rows = self._all("SELECT * FROM thermal ORDER BY at DESC, rowid DESC LIMIT 1")
        return row_as(ThermalRow, rows[0]) if rows else None


class ThermalChanges(ThermalQueries, Changes):
    """Keep temperatures."""

    def record_thermal(
        self,
        state: str,
        *,
        temperature_c: float | None = None,
        sensor: str | None = None,
        power_w: float | None = None,
        duty: float | None = None,
        throttle: Sequence[str] = (),
        reason: str = "",
        at: datetime | None = None,
    ) -> None:
        """Keep one reading; `at` is aware and defaults to now."""
        self._do(
            "INSERT INTO thermal (at, state, temperature_c, sensor, power_w, duty, "
            "throttle, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self._stamp() if at is None else utc_text(at),
            state,
            temperature_c,
            sensor,
            power_w,
            duty,
            ", ".join(throttle),
            one_line(reason),
        )

    def record_span(
        self,
        job_id: int,
        kind: str,
        *,
        subject: str,
        device: str,
        started: datetime,
        ended: datetime,
        busy_s: float,
        paused_s: float,
        highest_c: float | None,
        outcome: str,
    ) -> None:
        """Keep one try at one job; both times are aware."""
        self._do(
            "INSERT INTO job_spans (job_id, kind, subject, device, started_at, "
            "ended_at, busy_s, paused_s, highest_c, outcome) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            job_id,
            kind,
            one_line(subject),
            device,
            utc_text(started),
            utc_text(ended),
            busy_s,
            paused_s,
            highest_c,
            outcome,
        )

    def prune_thermal(self, keep_days: float) -> int:
        """Delete readings and spans older than `keep_days`; a step at a time."""
        before = utc_text(self._now() - timedelta(days=keep_days))
        readings = self._do(
            "DELETE FROM thermal WHERE rowid IN "
            "(SELECT rowid FROM thermal WHERE at < ? ORDER BY at LIMIT ?)",
            before,
            _PRUNE_STEP,
        )
        return readings + self._do(
            "DELETE FROM job_spans WHERE id IN (SELECT id FROM job_spans "
            "WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
            before,
            _PRUNE_STEP,
        )
