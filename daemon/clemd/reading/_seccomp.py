"""A small system-call filter: no network, no new programs or processes, no tracing.

What is forbidden answers EPERM, so that a library which only probes goes on.
"""

from __future__ import annotations

import ctypes
import errno
import platform
from collections.abc import Iterator

from ._kernel import syscall

_LOAD, _EQUAL, _AT_LEAST, _ALL_BITS, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCH_AT, _ARG0_AT = 0, 4, 16
_CLONE_THREAD = 0x00010000
_SET_MODE_FILTER, _TSYNC = 1, 1

# Numbers shared by both architectures: io_uring, pidfd, the new mount calls.
_COMMON = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 434, 438, 442)
_CLONE3 = 435

# fmt: off
_X86_64 = (
    41, 42, 43, 44, 46, 47, 48, 49, 50, 53, 288, 299, 307,  # sockets
    57, 58, 59, 322,  # fork vfork execve execveat
    62, 129, 200, 297,  # kill, queued signals
    101, 310, 311, 312,  # ptrace and other processes' memory
    155, 161, 165, 166, 272, 308,  # mounts, roots, namespaces
    76, 86, 88, 133, 259, 265, 266,  # truncate, links, devices
    90, 91, 92, 93, 94, 132, 235, 260, 261, 268, 280,  # modes, owners, times
    188, 189, 190, 197, 198, 199,  # attributes
    169, 167, 168, 175, 176, 246, 313, 320,  # reboot, swap, modules, kexec
    248, 249, 250, 298, 303, 304, 321, 323,  # keys, perf, handles, bpf, userfaultfd
)
_AARCH64 = (
    198, 199, 200, 201, 202, 203, 206, 207, 211, 212, 242, 243, 269,
    221, 281,
    129, 130, 138, 240,
    117, 270, 271, 272,
    39, 40, 41, 51, 97, 268,
    33, 36, 37, 45,
    52, 53, 54, 55, 88,
    5, 6, 7, 14, 15, 16,
    104, 105, 106, 142, 224, 225, 273, 294,
    217, 218, 219, 241, 264, 265, 280, 282,
)
# fmt: on
_MACHINES = {
    # (audit architecture, seccomp, clone, forbidden)
    "x86_64": (0xC000003E, 317, 56, _X86_64),
    "aarch64": (0xC00000B7, 277, 220, _AARCH64),
}


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_uint16),
        ("instructions", ctypes.POINTER(_Instruction)),
    )


def install() -> str:
    """Filter every thread of this process from now on. Needs `no_new_privs`.

    Returns:
        The architecture filtered.

    Raises:
        OSError: the kernel refuses, or the machine is of another kind.
    """
    machine = platform.machine()
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no filter is written for {machine}")
    number = _MACHINES[machine][1]
    instructions = list(_filter(machine))
    array = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), array)
    syscall(
        number,
        ctypes.c_uint(_SET_MODE_FILTER),
        ctypes.c_uint(_TSYNC),
        ctypes.byref(program),
    )
    return machine


def _filter(machine: str) -> Iterator[_Instruction]:
    arch, _, clone, forbidden = _MACHINES[machine]
    yield _Instruction(_LOAD, 0, 0, _ARCH_AT)
    yield _Instruction(_EQUAL, 1, 0, arch)
    yield _Instruction(_RETURN, 0, 0, _KILL)
    yield _Instruction(_LOAD, 0, 0, _NUMBER_AT)
    if machine == "x86_64":
        # The x32 numbers would walk around the list.
        yield from _answer_if(_AT_LEAST, 0x40000000, errno.EPERM)
    for number in (*forbidden, *_COMMON):
        yield from _answer_if(_EQUAL, number, errno.EPERM)
    # clone3 hides its flags behind a pointer; without it libc falls back to clone.
    yield from _answer_if(_EQUAL, _CLONE3, errno.ENOSYS)
    yield _Instruction(_EQUAL, 0, 3, clone)
    yield _Instruction(_LOAD, 0, 0, _ARG0_AT)
    yield _Instruction(_ALL_BITS, 1, 0, _CLONE_THREAD)
    yield _Instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM)
    yield _Instruction(_RETURN, 0, 0, _ALLOW)


def _answer_if(test: int, value: int, error: int) -> Iterator[_Instruction]:
    yield _Instruction(test, 0, 1, value)
    yield _Instruction(_RETURN, 0, 0, _ERRNO | error)
