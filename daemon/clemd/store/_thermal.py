"""The temperature history."""

from __future__ import annotations

from datetime import datetime, timedelta

from ._queries import Changes, Queries
from ._rows import ThermalRow, row_as, utc_text

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
        at: datetime | None = None,
    ) -> None:
        """Keep one reading; `at` is aware and defaults to now."""
        self._do(
            "INSERT INTO thermal (at, state, temperature_c, sensor, power_w) "
            "VALUES (?, ?, ?, ?, ?)",
            self._stamp() if at is None else utc_text(at),
            state,
            temperature_c,
            sensor,
            power_w,
        )

    def prune_thermal(self, keep_days: float) -> int:
        """Delete readings older than `keep_days`; a step at a time."""
        return self._do(
            "DELETE FROM thermal WHERE rowid IN "
            "(SELECT rowid FROM thermal WHERE at < ? ORDER BY at LIMIT ?)",
            utc_text(self._now() - timedelta(days=keep_days)),
            _PRUNE_STEP,
        )
