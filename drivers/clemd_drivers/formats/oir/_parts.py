"""Further files of one image: `NAME_00001` and so on beside `NAME.oir`.

They are known by the image's own name, and opened in its folder only; what metadata
say of other files is never followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePath

from clemd.driver_api import HEAD_BYTES, SourceFile
from clemd.errors import RefusedFileError

from ._blocks import MAGIC

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MOST_PARTS = 1000
_ENDING = re.compile(r"(?P<stem>.+)_\d{5}")
_BLOCK_BYTES = 1 << 20


def is_part(name: str) -> bool:
    """Is this the name of a further part?"""
    return _ENDING.fullmatch(name) is not None


def whole_of(name: str) -> str:
    """The image that a part of this name belongs to."""
    found = _ENDING.fullmatch(name)
    return f"{found['stem']}.oir" if found else name


@contextmanager
def parts_of(source: SourceFile) -> Iterator[tuple[SourceFile, ...]]:
    """The parts beside an image, counted from one, up to the first that is missing.

    Raises:
        RefusedFileError: one is a link or no OIR file, or there are too many.
    """
    name = PurePath(source.path.name)
    with ExitStack() as stack:
        found: list[SourceFile] = []
        while name.suffix.lower() == ".oir":
            part = _opened(source, f"{name.stem}_{len(found) + 1:05}", stack)
            if part is None:
                break
            found.append(part)
            if len(found) > _MOST_PARTS:
                raise RefusedFileError("an OIR image of too many parts: export fewer")
        yield tuple(found)


def hash_all(parts: tuple[SourceFile, ...], digest: hashlib._Hash) -> None:
    """Take what the parts hold into account."""
    for part in parts:
        at = 0
        while block := os.pread(part.fd, _BLOCK_BYTES, at):
            digest.update(block)
            at += len(block)


def _opened(source: SourceFile, name: str, stack: ExitStack) -> SourceFile | None:
    try:
        fd = os.open(name, _FLAGS, dir_fd=source.folder_fd)
    except FileNotFoundError:
        return None
    except OSError as failed:
        if failed.errno != errno.ELOOP:
            raise
        raise RefusedFileError(
            f"{name} is a link: export the files themselves"
        ) from failed
    stack.callback(os.close, fd)
    facts = os.fstat(fd)
    head = os.pread(fd, HEAD_BYTES, 0) if stat.S_ISREG(facts.st_mode) else b""
    if facts.st_size and not head.startswith(MAGIC):
        raise RefusedFileError(f"{name} is no part of an OIR image: remove it")
    return SourceFile(
        path=Path(name),
        fd=fd,
        size_bytes=facts.st_size,
        modified_ns=facts.st_mtime_ns,
        inode=facts.st_ino,
        head=head,
        folder_fd=source.folder_fd,
        stack=source.stack,
    )
