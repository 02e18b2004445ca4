"""A share is asked by a child: whatever happens to it, the daemon goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clemd.watching import _share
from clemd.watching._ignore import Ignore
from clemd.watching._scan import RootAwayError
from clemd.watching._share import ShareRoot


@pytest.fixture
def share(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShareRoot]:
    """A real child on a real folder; silence counts from 0.3 s on."""
    monkeypatch.setattr(_share, "CHECK_STOP_S", 0.05)
    share = ShareRoot(root, Ignore(("*.tmp",)), silence_limit_s=0.3)
    yield share
    share.close()


def names(share: ShareRoot) -> list[bytes]:
    """What one walk meets."""
    return sorted(entry.relative for entry in share.walk())


def test_child_sees_what_the_daemon_would(share: ShareRoot, root: Path) -> None:
    """Facts, oddities, ignored names, and names that are no text."""
    odd_name = b'\xff\n"\\.tif'
    Path(os.fsdecode(os.fsencode(root) + b"/" + odd_name)).write_bytes(b"xyz")
    (root / "a.tmp").touch()
    (root / "link.tif").symlink_to("/etc/hostname")

    assert names(share) == [b"link.tif", odd_name]
    looks = dict(share.look([odd_name, b"none.tif", b"link.tif"]))
    found, link = looks[odd_name], looks[b"link.tif"]
    assert found is not None
    assert found.look.size_bytes == 3
    assert looks[b"none.tif"] is None
    assert link is not None
    assert link.problem.startswith("a symbolic link")
    assert share.identify().inode == root.stat().st_ino


def test_large_folders_and_long_requests_come_in_parts(
    share: ShareRoot, root: Path
) -> None:
    """Neither side may block on a full pipe."""
    wanted = [b"%03d" % i + b"n" * 200 for i in range(700)]
    for name in wanted:
        (root / os.fsdecode(name)).touch()

    assert names(share) == wanted
    assert [name for name, entry in share.look(wanted) if entry] == wanted


def test_absent_root_is_away_and_the_child_lives_on(
    share: ShareRoot, root: Path
) -> None:
    """An unmounted share is a normal answer."""
    root.rmdir()
    with pytest.raises(RootAwayError, match="not there"):
        share.identify()
    pid = share.child_pid
    root.mkdir()

    assert share.identify().is_empty
    assert share.child_pid == pid


def test_killed_child_is_replaced(share: ShareRoot, root: Path) -> None:
    """One answer is lost, and the next is asked of a new child."""
    (root / "a.tif").touch()
    share.identify()
    first = share.child_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    with pytest.raises(RootAwayError, match="has died"):
        share.identify()

    assert names(share) == [b"a.tif"]
    assert share.child_pid != first


def test_hung_child_is_given_up_after_its_limit(share: ShareRoot, root: Path) -> None:
    """A stopped process is as silent as one that waits for a dead server."""
    (root / "a.tif").touch()
    share.identify()
    pid = share.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(RootAwayError, match="does not answer"):
        share.identify()

    assert share.child_pid is None
    assert names(share) == [b"a.tif"]


def test_stop_does_not_wait_for_a_hung_child(root: Path) -> None:
    """The daemon ends within its own time, not the server's."""
    stopping: list[bool] = []
    share = ShareRoot(root, Ignore(()), is_stopping=lambda: bool(stopping))
    share.identify()
    pid = share.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    stopping.append(True)

    with pytest.raises(RootAwayError, match="stopping"):
        share.identify()


def test_abandoned_walk_does_not_mix_up_answers(share: ShareRoot, root: Path) -> None:
    """Whoever stops listening leaves answers in the pipe."""
    for i in range(700):
        (root / f"{i}.tif").touch()
    for _ in share.walk():
        break

    assert share.identify().inode == root.stat().st_ino


def test_question_within_a_question_is_refused(share: ShareRoot, root: Path) -> None:
    """Its answer would be taken for the other's."""
    (root / "a.tif").touch()
    for _ in share.walk():
        with pytest.raises(RuntimeError, match="one request at a time"):
            share.identify()


def test_child_that_cannot_start_is_said(root: Path) -> None:
    """For instance when no process is left."""
    share = ShareRoot(root, Ignore(()), command=["/nonexistent/python"])

    with pytest.raises(RootAwayError, match="cannot start"):
        share.identify()


def test_child_loads_no_more_than_it_needs() -> None:
    """It starts again after every outage, once per share, and must do so quickly."""
    code = "import sys, clemd.watching._share_child as c; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True
    )

    assert not {"numpy", "pydantic", "watchdog"} & set(run.stdout.split())


def test_child_ends_with_its_input(root: Path) -> None:
    """A killed daemon must not leave children behind."""
    share = ShareRoot(root, Ignore(()))
    share.identify()
    child = share._child
    assert child is not None
    assert child.stdin is not None
    child.stdin.close()

    assert child.wait(10) == 0
    share.close()
