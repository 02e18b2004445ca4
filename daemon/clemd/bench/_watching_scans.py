"""Very many files: written while nobody looks, known from before, on a slow share."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clemd.config import Ready, RootKind, RootSettings
from clemd.store import Store
from clemd.watching import (
    Event,
    FolderWatch,
    Ignore,
    KnownFile,
    Look,
    Settled,
    ShareRoot,
)

from ._figures import Share, percentile
from ._pipeline_daemon import DaemonFailedError
from ._table import Row, Spread

ROOT = "em"
PER_FOLDER = 1000
FROZEN_S = 1.0
FROZEN_SETTLE_S, FROZEN_POLL_S = 1.0, 1.0
SILENCE_LIMIT_S = 60.0
KNOWN_GOAL_S = 2.0
KNOWN_RUNS = 3
STAT_S = 0.3e-3
"""What one look at a file of the slow share takes."""
SLEEP_EVERY = 10
"""Looks slept for at once: a sleep is longer than it says by a tenth of that."""
LOCAL_GAP_S = 0.05
LOCAL_GOAL_MS = 100.0

Say = Callable[[str], None]


def measure_frozen(folder: Path, *, files: int, say: Say) -> list[Row]:
    """Files written while the watching process is stopped; half in new folders."""
    root, state = folder / "export", folder / "state"
    root.mkdir(parents=True)
    with _watching(root, state) as child:
        child.line("ready")
        os.kill(child.pid, signal.SIGSTOP)
        began_s = time.monotonic()
        names = list(_write_many(root, files))
        time.sleep(max(0.0, began_s + FROZEN_S - time.monotonic()))
        stopped_s = time.monotonic() - began_s
        os.kill(child.pid, signal.SIGCONT)
        woken_s = time.monotonic()
        say(f"{files} files written while it stood still for {stopped_s:.1f} s")
        settled = 0
        while settled < files:
            try:
                settled = int(child.line("settled")[0])
            except DaemonFailedError:
                break
        found_s = time.monotonic() - woken_s
    with Store.open(state) as store:
        rows = store.known_files(ROOT)
    found = sum(name in rows and rows[name].state == "read" for name in names)
    share = Share(found, files)
    return [
        Row(
            part="frozen",
            what=f"files of {stopped_s:.1f} s in SIGSTOP found",
            value=str(share),
            goal="100 %",
            met=found == files,
            figure=share.value,
        ),
        Row(
            part="frozen",
            what="all of them settled and in the inventory after",
            value=f"{found_s:.1f} s",
            figure=found_s,
        ),
    ]


def measure_known(folder: Path, *, files: int, say: Say) -> list[Row]:
    """A start with an inventory that agrees: how long until that is known?"""
    root, state = folder / "export", folder / "state"
    root.mkdir(parents=True)
    prepare_known(root, state, files)
    say(f"{files} known files")
    whole_s, scan_s, busy_s, events = [], [], [], 0
    for _ in range(KNOWN_RUNS):
        with _watching(root, state) as child:
            scan, whole, busy, told = child.line("ready")
            whole_s.append(float(whole))
            scan_s.append(float(scan))
            busy_s.append(float(busy))
            events += max(0, int(told) - 1)  # that the root is there
    worst = max(whole_s)
    return [
        Row(
            part="known",
            what=f"{files} known files reconciled, inventory loaded too",
            value=Spread.of(whole_s).in_words("s"),
            goal=f"<= {KNOWN_GOAL_S:g} s",
            met=worst <= KNOWN_GOAL_S,
            figure=worst,
        ),
        Row(
            part="known",
            what="of that, the scan",
            value=Spread.of(scan_s).in_words("s"),
            figure=max(scan_s),
        ),
        Row(
            part="known",
            what="processor time of both, one thread",
            value=Spread.of(busy_s).in_words("s"),
            figure=max(busy_s),
        ),
        Row(
            part="known",
            what="known files that were offered again",
            value=str(events),
            goal="0",
            met=not events,
            figure=events,
        ),
    ]


def measure_polled(folder: Path, *, files: int, trials: int, say: Say) -> list[Row]:
    """A share of many files, each look slow: does a local root wait for it?"""
    share, state = folder / "share", folder / "state"
    share.mkdir(parents=True)
    known = prepare_known(share, state, files)
    alone = _local_latencies(folder / "alone", trials)
    say("local root alone measured; now beside the share")
    slow = _SlowShare(share)
    settings = RootSettings(name="share", path=share, kind=RootKind.SHARE)
    watch = FolderWatch(settings, known, lambda _: None, access=slow)
    watch.start()
    try:
        slow.wait_for_walk()
        beside = _local_latencies(folder / "beside", trials)
        is_polling = slow.is_walking
        began_s = time.monotonic()
        while watch.status.last_scan_s is None:
            if time.monotonic() - began_s > SILENCE_LIMIT_S + 2 * STAT_S * files:
                raise DaemonFailedError("the share was never scanned to its end")
            time.sleep(0.1)
        scan_s = watch.status.last_scan_s
    finally:
        watch.stop()
    worst = percentile(beside, 99) or 0.0
    return [
        Row(
            part="polled",
            what=f"scan of {files} files at {1e3 * STAT_S:g} ms a look",
            value=f"{scan_s:.1f} s",
            figure=scan_s,
        ),
        Row(
            part="polled",
            what="local root alone: close to settled",
            value=_in_ms(alone),
            figure=percentile(alone, 99),
        ),
        Row(
            part="polled",
            what="local root, while the share is scanned"
            + ("" if is_polling else " (the scan ended first)"),
            value=_in_ms(beside),
            goal=f"p99 <= {LOCAL_GOAL_MS:g} ms",
            met=1e3 * worst <= LOCAL_GOAL_MS,
            figure=worst,
        ),
    ]


def prepare_known(root: Path, state: Path, files: int) -> dict[bytes, KnownFile]:
    """Files, and an inventory that knows each of them as read."""
    names = list(_write_many(root, files))
    known = {}
    with Store.open(state) as store, store.transaction():
        for name in names:
            look = Look.of(os.lstat(os.fsencode(root) + b"/" + name))
            row = store.note_file(
                ROOT,
                name,
                size_bytes=look.size_bytes,
                modified_ns=look.modified_ns,
                inode=look.inode,
            )
            store.set_file_state(row.id, "read")
            known[name] = KnownFile(
                look.size_bytes, look.modified_ns, look.inode, settled=True
            )
    return known


def _write_many(root: Path, files: int) -> Iterator[bytes]:
    """Small files: half of them in the root, half in folders of their own."""
    folder = root
    for number in range(files):
        if number >= files // 2 and (number - files // 2) % PER_FOLDER == 0:
            folder = root / f"folder-{number // PER_FOLDER:03}"
            folder.mkdir()
        path = folder / f"{number:06}.tif"
        path.write_bytes(b"%06d" % number)
        yield os.fsencode(path.relative_to(root))


class _Child:
    """The watching process, and what it says."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.pid = process.pid
        self._process = process
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def line(self, first: str) -> list[str]:
        """The rest of the next line that begins so.

        Raises:
            DaemonFailedError: it says no more.
        """
        while True:
            try:
                words = self._lines.get(timeout=SILENCE_LIMIT_S).split()
            except queue.Empty:
                raise DaemonFailedError("the watching process is silent") from None
            if words and words[0] == first:
                return words[1:]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)


