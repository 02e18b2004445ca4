"""The whole watch: a real thread, a real folder, the kernel's own hints."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from clemd.config import Ready, RootKind, RootSettings
from clemd.watching import (
    ClosedAgain,
    Event,
    FolderWatch,
    KnownFile,
    Noticed,
    Odd,
    RootChanged,
    Settled,
    Vanished,
    _patrol,
)
from clemd.watching._ignore import Ignore
from clemd.watching._share import ShareRoot

E = TypeVar("E")

PATIENCE_S = 20.0
"""Only a failing test waits so long."""
LONG_S = 1000.0
"""A test that waits for this has failed: something else must be faster."""

Watching = Callable[..., FolderWatch]
Remember = Callable[[Path], KnownFile]


class Recorder:
    """Keeps every event and lets a test wait for one without sleeping."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = threading.Condition()

    def __call__(self, event: Event) -> None:
        """Called by the watch, from its thread."""
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def of(self, kind: type[E], name: bytes | None = None) -> list[E]:
        """The events of one kind so far, of one name if given."""
        return [
            e
            for e in self.events
            if isinstance(e, kind) and name in {None, getattr(e, "relative", None)}
        ]

    def names(self, kind: type[Event]) -> list[bytes]:
        """The names in the events of one kind, in their order."""
        return [getattr(e, "relative", b"") for e in self.of(kind)]

    def wait_until(self, claim: Callable[[], bool]) -> None:
        """Return when `claim` holds; it is asked after each event."""
        with self._changed:
            assert self._changed.wait_for(claim, PATIENCE_S), self.events

    def wait_for(self, kind: type[E], name: bytes | None = None, count: int = 1) -> E:
        """The `count`-th event of a kind, as soon as it is there."""
        self.wait_until(lambda: len(self.of(kind, name)) >= count)
        return self.of(kind, name)[count - 1]


@pytest.fixture
def settings(root: Path) -> RootSettings:
    """A quick profile: settles in 0.2 s, scans every 0.1 s."""
    return RootSettings(name="em", path=root, settle_s=0.2, poll_s=0.1)


@pytest.fixture
def told() -> Recorder:
    """Every event of the watch under test."""
    return Recorder()


@pytest.fixture
def watching(settings: RootSettings, told: Recorder) -> Iterator[Watching]:
    """Start watches that end with the test, all threads with them."""
    before = set(threading.enumerate())
    watches: list[FolderWatch] = []

    def start(
        known: Mapping[bytes, KnownFile] | None = None,
        on_event: Callable[[Event], None] = told,
        *,
        options: Mapping[str, Any] | None = None,
        **changes: Any,
    ) -> FolderWatch:
        watch = FolderWatch(
            settings.model_copy(update=changes),
            known or {},
            on_event,
            **(options or {}),
        )
        watches.append(watch)
        watch.start()
        return watch

    yield start
    for watch in watches:
        watch.stop()
        assert watch._thread is not None
        assert not watch._thread.is_alive()
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive(), thread


def is_present(told: Recorder) -> bool:
    """Does the last word about the root say that it is there?"""
    changes = told.of(RootChanged)
    return bool(changes) and changes[-1].status.present


