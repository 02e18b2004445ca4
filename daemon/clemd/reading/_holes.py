"""Reserved space that nobody has written to: the file system knows it for a hole."""

from __future__ import annotations

import errno
import os

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError

_UNKNOWN = {errno.ENXIO, errno.EINVAL, errno.EOPNOTSUPP}


def check_holes(source: SourceFile) -> None:
    """Make sure that every block of the file has been written once.

    A writer that makes the file as long as it will be, and fills it in any order,
    leaves holes that read as zeros; so does a mapped file. File systems that know
    nothing of holes say that there is none.

    Raises:
        IncompleteFileError: there is one. A copy program may leave holes for good
            where a file is zero; the caller decides how long to wait.
    """
    try:
        hole = os.lseek(source.fd, 0, os.SEEK_HOLE)
        if hole >= source.size_bytes:
            return
        end = _next_data(source, hole)
    except OSError as failed:
        if failed.errno in _UNKNOWN:
            return
        raise
    raise IncompleteFileError(
        f"bytes {hole} to {end} are reserved and not written yet",
        missing_from=hole,
        missing_to=end,
    )


def _next_data(source: SourceFile, hole: int) -> int:
    try:
        return os.lseek(source.fd, hole, os.SEEK_DATA)
    except OSError as failed:
        if failed.errno == errno.ENXIO:  # a hole to the very end
            return source.size_bytes
        raise
