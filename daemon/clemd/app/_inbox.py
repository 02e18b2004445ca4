"""From file events to the inventory and the queue of files to read."""

from __future__ import annotations

import asyncio

import structlog

from clemd.errors import TransientError
from clemd.messages import FileMessage
from clemd.model import display_name
from clemd.store import FileRow, StoreDamagedError
from clemd.watching import (
    ClosedAgain,
    Event,
    FolderWatch,
    KnownFile,
    Look,
    Noticed,
    Odd,
    RootChanged,
    RootStatus,
    Settled,
    Vanished,
)

from ._house import House
from ._kinds import READ
from ._lasting import say_once
from ._sidecars import BESIDE, images_of, is_sidecar, was_read_with

BATCH = 200
SETTLED_STATES = frozenset({"read", "refused", "superseded", "reading", BESIDE})
_log = structlog.get_logger(__name__)


class Inbox:
    """Takes events from the watching threads, keeps them on the loop's thread."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._unkept: list[Event] = []
        self._sides = {r.name: r.side for r in house.profile.roots}
        self._roots = {r.name: r for r in house.profile.roots}
        self._watches: dict[str, FolderWatch] = {}
        self.roots: dict[str, RootStatus] = {}

    def start(self) -> None:
        """Begin to watch every root of the profile, from the inventory on."""
        for root in self._house.profile.roots:
            known = {
                relative: KnownFile(
                    size_bytes, modified_ns, inode, state in SETTLED_STATES
                )
                for relative, size_bytes, modified_ns, inode, state in (
                    self._house.store.known_looks(root.name)
                )
                if state != "vanished"
            }
            watch = FolderWatch(root, known, self.offer)
            self._watches[root.name] = watch
            watch.start()

    def stop(self) -> None:
        """End every watch."""
        for watch in self._watches.values():
            watch.stop()

    def offer(self, event: Event) -> None:
        """Take one event; called from the watches' threads."""
        self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    @property
    def is_empty(self) -> bool:
        """Nothing waits to be noted and every root has been scanned once."""
        scanned = all(w.status.scan_age_s is not None for w in self._watches.values())
        return self._events.empty() and not self._unkept and scanned

    def statuses(self) -> list[RootStatus]:
        """How every root is doing now."""
        return [watch.status for watch in self._watches.values()]

    def offer_again(self, row: FileRow, *, delay_s: float) -> None:
        """This version was incomplete: look again when it changes, or later."""
        watch = self._watches.get(row.root)
        if watch is not None:
            look = Look(row.size_bytes, row.modified_ns, row.inode, is_regular=True)
            watch.wait_more(row.relative, look, delay_s)

    async def run(self) -> None:
        """Note events until cancelled, many in one transaction.

        What could not be noted (a full disk) is noted first when this runs again.
        """
        while True:
            if not self._unkept:
                self._unkept.append(await self._events.get())
            while not self._events.empty() and len(self._unkept) < BATCH:
                self._unkept.append(self._events.get_nowait())
            self._note_all(self._unkept)
            self._unkept.clear()
            self._house.troubles.pop("inbox", None)
            self._house.committed()

    def _note_all(self, batch: list[Event]) -> None:
        try:
            with self._house.store.transaction():
                for event in batch:
                    self._note(event)
        except (TransientError, StoreDamagedError):
            raise
        except Exception:  # noqa: BLE001 - one odd file must not hide the others
            for event in batch:
                self._note_alone(event)

    def _note_alone(self, event: Event) -> None:
        try:
            with self._house.store.transaction():
                self._note(event)
        except (TransientError, StoreDamagedError):
            raise
        except Exception as failed:  # noqa: BLE001 - told, and the others go on
            relative = getattr(event, "relative", b"")
            say_once(f"inbox, {event.root}/{display_name(relative)}", failed)

    def _note(self, event: Event) -> None:
        match event:
            case Noticed():
                self._house.metrics.files_seen.inc()
                row = self._row(event.root, event.relative, event.look)
                if row.state == "noticed":
                    self._announce(row, "noticed")
            case Settled():
                row = self._row(event.root, event.relative, event.look)
                if _has_controls(event.relative):
                    self.refuse(row, "a control character in its name: rename it")
                elif is_sidecar(self._roots[event.root], event.relative):
                    self._take_beside(row)
                elif row.state == "read":  # back unchanged, or offered twice
                    self._announce(row, "read")
                else:
                    self._queue(row)
            case ClosedAgain():
                self._doubt(self._row(event.root, event.relative, event.look))
            case Odd():
                look = Look(0, 0, 0, is_regular=False)
                row = self._row(event.root, event.relative, look)
                if (row.state, row.reason) != ("refused", event.reason):
                    self.refuse(row, event.reason)
            case Vanished():
                self._lose(event)
            case RootChanged():
                self.roots[event.root] = event.status
                _log.info(
                    "root_changed",
                    root=event.root,
                    present=event.status.present,
                    reason=event.status.reason,
                    hints=event.status.hints,
                )

    def _row(self, root: str, relative: bytes, look: Look) -> FileRow:
        return self._house.store.note_file(
            root,
            relative,
            size_bytes=look.size_bytes,
            modified_ns=look.modified_ns,
            inode=look.inode,
        )

    def _queue(self, row: FileRow) -> None:
        queue = self._house.queue
        job_id = queue.enqueue(
            READ,
            f"read:{row.id}:{row.revision}",
            {"file_id": row.id, "revision": row.revision},
            priority=20,
        )
        job = queue.job(job_id)
        if job is not None and job.state not in {"queued", "leased"}:
            queue.retry(job_id)
        self._house.store.set_file_state(row.id, "reading")
        self._announce(row, "reading")

    def _doubt(self, row: FileRow) -> None:
        """Somebody closed what was handed on, looking as before: is it the same?"""
        root = self._roots[row.root]
        if row.state == "waiting":
            self._queue(row)
        elif row.state == BESIDE:
            for image in images_of(self._house.store, root, row.relative):
                self._queue_again(image)
        elif not _has_controls(row.relative):
            self._queue_again(row)

    def _queue_again(self, row: FileRow) -> None:
        """Have a version read once more and compared; new images go first."""
        queue = self._house.queue
        for turn in (1, 2):
            job_id = queue.enqueue(
                READ,
                f"again:{row.id}:{row.revision}:{turn}",
                {"file_id": row.id, "revision": row.revision, "again": True},
                priority=10,
            )
            job = queue.job(job_id)
            if job is None or job.state != "leased":
                # one that is being served may have seen the file before the last word
                queue.retry(job_id)
                return

    def read_anew(self, row: FileRow) -> None:
        """Its content, or that of the text beside it, is another: its next revision."""
        self._queue(self._house.store.revise_file(row.id))

    def _take_beside(self, row: FileRow) -> None:
        """A text is complete: its image is read with it, again if need be."""
        store = self._house.store
        store.set_file_state(row.id, BESIDE)
        self._announce(row, BESIDE)
        for image in images_of(store, self._roots[row.root], row.relative):
            if image.state == "waiting":
                self._queue(image)
            elif image.state == "refused":
                self.read_anew(image)
            elif image.state == "read":
                frames = store.frames(file_id=image.id, limit=1)
                if frames and not was_read_with(frames[0].frame, row):
                    self.read_anew(image)

    def _lose(self, event: Vanished) -> None:
        row = self._house.store.find_file(event.root, event.relative)
        if row is None or row.state == "vanished":
            return
        self._house.store.set_file_state(row.id, "vanished", "the file is gone")
        self._announce(row, "vanished", "the file is gone")

    def refuse(self, row: FileRow, reason: str) -> None:
        """Say once and for all that this version is not an image for us."""
        self._house.store.set_file_state(row.id, "refused", reason)
        self._house.metrics.files_refused.inc()
        self._announce(row, "refused", reason)
        name = display_name(row.relative)
        _log.warning("file_refused", root=row.root, file=name, reason=reason)

    def _announce(self, row: FileRow, state: str, reason: str = "") -> None:
        side = self._sides.get(row.root)
        self._house.store.announce(
            FileMessage.model_validate(
                {
                    "file_id": row.id,
                    "root": row.root,
                    "name": display_name(row.relative),
                    "side": None if side is None else side.value,
                    "state": state,
                    "reason": reason,
                    "revision": row.revision,
                }
            )
        )

    def announce(self, row: FileRow, state: str, reason: str = "") -> None:
        """Tell everyone how far a file has come."""
        self._announce(row, state, reason)


def _has_controls(relative: bytes) -> bool:
    """A line break in a name would end up in CSV files and other programs' logs."""
    return any(byte < 0x20 or byte == 0x7F for byte in relative)
