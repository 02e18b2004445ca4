"""Who holds a lease: a name that outlives neither its process nor its boot.

A process id alone is reused within minutes on a busy machine, and after a power cut
every id is. Boot id, process id and start time together never are.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

_PROC = Path("/proc")
_START_TIME = 19
"""Field of `/proc/PID/stat`, counted from the first after the command's name."""


def owner_name() -> str:
    """This process as `boot id:pid:start time:random`; a new name at every call."""
    pid = os.getpid()
    start = _start_time(pid) or "0"
    return f"{boot_id()}:{pid}:{start}:{secrets.token_hex(4)}"


def boot_id() -> str:
    """The kernel's name for this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text("ascii").strip()


def boottime_s() -> float:
    """Seconds since boot, suspended time included; no clock change touches it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_of(owner: str) -> str:
    """The boot in which `owner` ran."""
    return owner.partition(":")[0]


def owner_is_alive(owner: str) -> bool:
    """Does the process of that name still run, on this machine, in this boot?"""
    boot, _, rest = owner.partition(":")
    pid, _, rest = rest.partition(":")
    start = rest.partition(":")[0]
    if boot != boot_id() or not pid.isdecimal():
        return False
    return _start_time(int(pid)) == start


def _start_time(pid: int) -> str | None:
    """Clock ticks between boot and the start of `pid`; None where it is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", "replace")
    except OSError:
        return None
    # The command's name stands in brackets and may itself hold brackets and spaces.
    fields = text.rpartition(")")[2].split()
    # A zombie has ended; only its parent has not looked yet.
    return None if fields[0] in {"Z", "X"} else fields[_START_TIME]
