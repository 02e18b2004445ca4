"""Hints come from the kernel, survive their handler, and are missed when they die."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileClosedEvent, FileMovedEvent, FileSystemEvent

from clemd.config import RootKind
from clemd.watching import _hints
from clemd.watching._hints import HintHandler, HintSource
from clemd.watching._settling import Hint
from clemd.watching._supervision import FIRST_RETRY_S, UNHEARD_S, HintSupervisor

LIMIT_S = 10.0


class Woken(threading.Event):
    """Wakes a test as it would wake the watch."""

    def collect(self, handler: HintHandler, *names: bytes) -> dict[bytes, Hint]:
        """The hints until all `names` are among them."""
        all_hints: dict[bytes, Hint] = {}
        while not set(names) <= set(all_hints):
            assert self.wait(LIMIT_S), all_hints
            self.clear()
            for name, hint in handler.take()[0].items():
                all_hints[name] = all_hints.get(name, Hint.NONE) | hint
        return all_hints


@pytest.fixture
def woken() -> Woken:
    """Set by each hint."""
    return Woken()


@pytest.fixture
def source(root: Path, woken: Woken) -> Iterator[HintSource]:
    """Real hints on a real folder."""
    source = HintSource(root, woken.set)
    yield source
    source.stop()


@pytest.fixture
def supervisor(root: Path, woken: Woken) -> Iterator[HintSupervisor]:
    """Started at second 0."""
    supervisor = HintSupervisor(root, RootKind.LOCAL, woken.set)
    supervisor.attend(0.0)
    yield supervisor
    supervisor.stop()


def test_close_and_rename_are_told_by_name(
    source: HintSource, woken: Woken, root: Path
) -> None:
    """These two are what an exporter can promise."""
    (root / "a.tif").write_bytes(b"x")
    assert woken.collect(source.handler, b"a.tif")[b"a.tif"] is not Hint.NONE
    (root / "a.tif").rename(root / "b.tif")
    hints = woken.collect(source.handler, b"b.tif")

    assert Hint.MOVED in hints[b"b.tif"]


def test_names_that_are_no_text_come_through(
    source: HintSource, woken: Woken, root: Path
) -> None:
    """Bytes in, bytes out."""
    name = b"\xff\n.tif"
    Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")

    assert woken.collect(source.handler, name)


def test_root_that_is_a_link_gives_hints(
    root: Path, tmp_path: Path, woken: Woken
) -> None:
    """Watched as a link, it would be silent for ever."""
    (tmp_path / "link").symlink_to(root)
    source = HintSource(tmp_path / "link", woken.set)
    (root / "a.tif").write_bytes(b"x")

    assert woken.collect(source.handler, b"a.tif")
    source.stop()


def test_reading_makes_no_hints(source: HintSource, woken: Woken, root: Path) -> None:
    """The daemon reads every file: its own reads must not wake it."""
    (root / "a.tif").write_bytes(b"x")
    (root / "a.tif").read_bytes()
    (root / "z.tif").write_bytes(b"x")
    woken.collect(source.handler, b"z.tif")
    (root / "a.tif").read_bytes()
    (root / "end.tif").write_bytes(b"x")
    hints = woken.collect(source.handler, b"end.tif")

    assert b"a.tif" not in hints


def test_handler_survives_an_event_it_cannot_take(root: Path, woken: Woken) -> None:
    """An exception would end the dispatcher, and with it every hint, silently."""
    handler = HintHandler(root, woken.set)
    event: FileSystemEvent = FileClosedEvent(os.fsencode(root / "a.tif"))
    event.src_path = None  # type: ignore[assignment]
    handler.dispatch(event)

    assert handler.take() == ({}, True)
    assert woken.is_set()


def test_hints_beyond_the_limit_become_one_request_for_a_scan(
    root: Path, woken: Woken, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A burst must not fill the memory."""
    monkeypatch.setattr(_hints, "PENDING_LIMIT", 3)
    handler = HintHandler(root, woken.set)
    for i in range(5):
        handler.dispatch(FileClosedEvent(str(root / f"{i}.tif")))
    hints, is_lost = handler.take()

    assert len(hints) == 3
    assert is_lost
    assert handler.take() == ({}, False)


