"""What sessions have learned: the images behind each transform, its state, its story.

The images are the truth; the state is their sum, kept so that a restart need not add
ten thousand of them up again.
"""

from __future__ import annotations

import sqlite3

from ._queries import Changes, Queries
from ._rows import (
    LinkRow,
    PredictionRow,
    TransformEventRow,
    TransformRow,
    one_line,
    row_as,
)


def _transform(row: sqlite3.Row) -> TransformRow:
    return row_as(TransformRow, row)


class TransformQueries(Queries):
    """Look at session transforms."""

    def transform(self, session: str, lm_frame_id: str) -> TransformRow | None:
        """The state of one session on one map; None before its first image."""
        rows = self._all(
            "SELECT * FROM session_transforms WHERE session = ? AND lm_frame_id = ?",
            session,
            lm_frame_id,
        )
        return _transform(rows[0]) if rows else None

    def transforms(self, session: str | None = None) -> list[TransformRow]:
        """All session transforms, or those of one session; newest first."""
        rows = self._all(
            "SELECT * FROM session_transforms WHERE ?1 IS NULL OR session = ?1 "
            "ORDER BY updated_at DESC, rowid DESC",
            session,
        )
        return [_transform(row) for row in rows]

    def links(
        self, session: str, lm_frame_id: str, *, after_seq: int = 0
    ) -> list[LinkRow]:
        """The images behind a transform, in the order in which they were folded."""
        rows = self._all(
            "SELECT * FROM session_links WHERE session = ? AND lm_frame_id = ? "
            "AND active = 1 AND seq > ? ORDER BY seq",
            session,
            lm_frame_id,
            after_seq,
        )
        return [_link(row) for row in rows]

    def speaks_already(self, session: str, lm_frame_id: str, em_frame_id: str) -> bool:
        """A result of this very image is among those behind the transform."""
        return (
            self._number(
                "SELECT COUNT(*) FROM session_links AS l JOIN registrations AS r "
                "ON r.id = l.registration_id WHERE l.active = 1 AND l.session = ? "
                "AND l.lm_frame_id = ? AND r.em_frame_id = ?",
                session,
                lm_frame_id,
                em_frame_id,
            )
            > 0
        )

    def link(self, registration_id: str) -> LinkRow | None:
        """What that result gave to its session; None if nothing, or taken back."""
        rows = self._all(
            "SELECT * FROM session_links WHERE registration_id = ? AND active = 1",
            registration_id,
        )
        return _link(rows[0]) if rows else None

    def transform_events(
        self, session: str, lm_frame_id: str, *, limit: int = 100
    ) -> list[TransformEventRow]:
        """What happened to a transform, newest first."""
        rows = self._all(
            "SELECT * FROM session_events WHERE session = ? AND lm_frame_id = ? "
            "ORDER BY id DESC LIMIT ?",
            session,
            lm_frame_id,
            limit,
        )
        return [row_as(TransformEventRow, row) for row in rows]

    def open_predictions(self, *, limit: int = 200) -> list[str]:
        """What is foretold and neither measured nor doubted yet (JSON), newest first.

        A result on that map, or an accepted one on any, has taken its place.
        """
        rows = self._all(
            "SELECT p.text FROM predictions AS p "
            "JOIN frames AS f ON f.id = p.em_frame_id "
            "WHERE NOT EXISTS (SELECT 1 FROM registrations AS r "
            "WHERE r.em_frame_id = p.em_frame_id "
            "AND (r.lm_frame_id = p.lm_frame_id OR r.verdict = 'accepted')) "
            "AND NOT EXISTS (SELECT 1 FROM session_transforms AS t "
            "WHERE t.session = f.session AND t.lm_frame_id = p.lm_frame_id "
            "AND t.standing = 'doubted') "
            "ORDER BY p.created_at DESC, p.rowid DESC LIMIT ?",
            limit,
        )
        return [row[0] for row in rows]

    def open_contradictions(self, *, limit: int = 50) -> list[TransformEventRow]:
        """Maps that contradict each other by results that hold, newest first."""
        rows = self._all(
            "SELECT e.* FROM session_events AS e "
            "JOIN registrations AS r ON r.id = e.registration_id "
            "WHERE e.event = 'contradicted' AND r.verdict = 'accepted' "
            "ORDER BY e.id DESC LIMIT ?",
            limit,
        )
        return [row_as(TransformEventRow, row) for row in rows]

    def prediction(self, em_frame_id: str, lm_frame_id: str) -> PredictionRow | None:
        """The newest foretold pose of an EM frame on a map."""
        rows = self._all(
            "SELECT * FROM predictions WHERE em_frame_id = ? AND lm_frame_id = ?",
            em_frame_id,
            lm_frame_id,
        )
        return row_as(PredictionRow, rows[0]) if rows else None


