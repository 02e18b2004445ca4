"""What the database can do to us, sorted by what the daemon does next."""

from __future__ import annotations

import sqlite3

from clemd.errors import ClemdError, TransientError

# Low byte of SQLite's extended result codes.
_PRIMARY = 0xFF
_DAMAGE = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
}


class StoreDamagedError(ClemdError):
    """Raised when the database can no longer be trusted: exit, reopen, verify.

    After a failed flush the kernel may drop the pages and report success next time,
    so nothing that is written afterwards would be known to be on the disk.
    """


class DiskFullError(TransientError):
    """Raised when a change did not fit on the disk; it was rolled back whole."""


class StoreBusyError(TransientError):
    """Raised when another program holds the database locked."""


class NoSuchRecordError(ClemdError, LookupError):
    """Raised when an id names nothing in the store."""

    def __init__(self, kind: str, record_id: object) -> None:
        super().__init__(f"no {kind} {record_id!r} in the store: check the id")
        self.kind = kind
        """What was looked for: file, frame, pair, registration, session."""
        self.record_id = record_id


def translated(failed: sqlite3.Error) -> ClemdError | None:
    """The situation behind an SQLite error; None where it is a defect of ours."""
    code = getattr(failed, "sqlite_errorcode", 0) & _PRIMARY
    if code == sqlite3.SQLITE_FULL:
        return DiskFullError(f"the disk of the state folder is full ({failed})")
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return StoreBusyError(f"another program holds clemd.sqlite locked ({failed})")
    if code in _DAMAGE:
        return StoreDamagedError(
            f"clemd.sqlite cannot be trusted ({failed}): check the disk, then restart"
        )
    return None
