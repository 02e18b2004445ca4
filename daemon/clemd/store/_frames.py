"""Frames and the sessions they belong to."""

from __future__ import annotations

import sqlite3
from uuid import UUID, uuid5

from clemd.model import Frame, from_json

from ._files import FileQueries, file_row
from ._queries import Changes, where
from ._rows import (
    FileRow,
    FrameRow,
    SessionRow,
    fact_text,
    one_line,
    row_as,
    utc_text,
)

# A constant of this project: ids made from it are the same on every machine.
NAMESPACE = UUID("6f0c8a52-5d0e-4c57-9d1b-3f2f6a6f1c11")


def frame_id_of(file: FileRow, revision: int, content_sha256: str) -> str:
    """The id of one file revision with that content, the same at every call."""
    facts = (content_sha256, file.root, file.relative.hex(), str(revision))
    return str(uuid5(NAMESPACE, "\n".join(facts)))


def _frame_row(row: sqlite3.Row) -> FrameRow:
    return row_as(FrameRow, row, frame=from_json(Frame, row["json"]))


class FrameQueries(FileQueries):
    """Look at frames and sessions."""

    def frame(self, frame_id: str) -> FrameRow:
        """One frame.

        Raises:
            NoSuchRecordError: no such id.
        """
        return _frame_row(
            self._one("frame", frame_id, "SELECT * FROM frames WHERE id = ?")
        )

    def files_naming(
        self, root: str, folder: bytes, name: str, *, key: str
    ) -> list[FileRow]:
        """Files in `folder` of `root` whose newest frames were read with, or name, one.

        Args:
            root: the root's name.
            folder: path below the root with its slash; empty = the root itself.
            name: display name of the file beside them.
            key: where in its `extra` a frame names what was not there.
        """
        rows = self._all(
            "SELECT DISTINCT files.* FROM files JOIN frames "
            "ON frames.file_id = files.id AND frames.revision = files.revision "
            "WHERE root = ?1 AND relative >= ?2 AND substr(relative, 1, ?3) = ?2 "
            "AND instr(substr(relative, ?3 + 1), x'2f') = 0 AND (?4 = "
            "json_extract(frames.json, '$.extra.' || ?5) OR EXISTS (SELECT 1 FROM "
            "json_each(frames.json, '$.beside') AS text WHERE text.key = ?4)) "
            "ORDER BY relative",
            root,
            folder,
            len(folder),
            name,
            key,
        )
        return [file_row(row) for row in rows]

    def frames(
        self,
        *,
        side: str | None = None,
        session: str | None = None,
        file_id: int | None = None,
        include_superseded: bool = False,
        limit: int = 500,
    ) -> list[FrameRow]:
        """Frames, the newest first.

        A frame whose file has since been overwritten is left out unless asked for:
        its pixels no longer exist.
        """
        clause, values = where(
            {
                "frames.side": side,
                "frames.session": session,
                "frames.file_id": file_id,
            }
        )
        join = (
            ""
            if include_superseded
            else " JOIN files ON files.id = frames.file_id"
            " AND files.revision = frames.revision"
        )
        rows = self._all(
            f"SELECT frames.* FROM frames{join}{clause} "  # noqa: S608 - own names
            "ORDER BY frames.created_at DESC, frames.rowid DESC LIMIT ?",
            *values,
            limit,
        )
        return [_frame_row(row) for row in rows]

    def frame_ids(self, side: str, limit: int) -> list[str]:
        """Ids of one side's newest frames whose pixels still exist, newest first."""
        rows = self._all(
            "SELECT frames.id FROM frames JOIN files ON files.id = frames.file_id "
            "AND files.revision = frames.revision WHERE frames.side = ? "
            "ORDER BY frames.created_at DESC, frames.rowid DESC LIMIT ?",
            side,
            limit,
        )
        return [row["id"] for row in rows]

    def sessions(self, *, limit: int = 200) -> list[SessionRow]:
        """Sessions, the newest first."""
        rows = self._all(
            "SELECT * FROM sessions ORDER BY started_at DESC, rowid DESC LIMIT ?", limit
        )
        return [row_as(SessionRow, row) for row in rows]

    def session(self, session_id: str) -> SessionRow:
        """One session.

        Raises:
            NoSuchRecordError: no such id.
        """
        sql = "SELECT * FROM sessions WHERE id = ?"
        return row_as(SessionRow, self._one("session", session_id, sql))


class FrameChanges(FrameQueries, Changes):
    """Keep frames and sessions."""

    def add_frame(
        self, frame: Frame, *, file_id: int, revision: int, side: str, session: str
    ) -> str:
        """Keep what was read of one file revision; a second time changes nothing.

        Returns:
            The frame's id, made from its content, its name and its revision.

        Raises:
            NoSuchRecordError: no such file.
            ValueError: a value of `frame` cannot be kept (not finite, naive time).
        """
        text = fact_text(frame)
        acquired = frame.acquired_at
        with self.transaction():
            file = self.file(file_id)
            frame_id = frame_id_of(file, revision, frame.content_sha256)
            if session:
                self.note_session(session)
            self._do(
                "INSERT INTO frames (id, file_id, revision, side, session, json, "
                "acquired_at, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (id) DO NOTHING",
                frame_id,
                file_id,
                revision,
                side,
                session,
                text,
                None if acquired is None else utc_text(acquired),
                self._stamp(),
            )
        return frame_id

    def note_session(self, session_id: str, name: str | None = None) -> bool:
        """Make sure that a session is on record; True if it is new."""
        changed = self._do(
            "INSERT INTO sessions (id, name, started_at, state) "
            "VALUES (?, ?, ?, 'open') ON CONFLICT (id) DO NOTHING",
            session_id,
            one_line(name or session_id),
            self._stamp(),
        )
        return changed == 1

    def set_session_state(self, session_id: str, state: str) -> None:
        """Say how a session stands, e.g. `open`, `stale`, `closed`.

        Raises:
            NoSuchRecordError: no such id.
        """
        with self.transaction():
            self.session(session_id)
            self._do("UPDATE sessions SET state = ? WHERE id = ?", state, session_id)