def _link(row: sqlite3.Row) -> LinkRow:
    return row_as(LinkRow, row, active=bool(row["active"]))


class TransformChanges(TransformQueries, Changes):
    """Keep session transforms."""

    def add_link(
        self,
        *,
        registration_id: str,
        session: str,
        lm_frame_id: str,
        sighting: str,
        observed: str,
    ) -> bool:
        """Keep what one result gave to its session (JSON of its facts).

        Returns:
            True if it had been taken back before, and speaks again at its old place.
        """
        known = self._number(
            "SELECT COUNT(*) FROM session_links WHERE registration_id = ?",
            registration_id,
        )
        self._do(
            "INSERT INTO session_links (registration_id, session, lm_frame_id, "
            "sighting, observed, active, created_at) VALUES (?, ?, ?, ?, ?, 1, ?) "
            "ON CONFLICT (registration_id) DO UPDATE SET active = 1",
            registration_id,
            session,
            lm_frame_id,
            sighting,
            observed,
            self._stamp(),
        )
        return known > 0

    def take_back_link(self, registration_id: str) -> bool:
        """That result no longer speaks for its session; False if it never did."""
        return (
            self._do(
                "UPDATE session_links SET active = 0 WHERE registration_id = ? "
                "AND active = 1",
                registration_id,
            )
            > 0
        )

    def keep_transform(
        self,
        *,
        session: str,
        lm_frame_id: str,
        epoch: int,
        standing: str,
        images: int,
        text: str,
    ) -> None:
        """Replace the state of one session on one map."""
        self._do(
            "INSERT INTO session_transforms (session, lm_frame_id, epoch, standing, "
            "images, text, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (session, lm_frame_id) DO UPDATE SET epoch = excluded.epoch, "
            "standing = excluded.standing, images = excluded.images, "
            "text = excluded.text, updated_at = excluded.updated_at",
            session,
            lm_frame_id,
            epoch,
            standing,
            images,
            text,
            self._stamp(),
        )

    def add_transform_event(
        self,
        *,
        session: str,
        lm_frame_id: str,
        epoch: int,
        event: str,
        reason: str,
        registration_id: str | None,
    ) -> None:
        """Tell the story on."""
        self._do(
            "INSERT INTO session_events (session, lm_frame_id, epoch, event, reason, "
            "registration_id, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            session,
            lm_frame_id,
            epoch,
            event,
            one_line(reason),
            registration_id,
            self._stamp(),
        )

    def keep_prediction(self, em_frame_id: str, lm_frame_id: str, text: str) -> None:
        """Keep what was foretold (JSON of the message)."""
        self._do(
            "INSERT INTO predictions (em_frame_id, lm_frame_id, text, created_at) "
            "VALUES (?, ?, ?, ?) ON CONFLICT (em_frame_id, lm_frame_id) DO UPDATE "
            "SET text = excluded.text, created_at = excluded.created_at",
            em_frame_id,
            lm_frame_id,
            text,
            self._stamp(),
        )
