"""An owner's name says whether its process still runs."""

from __future__ import annotations

import os
import subprocess
import sys

from clemd.jobs import boot_id, boottime_s, owner_is_alive, owner_name

SAY_NAME = "from clemd.jobs import owner_name; print(owner_name(), flush=True); input()"


def test_we_are_alive_and_never_named_twice() -> None:
    """Two queues of one process are two owners."""
    first, second = owner_name(), owner_name()

    assert first != second
    assert owner_is_alive(first)
    assert first.split(":")[:2] == [boot_id(), str(os.getpid())]


def test_killed_process_is_dead_even_before_it_is_buried() -> None:
    """A zombie still has its entry under /proc."""
    with subprocess.Popen(
        [sys.executable, "-c", SAY_NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout
        name = child.stdout.readline().strip()
        assert owner_is_alive(name)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not owner_is_alive(name)
    assert not owner_is_alive(name)


def test_reused_process_id_is_another_owner() -> None:
    """The kernel gives the same number to a stranger soon enough."""
    boot, pid, start, rest = owner_name().split(":")

    assert not owner_is_alive(f"{boot}:{pid}:{int(start) + 1}:{rest}")
    assert not owner_is_alive(f"another-boot:{pid}:{start}:{rest}")


def test_odd_command_name_does_not_confuse() -> None:
    """The name in /proc stands in brackets and may hold brackets and spaces."""
    script = (
        "import ctypes; from clemd.jobs import owner_is_alive, owner_name; "
        "before = owner_name(); "
        "ctypes.CDLL(None).prctl(15, b') R 1 (x', 0, 0, 0); "
        "print(owner_is_alive(before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


def test_nonsense_is_nobody() -> None:
    """Whatever stands in an old database must not stop the start."""
    assert not any(map(owner_is_alive, ("", "a", "a:b", f"{boot_id()}:x:1:z")))


def test_boot_clock_runs() -> None:
    """It counts from the boot, suspended time included."""
    assert boottime_s() > 0