def test_both_names_of_a_move_are_looked_at(root: Path, woken: Woken) -> None:
    """The old one may have been known."""
    handler = HintHandler(root, woken.set)
    handler.dispatch(FileMovedEvent(str(root / "a.tif"), str(root / "b.tif")))
    hints, _ = handler.take()

    assert hints == {b"a.tif": Hint.NONE, b"b.tif": Hint.MOVED}


def _thread_of(supervisor: HintSupervisor, part: str) -> threading.Thread:
    source = supervisor._source
    assert source is not None
    observer = source._observer
    if part == "dispatcher":
        return observer
    if part == "collector":
        return next(iter(observer.emitters))
    reader = observer._inotify_fd  # type: ignore[attr-defined]
    assert isinstance(reader, threading.Thread)
    return reader


@pytest.mark.parametrize("part", ["dispatcher", "collector", "reader"])
def test_dead_thread_is_noticed_and_hints_start_again(
    supervisor: HintSupervisor, part: str, root: Path, woken: Woken
) -> None:
    """Any of the three may die while the others live on."""
    assert supervisor.state == "inotify"
    thread = _thread_of(supervisor, part)
    thread.stop()  # type: ignore[attr-defined]
    thread.join(LIMIT_S)
    supervisor.attend(1.0)
    assert supervisor.state == f"degraded: the hint {part} has stopped"
    assert not supervisor.is_healthy
    supervisor.attend(1.0 + FIRST_RETRY_S)

    assert supervisor.state == "inotify"
    assert supervisor._source is not None
    (root / "a.tif").write_bytes(b"x")
    woken.collect(supervisor._source.handler, b"a.tif")


def test_failing_start_is_said_and_tried_less_and_less_often(
    tmp_path: Path, woken: Woken
) -> None:
    """Nothing is watched meanwhile: the scan does it alone."""
    supervisor = HintSupervisor(tmp_path / "none", RootKind.LOCAL, woken.set)
    supervisor.attend(0.0)
    assert supervisor.state.startswith("degraded: hints cannot start")
    (tmp_path / "none").mkdir()
    supervisor.attend(FIRST_RETRY_S / 2)
    assert not supervisor.is_healthy
    supervisor.attend(FIRST_RETRY_S)

    assert supervisor.is_healthy
    supervisor.stop()


def test_share_is_polled_and_never_watched(root: Path, woken: Woken) -> None:
    """The kernel does not see what other hosts write."""
    supervisor = HintSupervisor(root, RootKind.SHARE, woken.set)
    supervisor.attend(0.0)

    assert supervisor.state == "polling"
    assert supervisor._source is None


def test_file_that_no_hint_announced_is_counted(supervisor: HintSupervisor) -> None:
    """When the kernel runs out of watches, nothing else says so."""
    supervisor.note_found(b"a.tif", 0.0)
    supervisor.attend(UNHEARD_S - 0.1)
    assert supervisor.is_healthy
    supervisor.attend(UNHEARD_S)
    assert supervisor.state.startswith("degraded: new files were not announced")
    supervisor.attend(UNHEARD_S + 60)

    assert supervisor.state == "inotify"


def test_late_hint_is_no_missed_hint(
    supervisor: HintSupervisor, root: Path, woken: Woken
) -> None:
    """The scan is sometimes faster."""
    supervisor.note_found(b"a.tif", 0.0)
    (root / "a.tif").write_bytes(b"x")
    assert woken.wait(LIMIT_S)
    assert b"a.tif" in supervisor.take()[0]
    supervisor.attend(UNHEARD_S)

    assert supervisor.is_healthy
