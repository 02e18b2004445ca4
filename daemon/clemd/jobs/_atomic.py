"""Whole files or none: a reader never meets half an output, even after a power cut."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

_PREFIX = ".clemd-"
_SUFFIX = ".partial"


def atomic_write(path: Path, data: bytes | Callable[[BinaryIO], object]) -> None:
    """Write `path` under another name, flush it to the disk, then rename it.

    Args:
        path: the final name; its folder exists. A file of that name is replaced.
        data: the content, or what writes it.

    Raises:
        OSError: no room, no permission, or a failing disk; `path` is as it was.
    """
    partial = path.with_name(f"{_PREFIX}{secrets.token_hex(8)}{_SUFFIX}")
    try:
        # Mode x is O_EXCL: nobody can have put a link there beforehand.
        with partial.open("xb") as file:
            if callable(data):
                data(file)
            else:
                file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            partial.unlink()
        raise
    _flush_folder(path.parent)


def clean_leftovers(folder: Path) -> int:
    """Delete what killed writers left in `folder` and below; how many files.

    Only for folders that clemd alone writes to, when no worker of it runs.
    """
    count = 0
    for path in _partials(folder):
        with suppress(FileNotFoundError):
            path.unlink()
            count += 1
    return count


def _partials(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):  # does not follow links
        for name in names:
            if name.startswith(_PREFIX) and name.endswith(_SUFFIX):
                yield Path(where, name)


def _flush_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
