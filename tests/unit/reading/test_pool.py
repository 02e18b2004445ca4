"""A file goes in, a frame and its planes come out, or one line that says why not."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from clemd.config import ReadingSettings
from clemd.errors import (
    ChangedFileError,
    IncompleteFileError,
    RefusedFileError,
    UnreadableFormatError,
)
from clemd.reading import (
    ReaderPool,
    ReadRequest,
    _pool,
    sandbox_report,
    to_contract,
)

Ask = Callable[..., ReadRequest]


def test_planes_are_left_under_the_hash_of_the_file(
    pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path, cache: Path
) -> None:
    """Two files of one content share their planes, and a name never lies."""
    result = pool.read_blocking(ask("a.tif"))

    digest = hashlib.sha256((export / "a.tif").read_bytes()).hexdigest()
    assert result.planes == (f"{digest}-0.npy",)
    assert result.frame.content_sha256 == digest
    np.testing.assert_array_equal(np.load(cache / result.planes[0]), image)
    assert sorted(p.name for p in cache.iterdir()) == [f"{digest}-0.npy"]
    look = (export / "a.tif").stat()
    assert result.look == (look.st_size, look.st_mtime_ns, look.st_ino)


def test_frame_becomes_the_contract(
    pool: ReaderPool, ask: Ask, image: np.ndarray
) -> None:
    """`clemd inspect --json` prints it as it is."""
    frame = pool.read_blocking(ask("a.tif", want_pixels=False)).frame

    shown = json.loads(json.dumps(to_contract(frame)))
    assert shown["schema"] == "clemd.frame/1"
    assert shown["shape"] == [96, 128]
    assert shown["channels"] == [{"name": "grey", "kind": "unknown"}]
    assert shown["pixel_size_um"] is None


def test_facts_without_pixels_leave_nothing_behind(
    pool: ReaderPool, ask: Ask, image: np.ndarray, cache: Path
) -> None:
    """`inspect` is a look, not a job."""
    assert pool.read_blocking(ask("a.tif", want_pixels=False)).planes == ()
    assert list(cache.iterdir()) == []


async def test_reads_wait_for_their_turn_in_one_child(
    pool: ReaderPool, ask: Ask, image: np.ndarray
) -> None:
    """The child is warm: the second file costs no start."""
    results = await asyncio.gather(*(pool.read(ask("a.tif")) for _ in range(3)))

    assert len({r.frame.content_sha256 for r in results}) == 1
    assert pool.child_pid is not None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "an empty file"),
        (
            b"AAMVHFSS" + bytes(600),
            "a Bruker BCF file: no driver is installed",
        ),
        (b"\x70\0\0\0" + bytes(600), "a Leica LIF file"),
        (b"$CM_MAG 50\r\n" * 9, "a text file, not an image"),
        (b"\x01\x99" * 300, "not an image that is known"),
    ],
)
def test_unknown_format_is_named(
    pool: ReaderPool, ask: Ask, export: Path, data: bytes, said: str
) -> None:
    """The user learns what it is and what to do, in one line."""
    (export / "b.tif").write_bytes(data)

    with pytest.raises(UnreadableFormatError, match=said):
        pool.read_blocking(ask("b.tif"))


def test_missing_bytes_keep_their_range_across_the_pipe(
    pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path
) -> None:
    """The watcher waits for exactly these bytes."""
    data = (export / "a.tif").read_bytes()
    (export / "a.tif").write_bytes(data[:5000])

    with pytest.raises(IncompleteFileError) as raised:
        pool.read_blocking(ask("a.tif"))
    assert (raised.value.missing_from, raised.value.missing_to) == (5000, len(data))


def test_black_tail_is_accepted_when_the_caller_has_waited(
    pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path
) -> None:
    """A black sky and unwritten space look the same; only time tells."""
    image[40:] = 0
    tifffile.imwrite(export / "a.tif", image, metadata=None)

    with pytest.raises(IncompleteFileError, match="tail is still zero"):
        pool.read_blocking(ask("a.tif"))
    assert pool.read_blocking(ask("a.tif", accept_zero_tail=True)).planes


def test_next_child_is_up_before_the_present_one_goes(
    pool: ReaderPool, ask: Ask, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child takes a second or two to start: no file should wait for that."""
    monkeypatch.setattr(_pool, "_FILES_PER_CHILD", 6)
    monkeypatch.setattr(_pool, "_SUCCESSOR_AT", 3)
    pool._kill()
    for _ in range(5):
        pool.read_blocking(ask("a.tif"))
    first, successor = pool.child_pid, pool._successor
    assert successor is not None
    successor.greet()
    for _ in range(3):
        pool.read_blocking(ask("a.tif"))

    assert first != pool.child_pid == successor.pid


