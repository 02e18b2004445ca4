"""Results: one for each pair and job key, the best of each EM frame marked."""

from __future__ import annotations

import json
import sqlite3

from clemd.model import Registration, SecondOpinion, Verdict, from_json

from ._pairs import PairQueries
from ._queries import Changes, where
from ._rows import RegistrationRow, fact_text, one_line, row_as

# An operator's word outranks an engine's of the same verdict.
_MARK_BEST = """
    UPDATE registrations SET is_best = (id = (
        SELECT id FROM registrations WHERE em_frame_id = ?1 ORDER BY
            CASE verdict WHEN 'accepted' THEN 0 WHEN 'review' THEN 1 ELSE 2 END,
            decided_by = 'engine',
            job_key NOT LIKE 'place:%',  -- by hand: somebody has looked
            confidence DESC,
            error_p95 IS NULL,
            error_p95,
            created_at DESC,
            rowid DESC
        LIMIT 1))
    WHERE em_frame_id = ?1"""


def _p95(registration: Registration) -> float | None:
    """The 95 % error: in micrometres if known, since LM pixels differ between maps."""
    radius = registration.error_um or registration.error_lm_px
    return None if radius is None else radius.p95


def _registration_row(row: sqlite3.Row) -> RegistrationRow:
    return row_as(
        RegistrationRow,
        row,
        verdict=Verdict(row["verdict"]),
        is_best=bool(row["is_best"]),
        registration=from_json(Registration, row["json"]),
        outputs=json.loads(row["outputs"]),
        second=row["second"] and from_json(SecondOpinion, row["second"]),
    )


class RegistrationQueries(PairQueries):
    """Look at results."""

    def registration(self, registration_id: str) -> RegistrationRow:
        """One result.

        Raises:
            NoSuchRecordError: no such id.
        """
        sql = "SELECT * FROM registrations WHERE id = ?"
        return _registration_row(self._one("registration", registration_id, sql))

    def registrations(
        self,
        *,
        session: str | None = None,
        em_frame_id: str | None = None,
        pair_id: str | None = None,
        best_only: bool = False,
        limit: int = 200,
    ) -> list[RegistrationRow]:
        """Results, the newest first."""
        clause, values = where(
            {
                "session": session,
                "em_frame_id": em_frame_id,
                "pair_id": pair_id,
                "is_best": 1 if best_only else None,
            }
        )
        rows = self._all(
            f"SELECT * FROM registrations{clause} "  # noqa: S608 - own names
            "ORDER BY created_at DESC, rowid DESC LIMIT ?",
            *values,
            limit,
        )
        return [_registration_row(row) for row in rows]

    def frames_on_both(
        self, lm_frame_id: str, other_lm_frame_id: str, *, but: str, limit: int = 20
    ) -> list[str]:
        """EM frames accepted on both maps, the newest first, without `but`."""
        rows = self._all(
            "SELECT a.em_frame_id, MAX(a.created_at) AS newest FROM registrations AS a "
            "JOIN registrations AS b ON b.em_frame_id = a.em_frame_id "
            "WHERE a.lm_frame_id = ? AND b.lm_frame_id = ? AND a.em_frame_id != ? "
            "AND a.verdict = 'accepted' AND b.verdict = 'accepted' "
            "GROUP BY a.em_frame_id ORDER BY newest DESC LIMIT ?",
            lm_frame_id,
            other_lm_frame_id,
            but,
            limit,
        )
        return [row[0] for row in rows]


class RegistrationChanges(RegistrationQueries, Changes):
    """Keep results."""

    def add_registration(
        self,
        pair_id: str,
        registration: Registration,
        *,
        registration_id: str,
        job_key: str,
        outputs: dict[str, str],
    ) -> bool:
        """Keep one result and mark the best of its EM frame anew.

        Args:
            pair_id: the pair that was registered.
            registration: what the engine found.
            registration_id: a new id.
            job_key: names inputs and parameters; the same work has the same key.
            outputs: name -> path relative to the state folder.

        Returns:
            False, and nothing changed, if this work already has its result.

        Raises:
            NoSuchRecordError: no such pair.
            ValueError: a value of `registration` cannot be kept (not finite).
        """
        text = fact_text(registration)
        with self.transaction():
            pair = self.pair(pair_id)
            session = self.frame(pair.em_frame_id).session
            added = self._do(
                "INSERT INTO registrations (id, pair_id, job_key, session, "
                "em_frame_id, lm_frame_id, verdict, confidence, error_p95, json, "
                "outputs, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (pair_id, job_key) DO NOTHING",
                registration_id,
                pair_id,
                job_key,
                session or self.frame(pair.lm_frame_id).session,
                pair.em_frame_id,
                pair.lm_frame_id,
                registration.verdict.value,
                registration.confidence,
                _p95(registration),
                text,
                json.dumps(outputs),
                self._stamp(),
            )
            if added:
                self._mark_best(pair.em_frame_id)
        return added == 1

    def add_second(self, registration_id: str, second: SecondOpinion) -> bool:
        """Keep what another engine says of a result; the result stays as it is.

        Returns:
            False, and nothing changed, if another engine has spoken already.

        Raises:
            NoSuchRecordError: no such result.
            ValueError: a value of `second` cannot be kept (not finite).
        """
        text = fact_text(second)
        with self.transaction():
            self.registration(registration_id)
            added = self._do(
                "UPDATE registrations SET second = ? WHERE id = ? AND second IS NULL",
                text,
                registration_id,
            )
        return added == 1

    def update_outputs(self, registration_id: str, outputs: dict[str, str]) -> None:
        """Replace the list of files that belong to a result.

        Raises:
            NoSuchRecordError: no such id.
        """
        with self.transaction():
            self.registration(registration_id)
            self._do(
                "UPDATE registrations SET outputs = ? WHERE id = ?",
                json.dumps(outputs),
                registration_id,
            )

    def overrule(
        self, registration_id: str, verdict: Verdict, *, by: str, reason: str = ""
    ) -> RegistrationRow:
        """Let an operator's verdict hold instead of the engine's.

        Args:
            registration_id: the result that was looked at.
            verdict: what holds from now on.
            by: who says so; `engine` goes back to the engine's own verdict.
            reason: why, in one line.

        Raises:
            NoSuchRecordError: no such id.
        """
        with self.transaction():
            before = self.registration(registration_id)
            holds = before.registration.verdict if by == "engine" else verdict
            self._do(
                "UPDATE registrations SET verdict = ?, decided_by = ?, "
                "decided_reason = ? WHERE id = ?",
                holds.value,
                by,
                one_line(reason),
                registration_id,
            )
            self._mark_best(before.em_frame_id)
            return self.registration(registration_id)

    def _mark_best(self, em_frame_id: str) -> None:
        self._do(_MARK_BEST, em_frame_id)
