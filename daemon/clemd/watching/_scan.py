"""Walk a folder tree on bytes names, following no link, telling everything it meets.

Folders are opened one inside the other by descriptor and never by a path, so that
a folder swapped for a link during the walk cannot lead out of the root. A folder
that cannot be listed is reported and not taken for an empty one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from clemd.errors import TransientError

from ._ignore import Ignore, anchors_of
from ._look import Look

DEPTH_LIMIT = 32
"""Folders inside folders; deeper ones are reported and left alone, whoever names them:
a walk holds a descriptor for each."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = (FileNotFoundError, NotADirectoryError)

_PROBLEMS = {
    stat.S_IFLNK: "a symbolic link: export the file itself into the folder",
    stat.S_IFIFO: "a named pipe, not a file: remove it from the folder",
    stat.S_IFSOCK: "a socket, not a file: remove it from the folder",
    stat.S_IFCHR: "a device, not a file: remove it from the folder",
    stat.S_IFBLK: "a device, not a file: remove it from the folder",
}


class RootAwayError(TransientError):
    """Raised when the root cannot be listed: unmounted, renamed, not answering."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class RootIdentity:
    """Which folder is really there under the root's name."""

    device: int
    inode: int
    is_empty: bool
    """No entry at all, as a mount point without its share."""


class Entry(NamedTuple):
    """One thing met on a walk; plain folders are walked and not told."""

    relative: bytes
    look: Look
    problem: str = ""
    """Why it is not a file to read; empty for regular files."""
    is_folder: bool = False
    """True: a folder that could not be listed."""


def identify(root: bytes) -> RootIdentity:
    """Look which folder the root is now.

    Raises:
        RootAwayError: there is none, or it cannot be listed.
    """
    try:
        with os.scandir(root) as listing:
            is_empty = next(listing, None) is None
        facts = os.stat(root)  # noqa: PTH116 - bytes names
    except OSError as failed:
        raise RootAwayError(_describe_away(failed)) from failed
    return RootIdentity(facts.st_dev, facts.st_ino, is_empty)


def walk(root: bytes, ignore: Ignore, below: bytes = b"") -> Iterator[Entry]:
    """Everything under `root`, or under its folder `below`, file by file.

    Raises:
        RootAwayError: the root cannot be opened.
    """
    root_fd = _open_root(root)
    deep = _too_deep(below)
    if deep is not None:
        os.close(root_fd)
        yield deep
        return
    try:
        fd = _descend(root_fd, below.split(b"/") if below else [])
    except OSError as failed:
        os.close(root_fd)
        if below and not isinstance(failed, _GONE):
            yield _closed_folder(below, failed)
        return
    os.close(root_fd)
    yield from _walk_open(fd, below, ignore)


def look_at(root: bytes, relative: bytes) -> Entry | None:
    """One look at one path; None: it is gone, or it is a folder.

    Where its folder does not say, or lies too deep, the entry is that of a folder that
    could not be listed: nothing is known, and nothing may be concluded.

    Raises:
        RootAwayError: the root cannot be opened.
    """
    *folders, name = relative.split(b"/")
    root_fd = _open_root(root)
    deep = _too_deep(b"/".join(folders))
    if deep is not None:
        os.close(root_fd)
        return deep
    fd = -1
    try:
        fd = _descend(root_fd, folders)
        facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except _GONE:
        return None
    except OSError as failed:
        return _closed_folder(relative, failed)
    finally:
        os.close(root_fd)
        if fd >= 0:
            os.close(fd)
    return None if stat.S_ISDIR(facts.st_mode) else _entry(relative, facts)


def _open_root(root: bytes) -> int:
    try:
        # The root alone may be a link: the operator wrote it into the profile.
        return os.open(root, _FOLDER & ~os.O_NOFOLLOW)
    except OSError as failed:
        raise RootAwayError(_describe_away(failed)) from failed


def _descend(root_fd: int, folders: list[bytes]) -> int:
    fd = os.dup(root_fd)
    for name in folders:
        try:
            inner = os.open(name, _FOLDER, dir_fd=fd)
        finally:
            os.close(fd)
        fd = inner
    return fd


def _walk_open(fd: int, prefix: bytes, ignore: Ignore) -> Iterator[Entry]:
    """Walk the open folder `fd` and close it."""
    folders: list[bytes] = []
    anchors = anchors_of(prefix)
    if anchors is not None:
        yield from _anchor_in(fd, prefix, anchors)
        return
    try:
        with os.scandir(fd) as listing:
            for item in listing:
                if ignore.hides_text(item.name):
                    continue
                name = os.fsencode(item.name)
                if item.is_dir(follow_symlinks=False):
                    folders.append(name)
                    continue
                try:
                    facts = item.stat(follow_symlinks=False)
                except _GONE:
                    continue
                yield _entry(_join(prefix, name), facts)
        for name in folders:
            yield from _walk_inner(fd, _join(prefix, name), name, ignore)
    except OSError as failed:
        yield _closed_folder(prefix, failed)
    finally:
        os.close(fd)


def _anchor_in(fd: int, prefix: bytes, anchors: tuple[bytes, ...]) -> Iterator[Entry]:
    """The file that stands for the open folder `fd`, which is closed."""
    try:
        for name in anchors:
            try:
                facts = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except _GONE:
                continue
            yield _entry(_join(prefix, name), facts)
            return
    except OSError as failed:
        yield _closed_folder(prefix, failed)
    finally:
        os.close(fd)


def _walk_inner(
    fd: int, relative: bytes, name: bytes, ignore: Ignore
) -> Iterator[Entry]:
    deep = _too_deep(relative)
    if deep is not None:
        yield deep
        return
    try:
        inner = os.open(name, _FOLDER, dir_fd=fd)
    except _GONE:
        return  # removed, or swapped for a link, since it was listed
    except OSError as failed:
        yield _closed_folder(relative, failed)
        return
    yield from _walk_open(inner, relative, ignore)


_NO_LOOK = Look(0, 0, 0, is_regular=False)


def _too_deep(folder: bytes) -> Entry | None:
    """The uppermost folder on this way that is left alone, if it leads so far down."""
    if folder.count(b"/") < DEPTH_LIMIT:
        return None
    uppermost = b"/".join(folder.split(b"/", DEPTH_LIMIT + 1)[: DEPTH_LIMIT + 1])
    reason = f"deeper than {DEPTH_LIMIT} folders: move it up"
    return Entry(uppermost, _NO_LOOK, reason, is_folder=True)


def _entry(relative: bytes, facts: os.stat_result) -> Entry:
    look = Look.of(facts)
    if look.is_regular:
        return Entry(relative, look)
    kind = stat.S_IFMT(facts.st_mode)
    return Entry(relative, look, _PROBLEMS.get(kind, "not a file: remove it"))


def _closed_folder(relative: bytes, failed: OSError) -> Entry:
    return Entry(
        relative,
        _NO_LOOK,
        f"folder cannot be listed ({failed.strerror}): "
        "give the daemon's user read permission",
        is_folder=True,
    )


def _join(prefix: bytes, name: bytes) -> bytes:
    return prefix + b"/" + name if prefix else name


def _describe_away(failed: OSError) -> str:
    if isinstance(failed, _GONE):
        return "the folder is not there: check its path, the mount and the network"
    if isinstance(failed, PermissionError):
        return "the folder may not be listed: give the daemon's user read permission"
    return f"the folder does not answer ({failed.strerror}): check disk and network"
