"""Turn what a decoding library throws at us into the errors of the contract."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from clemd.errors import ChangedFileError, ClemdError, RefusedFileError

# A share that went away is not the file's fault: the caller tries again later.
_LOST_STORAGE = {errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENXIO, errno.ENODEV}


@contextmanager
def guarded(doing: str, mend: str = "export it again") -> Iterator[None]:
    """Run a block so that only errors of clemd leave it.

    Raises:
        RefusedFileError: the block failed; one line with `doing` and `mend`.
        ChangedFileError: the storage under the file failed.
    """
    try:
        yield
    except ClemdError:
        raise
    except MemoryError as failed:
        raise RefusedFileError(
            f"{doing} needs more memory than is allowed: raise reading.memory_limit_mb"
        ) from failed
    except OSError as failed:
        if failed.errno in _LOST_STORAGE:
            raise ChangedFileError(f"storage failed: {failed.strerror}") from failed
        raise RefusedFileError(
            f"{doing} failed ({one_line(failed)}): {mend}"
        ) from failed
    except Exception as failed:
        raise RefusedFileError(
            f"{doing} failed ({one_line(failed)}): {mend}"
        ) from failed


def one_line(failed: BaseException, limit: int = 160) -> str:
    """The error's kind and message on one printable line of at most `limit`."""
    text = " ".join(str(failed).split()) or "no message"
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return f"{type(failed).__name__}: {shown}"[:limit]
