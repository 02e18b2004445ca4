"""Landlock: which folders this process may look into, and which it may write.

The rules hold for everything opened from now on, whatever the file permissions say,
and cannot be taken back.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from ._kernel import syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_FILE, _MAKE_REG, _TRUNCATE = 1 << 5, 1 << 8, 1 << 14
_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_REG | _TRUNCATE
_FILE_ONLY = _READ_FILE | _WRITE_FILE | _TRUNCATE


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("handled_fs", ctypes.c_uint64),
        ("handled_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The kernel's Landlock version.

    Raises:
        OSError: the kernel has none.
    """
    return syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))


def restrict(*, readable: Iterable[Path], writable: Iterable[Path]) -> int:
    """Allow reading below `readable`, also writing below `writable`, nothing else.

    Folders that do not exist are passed over. `no_new_privs` must be set.

    Returns:
        The version used: 4 and newer also forbid TCP, 6 also signals.

    Raises:
        OSError: the kernel has no Landlock, or refuses.
    """
    version = abi()
    handled = _handled(version)
    attr = _RulesetAttr(handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    rules = syscall(
        _CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), ctypes.c_uint32(0)
    )
    try:
        for path in readable:
            _allow(rules, path, _READ & handled)
        for path in writable:
            _allow(rules, path, _WRITE & handled)
        syscall(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    finally:
        os.close(rules)
    return version


def _handled(version: int) -> int:
    accesses = (1 << 13) - 1
    for since, bit in ((2, 13), (3, 14), (5, 15)):
        if version >= since:
            accesses |= 1 << bit
    return accesses


def _allow(rules: int, path: Path, accesses: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            accesses &= _FILE_ONLY
        rule = _PathBeneath(accesses, fd)
        syscall(
            _ADD_RULE,
            ctypes.c_int(rules),
            ctypes.c_int(1),
            ctypes.byref(rule),
            ctypes.c_uint32(0),
        )
    finally:
        os.close(fd)
