"""Every layer between a hostile image and the machine, each reported, none assumed."""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import _kernel, _landlock, _seccomp

_SYSTEM = (
    "/usr", "/lib", "/lib64", "/etc/localtime", "/etc/ld.so.cache", "/dev/null",
    "/dev/urandom", "/proc/meminfo", "/proc/cpuinfo", "/proc/self/statm",
    "/sys/devices/system/cpu",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLayer:
    """One layer of protection."""

    name: str
    active: bool
    detail: str


def enter(
    *, readable: Sequence[Path], cache: Path | None, parent: int
) -> list[SandboxLayer]:
    """Give up what a parser does not need; a layer the kernel lacks is reported.

    Call before any thread is started and before the first file is opened.

    Args:
        readable: folders of the users' that may be read.
        cache: the only folder that may be written.
        parent: process id of the parent; this process ends with it.
    """
    trusted = [*_python_folders(), *(Path(path) for path in _SYSTEM)]
    writable = [cache] if cache else []
    layers: tuple[tuple[str, Callable[[], str]], ...] = (
        ("parent-death", lambda: _die_with(parent)),
        ("oom-first", _be_killed_first),
        ("limits", _fixed_limits),
        ("no-new-privileges", _no_new_privileges),
        (
            "landlock",
            lambda: _landlock_detail(
                _landlock.restrict(readable=[*trusted, *readable], writable=writable)
            ),
        ),
        ("seccomp", lambda: f"filter for {_seccomp.install()}"),
    )
    return [_try(name, apply) for name, apply in layers]


def _try(name: str, apply: Callable[[], str]) -> SandboxLayer:
    try:
        return SandboxLayer(name=name, active=True, detail=apply())
    except (OSError, ValueError) as failed:
        return SandboxLayer(name=name, active=False, detail=str(failed))


def _landlock_detail(version: int) -> str:
    return f"version {version}" + ("" if version >= 4 else ", TCP not covered")


def _python_folders() -> set[Path]:
    named = [sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path]
    return {Path(folder) for folder in named if folder and Path(folder).is_absolute()}


def _die_with(parent: int) -> str:
    _kernel.prctl(_kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent was gone before we asked
    return "killed with the daemon"


def _be_killed_first() -> str:
    Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")
    return "first to go when memory runs out"


def _fixed_limits() -> str:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    return "no core files, 64 open files"


def _no_new_privileges() -> str:
    _kernel.prctl(_kernel.PR_SET_NO_NEW_PRIVS, 1)
    return "set"


def limit_memory(more_bytes: int) -> None:
    """Allow `more_bytes` of address space beyond what is in use now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_file_size(most_bytes: int) -> None:
    """Largest file this process may write."""
    # A write past the limit must be an error, not a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def limit_cpu(more_s: float) -> None:
    """Kill this process after `more_s` more seconds of computing."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime + more_s) + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))
