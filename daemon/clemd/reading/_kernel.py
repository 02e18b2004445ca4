"""The system calls of the sandbox that Python does not offer."""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def prctl(option: int, value: int) -> None:
    """Set one property of this process.

    Raises:
        OSError: the kernel refuses.
    """
    zeros = (ctypes.c_ulong(0),) * 3
    _check(_LIBC.prctl(ctypes.c_int(option), ctypes.c_ulong(value), *zeros))


def syscall(number: int, *arguments: object) -> int:
    """One system call by number.

    Raises:
        OSError: the kernel refuses.
    """
    return _check(_LIBC.syscall(ctypes.c_long(number), *arguments))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