def test_present_child_serves_on_while_the_next_is_not_up(
    pool: ReaderPool, ask: Ask, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files come in a burst the next child may need longer than they do."""
    monkeypatch.setattr(_pool, "_FILES_PER_CHILD", 6)
    monkeypatch.setattr(_pool, "_SUCCESSOR_AT", 3)
    pool._kill()
    for _ in range(4):
        pool.read_blocking(ask("a.tif"))
    successor, first = pool._successor, pool.child_pid
    assert successor is not None
    os.kill(successor.pid, signal.SIGSTOP)
    is_up = successor.is_up
    for _ in range(5):
        pool.read_blocking(ask("a.tif"))
    kept = pool.child_pid
    os.kill(successor.pid, signal.SIGCONT)

    assert is_up or kept == first


def test_hole_in_the_middle_is_waited_for(
    pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path
) -> None:
    """A copy that fills its reserved space in any order has a good tail at once."""
    pixels = np.random.default_rng(3).integers(1, 250, (256, 256), dtype=np.uint8)
    tifffile.imwrite(export / "b.tif", pixels, metadata=None)
    data = (export / "b.tif").read_bytes()
    with (export / "b.tif").open("wb", buffering=0) as stream:
        os.pwrite(stream.fileno(), data[:8192], 0)
        os.pwrite(stream.fileno(), data[16384:], 16384)

    with pytest.raises(IncompleteFileError, match="8192 to 16384 are reserved"):
        pool.read_blocking(ask("b.tif"))
    assert pool.read_blocking(ask("b.tif", accept_zero_tail=True)).planes


def test_last_bytes_that_fill_no_block_are_waited_for(
    pool: ReaderPool, ask: Ask, export: Path
) -> None:
    """Buffers are flushed by whole blocks: what is left comes when the file closes."""
    pixels = np.random.default_rng(3).integers(1, 250, (100, 128), dtype=np.uint8)
    tifffile.imwrite(export / "b.tif", pixels, metadata=None)
    data = (export / "b.tif").read_bytes()
    kept = len(data) // 4096 * 4096
    assert 64 <= len(data) - kept < 4096
    (export / "b.tif").write_bytes(data[:kept] + bytes(len(data) - kept))

    with pytest.raises(IncompleteFileError, match="tail is still zero"):
        pool.read_blocking(ask("b.tif"))


def test_time_without_zone_is_the_instruments(
    pool: ReaderPool, ask: Ask, export: Path
) -> None:
    """Noon in Zurich in July is ten in the morning, UTC."""
    document = (
        b"<OME><Image><AcquisitionDate>2026-07-01T12:00:00</AcquisitionDate><Pixels "
        b'SizeX="64" SizeY="64"><Channel Name="a"/></Pixels></Image></OME>'
    )
    pixels = np.full((64, 64), 9, np.uint8)
    tifffile.imwrite(export / "o.tif", pixels, description=document, metadata=None)
    frame = pool.read_blocking(ask("o.tif", timezone="Europe/Zurich")).frame

    assert frame.acquired_at is not None
    assert frame.acquired_at.isoformat() == "2026-07-01T10:00:00+00:00"


class TestNames:
    """Names and kinds of directory entries that no microscope makes."""

    @pytest.mark.parametrize(
        "name", [b"new\nline.tif", b"not-utf8-\xff.tif", "right‮left.tif".encode()]
    )
    def test_odd_name_is_read_and_shown_escaped(
        self, name: bytes, pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path
    ) -> None:
        """It must not break a log line, a page or the pipe."""
        odd = os.fsdecode(name)
        (export / "a.tif").rename(export / odd)
        frame = pool.read_blocking(ask(odd)).frame

        assert frame.path.isprintable()

    def test_link_is_refused(
        self, pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path
    ) -> None:
        """A link may lead anywhere tomorrow."""
        (export / "b.tif").symlink_to(export / "a.tif")

        with pytest.raises(RefusedFileError, match="symbolic link"):
            pool.read_blocking(ask("b.tif"))

    def test_linked_folder_that_leads_out_is_refused(
        self, pool: ReaderPool, ask: Ask, image: np.ndarray, export: Path, cache: Path
    ) -> None:
        """The cache is open to the child, but it is not the watched folder."""
        (export / "a.tif").rename(cache / "a.tif")
        (export / "sub").symlink_to(cache)

        with pytest.raises(RefusedFileError, match="outside its folder"):
            pool.read_blocking(ask("sub/a.tif"))

    def test_fifo_does_not_block(
        self, pool: ReaderPool, ask: Ask, export: Path
    ) -> None:
        """Opening one waits for a writer unless told not to."""
        os.mkfifo(export / "b.tif")

        with pytest.raises(RefusedFileError, match="not a regular file"):
            pool.read_blocking(ask("b.tif"))

    def test_vanished_file_may_come_back(self, pool: ReaderPool, ask: Ask) -> None:
        """Vendor software renames and rewrites."""
        with pytest.raises(ChangedFileError, match="gone"):
            pool.read_blocking(ask("b.tif"))


def test_folder_made_after_the_child_is_read(tmp_path: Path) -> None:
    """A remounted share is a new folder under the old name."""
    folder = tmp_path / "share"
    request = ReadRequest(path=str(folder / "a.tif"), root=str(folder))
    with ReaderPool(ReadingSettings(), allow=[folder], cache=None) as pool:
        with pytest.raises(ChangedFileError, match="gone"):
            pool.read_blocking(request)
        folder.mkdir()
        tifffile.imwrite(folder / "a.tif", np.ones((64, 64)), metadata=None)

        assert pool.read_blocking(request).frame.shape == (64, 64)


def test_image_above_the_pixel_limit_is_refused(
    ask: Ask, image: np.ndarray, export: Path
) -> None:
    """Before anything is allocated, and with the key to change."""
    limit = ReadingSettings(max_pixels=96 * 128 - 1)
    with (
        ReaderPool(limit, allow=[export], cache=None) as pool,
        pytest.raises(RefusedFileError, match=r"reading\.max_pixels = 12287"),
    ):
        pool.read_blocking(ask("a.tif"))


@pytest.fixture(scope="module")
def layers() -> dict[str, bool]:
    """Which protections this kernel has."""
    return {layer.name: layer.active for layer in sandbox_report()}


class TestHostileFiles:
    """What a file that took over the parser could do."""

    def outcome(self, hostile: ReaderPool, ask: Ask, export: Path, order: str) -> str:
        """What the hostile driver reports."""
        (export / "h.tif").write_text(f"DO {order}")
        return hostile.read_blocking(ask("h.tif")).frame.extra["outcome"]

    def test_hanging_parser_is_killed_and_the_file_refused(
        self, hostile: ReaderPool, ask: Ask, export: Path, image: np.ndarray
    ) -> None:
        """After one retry; the next file is read by a new child."""
        with pytest.raises(RefusedFileError, match="lost twice, it took"):
            self.outcome(hostile, ask, export, "hang x")
        assert hostile.child_pid is None
        assert hostile.read_blocking(ask("a.tif")).planes

    def test_crashing_parser_is_replaced(
        self, hostile: ReaderPool, ask: Ask, export: Path, image: np.ndarray
    ) -> None:
        """A segmentation fault ends the child, not the daemon."""
        with pytest.raises(RefusedFileError, match="SIGSEGV"):
            self.outcome(hostile, ask, export, "crash x")
        assert hostile.read_blocking(ask("a.tif")).planes

    def test_memory_bomb_is_refused_by_name(
        self, hostile: ReaderPool, ask: Ask, export: Path
    ) -> None:
        """The limit is on the child; the machine never notices."""
        with pytest.raises(RefusedFileError, match=r"reading\.memory_limit_mb"):
            self.outcome(hostile, ask, export, f"eat {600 << 20}")

    def test_foreign_exception_becomes_one_line(
        self, hostile: ReaderPool, ask: Ask, export: Path
    ) -> None:
        """Libraries raise what they like."""
        with pytest.raises(RefusedFileError, match="RuntimeError: several lines"):
            self.outcome(hostile, ask, export, "raise x")

    def test_printing_library_does_not_break_the_pipe(
        self, hostile: ReaderPool, ask: Ask, export: Path
    ) -> None:
        """Answers have a pipe of their own."""
        assert self.outcome(hostile, ask, export, "print x") == "printed"

    @pytest.mark.parametrize(
        "order",
        [
            "read /etc/passwd",
            "read {home}/secret",
            "list /proc",
            "list {home}",
            "write {export}/new.txt",
            "write {export}/h.tif",
            "write {home}/new.txt",
            "connect 9",
            "unix x",
            "run /bin/true",
            "fork x",
            "kill {parent}",
            "chmod {export}/h.tif",
            "touch {export}/h.tif",
        ],
    )
    def test_way_out_is_closed(
        self,
        order: str,
        hostile: ReaderPool,
        ask: Ask,
        export: Path,
        layers: dict[str, bool],
    ) -> None:
        """Each of these works in any other process of this user."""
        layer = (
            "landlock" if order.split()[0] in {"read", "list", "write"} else "seccomp"
        )
        if not layers[layer]:
            pytest.skip(f"this kernel has no {layer}")
        home = export.parent
        (home / "secret").write_text("secret")
        places = {"home": home, "export": export, "parent": os.getpid()}

        assert (
            self.outcome(hostile, ask, export, order.format(**places))
            == "PermissionError"
        )

    def test_threads_still_start(
        self, hostile: ReaderPool, ask: Ask, export: Path
    ) -> None:
        """Codecs use them; the filter tells threads from processes."""
        assert self.outcome(hostile, ask, export, "thread x") == "joined"

    async def test_cancelled_read_is_not_tried_again(
        self, hostile: ReaderPool, ask: Ask, export: Path, image: np.ndarray
    ) -> None:
        """Stopping the daemon must not wait for a hanging file."""
        await hostile.read(ask("a.tif"))
        (export / "h.tif").write_text("DO hang x")
        reading = asyncio.create_task(hostile.read(ask("h.tif")))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reading, 0.2)

        assert (await hostile.read(ask("a.tif"))).planes


def test_busy_child_ends_with_a_killed_parent(
    export: Path, cache: Path, hostile_package: Path
) -> None:
    """Nothing of ours outlives the daemon, however it ends, whatever it reads."""
    (export / "h.tif").write_text(f"DO hang {cache}/started")
    script = (
        "import os, signal, sys, threading\n"
        "from pathlib import Path\n"
        "from clemd.config import ReadingSettings\n"
        "from clemd.reading import ReaderPool, ReadRequest\n"
        "export, cache = Path(sys.argv[1]), Path(sys.argv[2])\n"
        "pool = ReaderPool(ReadingSettings(), allow=[export], cache=cache)\n"
        "request = ReadRequest(path=str(export / 'h.tif'), root=str(export))\n"
        "threading.Thread(target=pool.read_blocking, args=(request,)).start()\n"
        "while not (cache / 'started').exists():\n"
        "    os.sched_yield()\n"
        "print(pool.child_pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(export), str(cache)],
        env={**os.environ, "PYTHONPATH": str(hostile_package)},
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    assert not _is_running(int(done.stdout))


def _is_running(pid: int) -> bool:
    """Is it still there after the kernel had its chance? A zombie is not."""
    for _ in range(10_000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return False
        if state == "Z":
            return False
        os.sched_yield()
    return True


def test_supervisors_side_stays_slim() -> None:
    """It must never be the process that a hostile image is parsed in."""
    script = (
        "import sys, clemd.reading\n"
        "heavy = {'tifffile', 'imagecodecs', 'cv2', 'scipy', 'clemd_drivers'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"
