"""A state folder belongs to one daemon, on a disk of its own host."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from clemd.errors import StateFolderError
from clemd.store import Store, StoreDamagedError
from clemd.store import _folder as folder
from clemd.store._mounts import filesystem_type

HOLDER = """
import sys
from pathlib import Path
from clemd.store import Store
store = Store.open(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /data rw shared:5 - nfs4 server:/export rw
31 30 0:41 / /data/local rw - xfs /dev/vdb rw
32 27 0:42 / /my\\040share rw - cifs //server/x rw
33 27 0:43 / /over rw - ext4 /dev/vdc rw
34 33 0:44 / /over rw - fuse.sshfs me@server:/x rw
garbage
"""


def test_first_open_makes_the_folder(state: Path) -> None:
    """The first run needs no preparation by the operator."""
    Store.open(state).close()

    assert {p.name for p in state.iterdir()} >= {
        "clemd.sqlite",
        "clemd.lock",
        "outputs",
        "cache",
        "quarantine",
    }


def test_second_daemon_is_told_who_holds_the_folder(state: Path) -> None:
    """Two writers would lose each other's work; the kernel's lock decides."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(state)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "open\n"
        with pytest.raises(StateFolderError, match=f"in use by process {other.pid} "):
            Store.open(state)
        other.kill()
        other.wait()
        Store.open(state).close()  # a killed daemon leaves nothing locked


def test_lock_is_free_after_a_failed_start(state: Path) -> None:
    """A start that failed for another reason must not look like a second daemon."""
    state.mkdir()
    (state / "clemd.sqlite").write_bytes(b"not a database" * 400)
    for _ in range(2):
        with pytest.raises(StoreDamagedError, match="not a database"):
            Store.open(state)


def test_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """One line: what, where, what to do."""
    (tmp_path / "state").write_text("x")

    with pytest.raises(StateFolderError, match=r"cannot be used: .+ set CLEMD_STATE"):
        Store.open(tmp_path / "state")


def test_database_that_is_a_folder_is_refused(state: Path) -> None:
    """SQLite itself would only say that it cannot open it."""
    (state / "clemd.sqlite").mkdir(parents=True)

    with pytest.raises(StateFolderError, match="not a file"):
        Store.open(state)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_refused(state: Path) -> None:
    """A folder of another user is a mistake in the service file."""
    state.mkdir(mode=0o500)

    with pytest.raises(StateFolderError, match="state folder cannot be used"):
        Store.open(state)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/clemd", "ext4"),
        ("/data/state", "nfs4"),
        ("/data/local/state", "xfs"),
        ("/database", "ext4"),
        ("/my share/state", "cifs"),
        ("/over/state", "fuse.sshfs"),
    ],
)
def test_nearest_and_last_mount_decides(path: str, kind: str) -> None:
    """Mounts nest, cover each other, and hold spaces in their names."""
    assert filesystem_type(Path(path), MOUNTS) == kind


def test_network_file_system_is_refused(
    state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's log would corrupt the database there without a word."""
    mounts = tmp_path / "mountinfo"
    mounts.write_text(f"30 27 0:40 / {tmp_path} rw - nfs4 server:/export rw\n")
    monkeypatch.setattr(folder, "MOUNTINFO", mounts)

    with pytest.raises(StateFolderError, match=r"network file system \(nfs4\)"):
        Store.open(state)
    assert list(state.iterdir()) == []
