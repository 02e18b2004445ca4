"""What the kill test relies on: the dead are dead, and their children with them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from pathlib import Path

from clemd.bench._pipeline_daemon import Daemon, unfinished
from clemd.config import load_profile
from clemd.store import Store

CHILD = "import time; time.sleep(60)"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {CHILD!r}], start_new_session=True)
print("up", flush=True)
time.sleep(60)
"""


def test_profile_is_one_that_the_daemon_takes(tmp_path: Path) -> None:
    """Two folders, complete on close, as the goals say."""
    daemon = Daemon.prepare(tmp_path, threads=2, session_from="folder")
    profile = load_profile(tmp_path / "profile.toml")

    assert [root.path for root in profile.roots] == [
        daemon.export("em"),
        daemon.export("lm"),
    ]
    assert profile.registration.threads == 2
    assert {root.ready.value for root in profile.roots} == {"close"}


def test_child_that_outlives_its_daemon_is_named_and_ended(tmp_path: Path) -> None:
    """One that left the process group is missed by the signal, not by us."""
    daemon = Daemon(tmp_path)
    daemon.process = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True
    )
    assert daemon.process.stdout
    daemon.process.stdout.readline()
    (child,) = _descendants(daemon.process.pid)
    daemon.process.stdout.close()

    (survivor,) = daemon.kill()

    assert "time.sleep(60)" in survivor
    _wait_until_gone(child)


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(word) for word in children.split()]


def _wait_until_gone(pid: int, limit_s: float = 10.0) -> None:
    deadline = time.monotonic() + limit_s
    while Path(f"/proc/{pid}/cmdline").exists():
        # a zombie has ended, whoever is to look at it
        if not Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        assert time.monotonic() < deadline, "the survivor still runs"
        time.sleep(0.05)


def test_worker_of_a_dead_supervisor_does_not_begin(tmp_path: Path) -> None:
    """Killed between the start of a worker and the worker's first look around."""
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(json.dumps({"kind": "warm", "device": "cpu"}).encode() + b"\n")
        worker = subprocess.run(
            [sys.executable, "-m", "clemd.worker"],
            stdin=theirs,
            capture_output=True,
            check=False,
            timeout=60,
        )

    assert (worker.returncode, worker.stdout) == (1, b"")


def test_unfinished_names_what_is_left(tmp_path: Path) -> None:
    """A folder without a database is not an idle daemon."""
    state = tmp_path / "state"
    assert unfinished(state) == {"database": 1}

    with Store.open(state) as store:
        assert unfinished(state) == {}
        store.note_file("em", b"a", size_bytes=1, modified_ns=1, inode=1)
        assert unfinished(state) == {"files": 1}
