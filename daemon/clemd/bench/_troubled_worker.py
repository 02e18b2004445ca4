"""A worker that meets trouble at the first try of each registration.

Started by `_troubles` as `python -m clemd.bench._troubled_worker FOLDER`. The EM
image's name says which trouble; a file in FOLDER says that it has been met.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from clemd import worker

Tell = Callable[[dict[str, Any]], None]


def hang() -> NoReturn:
    """A call into a driver that never comes back."""
    while True:
        time.sleep(3600)


def crash() -> NoReturn:
    """A wrong address in a library."""
    ctypes.string_at(0)
    raise AssertionError("address 0 was read")


def memory() -> NoReturn:
    """The kernel has no memory left and picks this process."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
    raise AssertionError("outlived SIGKILL")


def full() -> NoReturn:
    """The device has no memory left, however little is asked."""
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB")


def lost() -> NoReturn:
    """The device fell off the bus; torch says so in these words."""
    raise RuntimeError("CUDA error: unspecified launch failure")


TROUBLES: dict[str, Callable[[], NoReturn]] = {
    "hang": hang,
    "crash": crash,
    "memory": memory,
    "full": full,
    "lost": lost,
}


def troubled(
    folder: Path, task: Callable[[dict[str, Any], Tell], dict[str, Any]]
) -> Callable[[dict[str, Any], Tell], dict[str, Any]]:
    """`task`, after the trouble that its image is named for."""

    def run(given: dict[str, Any], tell: Tell) -> dict[str, Any]:
        name = Path(given["em"]["frame"]["path"]).stem
        met = folder / name
        if not met.exists():
            met.touch()
            TROUBLES[name.split("-")[0]]()
        return task(given, tell)

    return run


def main() -> int:
    """Serve as `clemd.worker` does."""
    kind = "register"
    worker.TASKS[kind] = troubled(Path(sys.argv[1]), worker.TASKS[kind])
    return worker.main()


if __name__ == "__main__":
    sys.exit(main())
