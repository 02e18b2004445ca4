"""Kernel hints about changed paths. They make things faster and are never relied on.

`watchdog` delivers them on its own threads, any of which may die without a word. The
handler here never raises, every thread is looked after, and whatever fails is started
again while the scan goes on alone.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.api import BaseObserver
from watchdog.observers.inotify import InotifyObserver

from ._settling import Hint

LOG = logging.getLogger(__name__)

PENDING_LIMIT = 100_000
"""Paths that may wait for a look; beyond that a scan is cheaper."""
STOP_S = 2.0

_MEANING: dict[type[FileSystemEvent], Hint] = {
    FileClosedEvent: Hint.CLOSED,
    FileCreatedEvent: Hint.CREATED,
    FileMovedEvent: Hint.MOVED,
    DirCreatedEvent: Hint.FOLDER,
    DirMovedEvent: Hint.FOLDER,
}


class HintHandler(FileSystemEventHandler):
    """Collects what the kernel says, by path, until somebody takes it."""

    def __init__(self, root: Path, wake: Callable[[], None]) -> None:
        self._prefix = os.fsencode(root).rstrip(b"/") + b"/"
        self._wake = wake
        self._lock = threading.Lock()
        self._pending: dict[bytes, Hint] = {}
        self._lost = False

    def dispatch(self, event: FileSystemEvent) -> None:
        """Note one event; called by watchdog's dispatcher, which an exception kills."""
        try:
            meaning = _MEANING.get(type(event), Hint.NONE)
            if isinstance(event, FileMovedEvent | DirMovedEvent):
                self._note(event.src_path, Hint.NONE)  # look whether it is gone
                self._note(event.dest_path, meaning)
            else:
                self._note(event.src_path, meaning)
        except Exception:
            LOG.exception("hint_failed event=%r", event)
            self._lost = True
        finally:
            self._wake()

    def take(self) -> tuple[dict[bytes, Hint], bool]:
        """What has come since the last call, and whether some of it was lost."""
        with self._lock:
            pending, self._pending = self._pending, {}
            lost, self._lost = self._lost, False
        return pending, lost

    def _note(self, path: bytes | str, meaning: Hint) -> None:
        raw = os.fsencode(path)
        if not raw.startswith(self._prefix):
            return
        relative = raw[len(self._prefix) :]
        with self._lock:
            if len(self._pending) >= PENDING_LIMIT:
                self._lost = True
                return
            # Moved to the end, so that of two names the later event is seen later.
            before = self._pending.pop(relative, Hint.NONE)
            self._pending[relative] = before | meaning


class HintSource:
    """One running observer on one root.

    Raises:
        OSError: the kernel has no watch or no instance left, or the root is gone.
    """

    def __init__(self, root: Path, wake: Callable[[], None]) -> None:
        # A root that is itself a link would be watched as a link, and stay silent.
        real = root.resolve(strict=True)
        self.handler = HintHandler(real, wake)
        self._observer: BaseObserver = InotifyObserver(timeout=1.0)
        try:
            self._observer.schedule(
                self.handler, str(real), recursive=True, event_filter=list(_MEANING)
            )
            self._observer.start()
        except BaseException:
            self.stop()
            raise

    @property
    def failure(self) -> str:
        """Which thread has died, in words; empty while all live."""
        if not self._observer.is_alive():
            return "the hint dispatcher has stopped"
        emitters = list(self._observer.emitters)
        if not emitters or not all(emitter.is_alive() for emitter in emitters):
            return "the hint collector has stopped"
        reader = getattr(self._observer, "_inotify_fd", None)
        if isinstance(reader, threading.Thread) and not reader.is_alive():
            return "the hint reader has stopped"
        return ""

    def stop(self) -> None:
        """Stop the threads; one that does not answer is left behind."""
        # In a thread of its own: an observer with a dead part may wait for it.
        stopper = threading.Thread(target=self._stop, daemon=True, name="hints-stop")
        stopper.start()
        stopper.join(STOP_S)

    def _stop(self) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._observer.stop()
        with contextlib.suppress(RuntimeError):  # it was never started
            self._observer.join(STOP_S)
