"""One odd file or a full disk is told, and the service goes on."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.app import App
from clemd.config import Profile
from clemd.model import Frame

pytestmark = pytest.mark.slow

ROOM_MB = 24
CAN_MOUNT = (
    shutil.which("unshare") is not None
    and subprocess.run(
        ["unshare", "-rm", "sh", "-c", "mount -t tmpfs -o size=1m none /mnt"],
        capture_output=True,
        check=False,
    ).returncode
    == 0
)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """Two watched folders and no doors to the outside."""
    roots = []
    for side in ("em", "lm"):
        (tmp_path / side).mkdir()
        roots.append(
            {
                "name": side,
                "path": tmp_path / side,
                "side": side,
                "settle_s": 0.4,
                "poll_s": 0.3,
            }
        )
    doors = {"bus": {"enabled": False}, "page": {"enabled": False}}
    return Profile.model_validate({"instrument": "t", "roots": roots, **doors})


def write(path: Path, seed: int, size: int = 128) -> None:
    """An image that nobody has seen before."""
    rng = np.random.default_rng(seed)
    tifffile.imwrite(path, rng.integers(0, 255, (size, size), np.uint8))


async def until(question: Any, limit_s: float = 60.0) -> None:
    """Ask until the answer is true."""
    deadline = time.monotonic() + limit_s
    while not question():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.1)


def test_file_that_meets_a_defect_is_set_aside_and_the_next_is_read(
    profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect that one file meets must not stop all others."""
    import clemd.app._intake as intake

    real = intake.to_contract

    def broken(frame: Frame) -> dict[str, Any]:
        if "odd" in frame.path:
            raise ZeroDivisionError("no such thing")
        return real(frame)

    monkeypatch.setattr(intake, "to_contract", broken)

    async def play() -> None:
        app = App(profile, tmp_path / "state")
        running = asyncio.create_task(app.run())
        await app.started.wait()
        store = app.house.store
        write(tmp_path / "em" / "odd.tif", 1)
        await until(lambda: store.files_in_state("refused"))
        write(tmp_path / "em" / "good.tif", 2)
        await until(lambda: store.files_in_state("read"))
        (odd,) = store.files_in_state("refused")
        assert odd.relative == b"odd.tif"
        assert "ZeroDivisionError" in odd.reason
        assert "clemd retry" in odd.reason
        assert (tmp_path / "em" / "odd.tif").exists()
        assert not running.done()
        app.stop.stop("test")
        await running

    asyncio.run(play())


def test_full_database_is_waited_for_and_nothing_is_lost(
    profile: Profile, tmp_path: Path
) -> None:
    """SQLite itself says that it is full; what came meanwhile is kept afterwards."""

    async def play() -> None:
        app = App(profile, tmp_path / "state")
        running = asyncio.create_task(app.run())
        await app.started.wait()
        house = app.house
        pages = house.store.connection.execute("PRAGMA page_count").fetchone()[0]
        house.store.connection.execute(f"PRAGMA max_page_count = {pages}")
        for n in range(30):
            write(tmp_path / "em" / f"{n:03}.tif", n)
        await until(lambda: house.troubles)
        assert any("full" in said for said in house.troubles.values())
        assert not running.done()
        house.store.connection.execute("PRAGMA max_page_count = 1073741823")
        await until(lambda: len(house.store.frames()) == 30, 120.0)
        await until(lambda: not house.troubles)
        assert not running.done()
        app.stop.stop("test")
        await running

    asyncio.run(play())


@pytest.fixture
def cramped(daemon_type: Any, tmp_path: Path) -> Iterator[Any]:
    """A daemon whose state folder is a file system of a few megabytes."""
    (tmp_path / "state").mkdir()
    mount = f'mount -t tmpfs -o size={ROOM_MB}m none "{tmp_path}/state" && exec "$@"'
    daemon = daemon_type(tmp_path, launcher=("unshare", "-rm", "sh", "-c", mount, "sh"))
    yield daemon
    daemon.close()


@pytest.mark.skipif(not CAN_MOUNT, reason="no file system may be mounted here")
def test_full_disk_does_not_end_the_daemon(cramped: Any, tmp_path: Path) -> None:
    """A night's images on a disk that fills up; in the morning somebody makes room."""
    cramped._is_ready = lambda: any(e["event"] == "ready" for e in cramped.said())
    cramped.start()
    state = Path(f"/proc/{cramped.pid}/root{tmp_path}/state")
    ballast = state / "ballast"
    free = shutil.disk_usage(state).free
    ballast.write_bytes(bytes(free - (96 << 10)))
    for n in range(6):
        write(cramped.em / f"{n}.tif", n, size=700)
    wanted = {f"{n}.tif" for n in range(6)}

    def read() -> bool:
        names = {e.get("file") for e in cramped.said() if e["event"] == "file_read"}
        return wanted <= names

    time.sleep(8.0)
    assert not read(), "there was room for all"
    assert cramped.is_running
    ballast.unlink()

    cramped.wait_until(read, "every image to be read")
    assert cramped.is_running


def test_jobs_are_listed_and_retried_without_a_daemon(
    profile: Profile, tmp_path: Path, clemd: Any
) -> None:
    """A job that was set aside waits for a person; this is what the person types."""

    async def play() -> None:
        app = App(profile, tmp_path / "state")
        running = asyncio.create_task(app.run())
        await app.started.wait()
        write(tmp_path / "em" / "a.tif", 1)
        await until(lambda: app.house.store.files_in_state("read"))
        app.stop.stop("test")
        await running

    asyncio.run(play())
    state = ("--state", tmp_path / "state", "--json")
    assert json.loads(clemd("jobs", *state).stdout)["jobs"] == []
    (job,) = json.loads(clemd("jobs", "--all", *state).stdout)["jobs"]
    assert (job["kind"], job["state"]) == ("read", "done")
    assert clemd("retry", str(job["id"]), *state).returncode == 0
    (job,) = json.loads(clemd("jobs", *state).stdout)["jobs"]
    assert job["state"] == "queued"
    refused = clemd("retry", "999", *state)
    assert refused.returncode == 2
    assert "no such job" in refused.stderr
    assert clemd("retry", "x", *state).returncode == 2
    assert clemd("--version").stdout.startswith("clemd ")