def test_closed_file_settles_by_its_hint_alone(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Neither the scan nor the quiet time could have been so fast."""
    watching(ready=Ready.CLOSE, settle_s=LONG_S, poll_s=LONG_S)
    told.wait_until(lambda: is_present(told))
    (root / "a.tif").write_bytes(b"xyz")

    assert told.wait_for(Settled, b"a.tif").look.size_bytes == 3


def test_file_rewritten_in_place_with_its_old_time_is_told(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Nothing but the kernel's word tells it: size, time and inode are as before."""
    watching(ready=Ready.CLOSE, settle_s=LONG_S, poll_s=LONG_S)
    told.wait_until(lambda: is_present(told))
    (root / "a.tif").write_bytes(b"xyz")
    first = told.wait_for(Settled, b"a.tif").look
    with (root / "a.tif").open("r+b") as file:
        file.write(b"abc")
        file.flush()
        os.utime(file.fileno(), ns=(first.modified_ns, first.modified_ns))

    assert told.wait_for(ClosedAgain, b"a.tif").look == first
    assert len(told.of(Settled)) == 1


def test_renamed_file_settles_by_its_hint_alone(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """The temporary name is ignored; the final one is complete at once."""
    watching(ready=Ready.RENAME, settle_s=LONG_S, poll_s=LONG_S)
    told.wait_until(lambda: is_present(told))
    (root / "a.part").write_bytes(b"xyz")
    (root / "a.part").rename(root / "a.tif")
    told.wait_for(Settled, b"a.tif")

    assert told.names(Noticed) == [b"a.tif"]


def test_files_moved_in_with_their_folder_settle_by_hints(
    watching: Watching, told: Recorder, root: Path, tmp_path: Path
) -> None:
    """A session is exported elsewhere and moved in as a whole."""
    session = tmp_path / "session"
    (session / "deep").mkdir(parents=True)
    (session / "deep" / "a.tif").write_bytes(b"xyz")
    watching(ready=Ready.RENAME, settle_s=LONG_S, poll_s=LONG_S)
    told.wait_until(lambda: is_present(told))
    session.rename(root / "session")

    told.wait_for(Settled, b"session/deep/a.tif")


def test_file_without_promise_settles_after_the_quiet_time(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Hints make it noticed, time makes it settled."""
    watching()
    with (root / "a.tif").open("wb", buffering=0) as file:
        for size in range(1, 4):
            file.write(b"x")
            told.wait_for(Noticed, b"a.tif")
            assert not [e for e in told.of(Settled) if e.look.size_bytes > size]
    told.wait_until(lambda: any(e.look.size_bytes == 3 for e in told.of(Settled)))


def test_handler_that_raises_does_not_end_the_watch(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """The next event may be the one that matters."""

    def raise_always(event: Event) -> None:
        told(event)
        raise RuntimeError("the owner is at fault")

    watching(None, raise_always)
    for name in ("a.tif", "b.tif"):
        (root / name).write_bytes(b"x")
        told.wait_for(Settled, name.encode())


def test_restart_tells_only_what_is_new(
    watching: Watching, told: Recorder, root: Path, remember: Remember
) -> None:
    """The inventory decides; the age of a file does not."""
    for name in ("known.tif", "new.tif"):
        (root / name).write_bytes(b"x")
        os.utime(root / name, (1, 1))
    watching({b"known.tif": remember(root / "known.tif")}, settle_s=LONG_S)
    told.wait_for(Settled, b"new.tif")

    assert told.names(Noticed) == [b"new.tif"]


def test_root_that_goes_away_and_comes_back_loses_nothing(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """And hints work again in the folder that is there then."""
    (root / "a.tif").write_bytes(b"x")
    watch = watching(ready=Ready.CLOSE)
    told.wait_for(Settled, b"a.tif")
    away = root.rename(root.with_name("away"))
    told.wait_until(lambda: not is_present(told))
    assert "not there" in watch.status.reason
    (away / "b.tif").write_bytes(b"x")
    away.rename(root)
    told.wait_for(Settled, b"b.tif")
    told.wait_until(lambda: is_present(told))

    assert watch.status.hints == "inotify"
    assert told.of(Vanished) == []
    assert told.names(Settled) == [b"a.tif", b"b.tif"]


def test_root_that_does_not_exist_yet_is_waited_for(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Shares are often mounted after the daemon has started."""
    root.rmdir()
    watching()
    told.wait_for(RootChanged)
    assert not is_present(told)
    root.mkdir()
    (root / "a.tif").write_bytes(b"x")

    told.wait_for(Settled, b"a.tif")


def test_deleted_file_vanishes_and_link_is_odd(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Two things that only the scan can see."""
    (root / "a.tif").write_bytes(b"x")
    (root / "l.tif").symlink_to("/etc/hostname")
    watching()
    told.wait_for(Settled, b"a.tif")
    (root / "a.tif").unlink()

    told.wait_for(Vanished, b"a.tif")
    assert told.names(Odd) == [b"l.tif"]


def test_scan_finds_every_file_that_no_hint_told(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """The kernel drops events of a burst without a word to us."""
    watch = watching()
    told.wait_until(lambda: is_present(told))
    watch._hints.stop()
    for i in range(600):
        (root / f"{i}.tif").write_bytes(b"x")

    told.wait_until(lambda: len(told.of(Settled)) >= 600)
    assert len(set(told.names(Settled))) == 600


def test_incomplete_version_comes_again(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """`wait_more` is called from another thread than the watch's."""
    watch = watching(ready=Ready.CLOSE)
    told.wait_until(lambda: is_present(told))
    (root / "a.tif").write_bytes(b"x")
    first = told.wait_for(Settled, b"a.tif")
    watch.wait_more(b"a.tif", first.look, 0.1)

    assert told.wait_for(Settled, b"a.tif", count=2).look == first.look


def test_rescan_does_not_wait_for_its_turn(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """The operator pressed the button."""
    (root / "a.tif").write_bytes(b"x")
    watch = watching(poll_s=LONG_S)
    told.wait_for(Noticed, b"a.tif")
    (root / "a.tif").unlink()
    watch.rescan()

    told.wait_for(Vanished, b"a.tif")


def test_status_tells_files_scan_and_oldest_wait(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """What the page shows of a root."""
    (root / "a.tif").write_bytes(b"x")
    watch = watching(settle_s=LONG_S)
    told.wait_until(lambda: is_present(told))
    status = watch.status

    assert (status.root, status.files, status.hints) == ("em", 1, "inotify")
    assert status.last_scan_s is not None
    assert status.oldest_waiting_s is not None


def test_file_on_a_share_settles_without_hints(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """Only the scan in the child sees what other hosts write."""
    watch = watching(kind=RootKind.SHARE, options={"share_settle_floor_s": 0.2})
    told.wait_until(lambda: is_present(told))
    (root / "a.tif").write_bytes(b"x")
    told.wait_for(Settled, b"a.tif")

    assert watch.status.hints == "polling"


def test_share_is_scanned_while_files_on_it_are_settling(
    watching: Watching,
    told: Recorder,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Looks that fall due during a scan wait until the child has answered it."""
    monkeypatch.setattr(_patrol, "YIELD_EVERY", 1)
    for i in range(300):
        (root / f"{i}.tif").write_bytes(b"x")
    options = {"share_settle_floor_s": 0.02}
    watching(kind=RootKind.SHARE, settle_s=0.02, poll_s=0.01, options=options)
    told.wait_until(lambda: len(told.of(Settled)) >= 300)

    assert "watch_turn_failed" not in caplog.text


def test_hung_share_is_degraded_and_recovers(
    watching: Watching, told: Recorder, root: Path
) -> None:
    """The thread goes on, the status says so, and nothing vanishes."""
    (root / "a.tif").write_bytes(b"x")
    share = ShareRoot(root, Ignore(()), silence_limit_s=0.3)
    options = {"share_settle_floor_s": 0.2, "access": share}
    watching(kind=RootKind.SHARE, options=options)
    told.wait_for(Settled, b"a.tif")
    pid = share.child_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    told.wait_until(lambda: not is_present(told))
    away = told.of(RootChanged)[-1].status
    told.wait_until(lambda: is_present(told))

    assert away.hints == "degraded: polling gets no answer"
    assert "does not answer" in away.reason
    assert told.of(Vanished) == []
