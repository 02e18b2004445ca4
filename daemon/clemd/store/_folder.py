"""The state folder: made, checked, and held by one daemon at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from clemd.errors import StateFolderError

from ._mounts import REMOTE_TYPES, filesystem_type

DATABASE = "clemd.sqlite"
LOCK = "clemd.lock"
SUBFOLDERS = ("outputs", "cache", "quarantine")
MOUNTINFO = Path("/proc/self/mountinfo")
_OTHER_FOLDER = "set CLEMD_STATE to a folder on a local disk"


def prepare_folder(state: Path) -> None:
    """Create the state folder and its sub-folders.

    Raises:
        StateFolderError: not a folder, not writable, or on another host's disk.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        refuse_remote(state)
        for name in SUBFOLDERS:
            (state / name).mkdir(exist_ok=True)
    except OSError as failed:
        raise StateFolderError(
            f"state folder cannot be used: {failed.strerror}", str(state), _OTHER_FOLDER
        ) from failed


def refuse_remote(state: Path, mountinfo: Path | None = None) -> None:
    """Make sure that `state` is on a disk of this host.

    Raises:
        StateFolderError: it is on a network file system.
    """
    try:
        text = (mountinfo or MOUNTINFO).read_text("utf-8", "surrogateescape")
    except OSError:
        return  # No /proc: nothing is known, and most folders are local.
    kind = filesystem_type(state, text)
    if kind in REMOTE_TYPES:
        raise StateFolderError(
            f"state folder is on a network file system ({kind}), where SQLite's log "
            "does not work",
            str(state),
            _OTHER_FOLDER,
        )


def check_database(file: Path, *, writable: bool) -> None:
    """Make sure that the database, where there is one, may be opened.

    Raises:
        StateFolderError: not a file, or not permitted.
    """
    if file.exists() and not file.is_file():
        raise StateFolderError("not a file", str(file), "move it out of the way")
    wanted = os.R_OK | (os.W_OK if writable else 0)
    if file.exists() and not os.access(file, wanted):
        raise StateFolderError(
            "database may not be " + ("written" if writable else "read"),
            str(file),
            "give the daemon's user permission",
        )


class FolderLock:
    """Held from start to end by the one daemon that may write to a state folder.

    The kernel drops it with the process, however that ends; the file itself stays,
    since deleting a lock file lets two processes lock two files of one name.
    """

    def __init__(self, state: Path) -> None:
        path = state / LOCK
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as failed:
            raise StateFolderError(
                f"lock file cannot be opened: {failed.strerror}",
                str(path),
                "give the daemon's user write permission",
            ) from failed
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            holder = os.pread(self._fd, 32, 0).decode("ascii", "replace").strip()
            os.close(self._fd)
            raise StateFolderError(
                f"state folder is in use by process {holder or 'unknown'}",
                str(state),
                "stop that daemon or set CLEMD_STATE to another folder",
            ) from taken
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next daemon in."""
        os.close(self._fd)
