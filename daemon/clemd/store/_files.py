"""The inventory: every name ever seen in a watched root, at its newest revision."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from ._queries import Changes, Queries
from ._rows import FileRow, one_line, row_as, signed, unsigned


def file_row(row: sqlite3.Row) -> FileRow:
    """One row of `files` as facts."""
    return row_as(FileRow, row, inode=unsigned(row["inode"]))


class FileQueries(Queries):
    """Look at the inventory."""

    def known_files(self, root: str) -> dict[bytes, FileRow]:
        """Every file of `root` by its relative path, vanished ones included."""
        rows = self._all("SELECT * FROM files WHERE root = ?", root)
        return {row["relative"]: file_row(row) for row in rows}

    def known_looks(self, root: str) -> Iterator[tuple[bytes, int, int, int, str]]:
        """(relative path, bytes, modified ns, inode, state) of every file of `root`.

        A start has to know them all before it can tell what is new.
        """
        cursor = self.connection.cursor()
        cursor.row_factory = None  # plain tuples: there may be 100,000
        rows = cursor.execute(
            "SELECT relative, size_bytes, modified_ns, inode, state FROM files "
            "WHERE root = ?",
            (root,),
        ).fetchall()
        for relative, size_bytes, modified_ns, inode, state in rows:
            inode = inode if inode >= 0 else unsigned(inode)
            yield relative, size_bytes, modified_ns, inode, state

    def file(self, file_id: int) -> FileRow:
        """One file.

        Raises:
            NoSuchRecordError: no such id.
        """
        return file_row(self._one("file", file_id, "SELECT * FROM files WHERE id = ?"))

    def find_file(self, root: str, relative: bytes) -> FileRow | None:
        """One file by its name, if it was ever noted."""
        rows = self._all(
            "SELECT * FROM files WHERE root = ? AND relative = ?", root, relative
        )
        return file_row(rows[0]) if rows else None

    def files_named_like(self, root: str, beginning: bytes) -> list[FileRow]:
        """Files of `root` whose path begins so, at most 200."""
        rows = self._all(
            "SELECT * FROM files WHERE root = ?1 AND relative >= ?2 "
            "AND substr(relative, 1, ?3) = ?2 ORDER BY relative LIMIT 200",
            root,
            beginning,
            len(beginning),
        )
        return [file_row(row) for row in rows]

    def files_in_state(
        self, state: str, *, root: str | None = None, limit: int = 500
    ) -> list[FileRow]:
        """Files in one state, the last noticed first."""
        rows = self._all(
            "SELECT * FROM files WHERE state = ?1 AND (?2 IS NULL OR root = ?2) "
            "ORDER BY noticed_at DESC, id DESC LIMIT ?3",
            state,
            root,
            limit,
        )
        return [file_row(row) for row in rows]

    def file_counts(self) -> dict[str, dict[str, int]]:
        """Root -> state -> number of files."""
        counts: dict[str, dict[str, int]] = {}
        for root, state, number in self._all(
            "SELECT root, state, COUNT(*) FROM files GROUP BY root, state"
        ):
            counts.setdefault(root, {})[state] = number
        return counts


class FileChanges(FileQueries, Changes):
    """Keep the inventory."""

    def note_file(
        self,
        root: str,
        relative: bytes,
        *,
        size_bytes: int,
        modified_ns: int,
        inode: int,
    ) -> FileRow:
        """Note what the file system says about one name now.

        A name not seen before starts at revision 1; one that changed becomes the next
        revision; one that came back unchanged goes on where it was (a share that was
        away for a while must not be registered anew).
        """
        facts = (size_bytes, modified_ns, signed(inode))
        with self.transaction():
            found = self.connection.execute(
                "SELECT * FROM files WHERE root = ? AND relative = ?", (root, relative)
            ).fetchone()
            if found is None:
                file_id = self._insert(root, relative, facts)
            else:
                file_id = found["id"]
                if facts != (found["size_bytes"], found["modified_ns"], found["inode"]):
                    self._revise(file_id, facts)
                elif found["state"] == "vanished":
                    self._restore(found)
            return self.file(file_id)

    def set_file_state(
        self,
        file_id: int,
        state: str,
        reason: str = "",
        content_sha256: str | None = None,
        *,
        revision: int | None = None,
    ) -> bool:
        """Say how far a file has come.

        Args:
            file_id: which file.
            state: one of `FileMessage`'s states.
            reason: why, in one line.
            content_sha256: of the bytes as read; kept if not given.
            revision: the one the caller worked on; None = whichever it is now.

        Returns:
            False, and nothing changed, if the file has moved on to another revision.

        Raises:
            NoSuchRecordError: no such id.
        """
        with self.transaction():
            now_at = self.file(file_id)
            if revision is not None and revision != now_at.revision:
                return False
            settled = self._stamp() if state in {"reading", "read"} else None
            self._do(
                "UPDATE files SET state = ?, reason = ?, "
                "content_sha256 = COALESCE(?, content_sha256), "
                "settled_at = COALESCE(settled_at, ?) WHERE id = ?",
                state,
                one_line(reason),
                content_sha256,
                settled,
                file_id,
            )
        return True

    def revise_file(self, file_id: int) -> FileRow:
        """What belongs to a file has changed: its next revision, with the same bytes.

        Raises:
            NoSuchRecordError: no such id.
        """
        with self.transaction():
            row = self.file(file_id)
            self._revise(file_id, (row.size_bytes, row.modified_ns, signed(row.inode)))
            return self.file(file_id)

    def _insert(self, root: str, relative: bytes, facts: tuple[int, int, int]) -> int:
        cursor = self.connection.execute(
            "INSERT INTO files (root, relative, size_bytes, modified_ns, inode, "
            "revision, state, noticed_at) VALUES (?, ?, ?, ?, ?, 1, 'noticed', ?)",
            (root, relative, *facts, self._stamp()),
        )
        return int(cursor.lastrowid or 0)

    def _revise(self, file_id: int, facts: tuple[int, int, int]) -> None:
        self._do(
            "UPDATE files SET size_bytes = ?, modified_ns = ?, inode = ?, "
            "revision = revision + 1, state = 'noticed', reason = '', "
            "content_sha256 = NULL, settled_at = NULL, noticed_at = ? WHERE id = ?",
            *facts,
            self._stamp(),
            file_id,
        )

    def _restore(self, found: sqlite3.Row) -> None:
        state = "read" if found["content_sha256"] else "noticed"
        self._do(
            "UPDATE files SET state = ?, reason = '' WHERE id = ?", state, found["id"]
        )
