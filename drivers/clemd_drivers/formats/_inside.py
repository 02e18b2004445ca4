"""Files inside the folder of one image, opened part by part, never through a link."""

from __future__ import annotations

import errno
import json
import os
import stat
from typing import Any

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError

MAX_JSON_BYTES = 4 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

Look = tuple[int, int]
"""(size in bytes, modification time in ns)."""


class Inside:
    """Files below a source's folder; remembers how each looked when it was read."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self.looks: dict[str, Look | None] = {}

    def read(self, name: str, *, limit: int) -> bytes | None:
        """The bytes of one file by its path inside the store; None: it is not there.

        Raises:
            RefusedFileError: it is larger than `limit`, or no regular file.
        """
        fd = self._open(name)
        if fd is None:
            self.looks[name] = None
            return None
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                raise RefusedFileError(f"{name} is not a regular file: remove it")
            if facts.st_size > limit:
                raise RefusedFileError(
                    f"{name} has {facts.st_size} bytes, more than fit: export it again"
                )
            self.looks[name] = (facts.st_size, facts.st_mtime_ns)
            return _read_all(fd, facts.st_size)
        finally:
            os.close(fd)

    def has(self, name: str) -> bool:
        """Is there such a file, with something in it?"""
        look = self._look(name)
        self.looks[name] = look
        return look is not None and look[0] > 0

    def is_unchanged(self) -> bool:
        """Does every file look as when it was first looked at?"""
        return all(self._look(name) == look for name, look in self.looks.items())

    def json(self, name: str) -> dict[str, Any] | None:
        """One metadata file as an object; None: it is not there.

        Raises:
            IncompleteFileError: it is not whole.
            RefusedFileError: it is no object.
        """
        data = self.read(name, limit=MAX_JSON_BYTES)
        return None if data is None else parse_object(data, name)

    def _look(self, name: str) -> Look | None:
        fd = self._open(name)
        if fd is None:
            return None
        try:
            facts = os.fstat(fd)
            return facts.st_size, facts.st_mtime_ns
        finally:
            os.close(fd)

    def _open(self, name: str) -> int | None:
        *folders, last = name.split("/")
        if any(part in {"", ".", ".."} for part in (*folders, last)):
            raise RefusedFileError(f"a path that leaves the image: {name[:80]!r}")
        fd = os.dup(self._source.folder_fd)
        try:
            for folder in folders:
                inner = os.open(folder, _FOLDER, dir_fd=fd)
                os.close(fd)
                fd = inner
            return os.open(last, _FILE, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as failed:
            if failed.errno != errno.ELOOP:
                raise
            raise RefusedFileError(
                f"{name} is a link: export the files themselves"
            ) from failed
        finally:
            os.close(fd)


def parse_object(data: bytes, name: str) -> dict[str, Any]:
    """JSON text as an object.

    Raises:
        IncompleteFileError: it is not whole.
        RefusedFileError: it is no object, or nests too deep.
    """
    try:
        value = json.loads(data)
    except RecursionError as failed:
        raise RefusedFileError(f"{name} nests too deep: export it again") from failed
    except ValueError as failed:
        # Metadata are written in one go: what cannot be parsed is still being written.
        raise IncompleteFileError(
            f"{name} is not whole", missing_from=len(data), missing_to=len(data) + 1
        ) from failed
    if not isinstance(value, dict):
        raise RefusedFileError(f"{name} is no object: export it again")
    return value


def _read_all(fd: int, size: int) -> bytes:
    parts, left = [], size
    while left > 0 and (part := os.read(fd, min(left, 16 << 20))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