@contextmanager
def _watching(root: Path, state: Path) -> Iterator[_Child]:
    command = [
        *(sys.executable, "-m", "clemd.bench._watching_child"),
        *(str(root), str(state), str(FROZEN_SETTLE_S), str(FROZEN_POLL_S)),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield _Child(process)
        assert process.stdin is not None
        process.stdin.close()
        process.wait(SILENCE_LIMIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


class _SlowShare:
    """A `RootAccess` on a share's real child, in which every look takes its time."""

    def __init__(self, path: Path) -> None:
        self._share = ShareRoot(path, Ignore(()))
        self._looks = 0
        self._walking = threading.Event()
        self.is_walking = False

    def wait_for_walk(self) -> None:
        """Until a scan is under way."""
        self._walking.wait(SILENCE_LIMIT_S)

    def identify(self) -> Any:
        """As the share's."""
        return self._share.identify()

    def walk(self, below: bytes = b"") -> Iterator[Any]:
        """As the share's, slowly."""
        self.is_walking = True
        for entry in self._share.walk(below):
            self._walking.set()
            self._take_time()
            yield entry
        self.is_walking = False

    def look(self, relatives: Iterable[bytes]) -> Iterator[tuple[bytes, Any]]:
        """As the share's, slowly."""
        for relative, entry in self._share.look(relatives):
            self._take_time()
            yield relative, entry

    def close(self) -> None:
        """End the child."""
        self._share.close()

    def _take_time(self) -> None:
        self._looks += 1
        if self._looks % SLEEP_EVERY == 0:
            time.sleep(SLEEP_EVERY * STAT_S)


def _local_latencies(folder: Path, trials: int) -> list[float]:
    """Seconds from a writer's close to the event, one file after the other."""
    folder.mkdir(parents=True)
    settled: queue.SimpleQueue[tuple[bytes, float]] = queue.SimpleQueue()

    def note(event: Event) -> None:
        if isinstance(event, Settled):
            settled.put((event.relative, time.monotonic()))

    settings = RootSettings(name="local", path=folder, ready=Ready.CLOSE)
    watch = FolderWatch(settings, {}, note)
    watch.start()
    closed_s = {}
    try:
        while watch.status.hints != "inotify":
            time.sleep(0.01)
        for number in range(trials):
            name = b"%05d.tif" % number
            (folder / os.fsdecode(name)).write_bytes(b"x" * 4096)
            closed_s[name] = time.monotonic()
            time.sleep(LOCAL_GAP_S)
        moments = [settled.get(timeout=SILENCE_LIMIT_S) for _ in range(trials)]
    finally:
        watch.stop()
    return [moment - closed_s[name] for name, moment in moments]


def _in_ms(seconds: list[float]) -> str:
    p50, p99 = (1e3 * (percentile(seconds, q) or 0.0) for q in (50, 99))
    return f"p50 {p50:.0f} ms, p99 {p99:.0f} ms (n = {len(seconds)})"
