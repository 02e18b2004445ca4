"""What was decided about each frame's partner, every change kept with its reasons."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence

from ._pairs import PairQueries
from ._queries import Changes
from ._rows import DecisionRow, one_line, row_as, strings

_NEWEST = """SELECT * FROM decisions WHERE id IN (
    SELECT MAX(id) FROM decisions GROUP BY frame_id)"""


def _decision_row(row: sqlite3.Row) -> DecisionRow:
    left = json.loads(row["left_out"])
    return row_as(DecisionRow, row, reasons=strings(row["reasons"]), left_out=left)


class DecisionQueries(PairQueries):
    """Look at decisions."""

    def decisions(self, frame_id: str) -> list[DecisionRow]:
        """Everything that was decided about one frame, the newest first."""
        rows = self._all(
            "SELECT * FROM decisions WHERE frame_id = ? ORDER BY id DESC", frame_id
        )
        return [_decision_row(row) for row in rows]

    def newest_decisions(self, state: str | None = None) -> list[DecisionRow]:
        """What holds now for each frame, or for those in one state; newest first."""
        rows = self._all(
            f"{_NEWEST} AND (?1 IS NULL OR state = ?1) ORDER BY id DESC", state
        )
        return [_decision_row(row) for row in rows]

    def doubt_about(self, em_frame_id: str) -> str:
        """Why the map of an EM frame may be the wrong one; empty where it is sure."""
        rows = self.decisions(em_frame_id)[:1]
        return rows[0].doubt if rows else ""

    def chosen_map(self, em_frame_id: str) -> str | None:
        """The map that a person has put an EM frame on, if that still holds."""
        rows = self.decisions(em_frame_id)[:1]
        return rows[0].partner_id if rows and rows[0].state == "overruled" else None

    def meta(self, key: str) -> str | None:
        """A value of the daemon's own, kept over restarts."""
        rows = self._all("SELECT value FROM meta WHERE key = ?", key)
        return None if not rows else str(rows[0]["value"])


class DecisionChanges(DecisionQueries, Changes):
    """Keep decisions."""

    def add_decision(
        self,
        frame_id: str,
        state: str,
        *,
        partner_id: str | None = None,
        doubt: str = "",
        reasons: Sequence[str] = (),
        left_out: Mapping[str, str] | None = None,
    ) -> bool:
        """Keep a decision; False, and nothing kept, if it is the one that holds.

        Raises:
            NoSuchRecordError: one of the frames is unknown.
        """
        words = (
            state,
            partner_id,
            one_line(doubt),
            json.dumps([one_line(r) for r in reasons], ensure_ascii=False),
            json.dumps(
                {k: one_line(v) for k, v in (left_out or {}).items()},
                ensure_ascii=False,
            ),
        )
        with self.transaction():
            for known in (frame_id, partner_id):
                if known is not None:
                    self._one("frame", known, "SELECT id FROM frames WHERE id = ?")
            last = self._all(
                "SELECT state, partner_id, doubt, reasons, left_out FROM decisions "
                "WHERE frame_id = ? ORDER BY id DESC LIMIT 1",
                frame_id,
            )
            if last and tuple(last[0]) == words:
                return False
            self._do(
                "INSERT INTO decisions (frame_id, state, partner_id, doubt, reasons, "
                "left_out, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
                frame_id,
                *words,
                self._stamp(),
            )
        return True

    def keep_meta(self, key: str, value: str | None) -> None:
        """Keep, or with None forget, a value of the daemon's own."""
        self._do("DELETE FROM meta WHERE key = ?", key)
        if value is not None:
            self._do("INSERT INTO meta (key, value) VALUES (?, ?)", key, value)

    def move_to_session(self, frame_id: str, session: str) -> None:
        """Put a frame that nothing was registered of yet into its session.

        Raises:
            NoSuchRecordError: no such frame.
        """
        with self.transaction():
            self._one("frame", frame_id, "SELECT id FROM frames WHERE id = ?")
            self._do(
                "INSERT INTO sessions (id, name, started_at, state) "
                "VALUES (?, ?, ?, 'open') ON CONFLICT (id) DO NOTHING",
                session,
                one_line(session),
                self._stamp(),
            )
            self._do("UPDATE frames SET session = ? WHERE id = ?", session, frame_id)
