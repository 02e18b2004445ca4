"""Read complete files in the sandbox, keep their frames, propose their pairs."""

from __future__ import annotations

import os

import structlog

from clemd.config import RootSettings
from clemd.errors import (
    ChangedFileError,
    IncompleteFileError,
    RefusedFileError,
    TransientError,
)
from clemd.jobs import Lease
from clemd.messages import FrameMessage
from clemd.model import Frame, display_name
from clemd.reading import ReadRequest, ReadResult, to_contract
from clemd.store import FileRow

from ._house import READ, House
from ._inbox import Inbox
from ._matching import Matching
from ._sidecars import still_arriving

CHANGED_WAIT_S = 0.5
NO_READER_WAIT_S = 5.0
NO_SIDECAR = "waiting for the text file beside it"
_log = structlog.get_logger(__name__)


class Intake:
    """One file at a time, from settled to paired."""

    def __init__(self, house: House, inbox: Inbox, matching: Matching) -> None:
        self._house = house
        self._inbox = inbox
        self._matching = matching
        self._roots = {root.name: root for root in house.profile.roots}
        self._incomplete_since: dict[tuple[int, int], float] = {}
        self._with_texts: set[tuple[str, bytes]] = set()
        """(root, folder) in which images have a text beside them."""

    async def run(self) -> None:
        """Serve read jobs until cancelled."""
        while True:
            self._house.heartbeats.beat("intake")
            lease = self._house.queue.claim([READ])
            if lease is None:
                await self._house.wait_for_work(1.0)
                continue
            await self._serve(lease)

    async def _serve(self, lease: Lease) -> None:
        house = self._house
        row = house.store.file(lease.payload["file_id"])
        root = self._roots.get(row.root)
        if row.revision != lease.payload["revision"] or root is None:
            house.queue.finish(lease)
            return
        waited_s = self._waited_s(row)
        patient = waited_s >= root.incomplete_s
        try:
            result = await house.reader.read(
                ReadRequest(
                    path=os.fsdecode(os.fsencode(root.path) + b"/" + row.relative),
                    root=str(root.path),
                    cache=str(house.cache),
                    accept_zero_tail=patient,
                    timezone=house.profile.timezone,
                )
            )
        except IncompleteFileError as incomplete:
            if patient:
                self._refuse(
                    lease, row, f"{incomplete.reason}; waited {waited_s:.0f} s"
                )
            else:
                self._wait(lease, row, incomplete.reason, root.incomplete_s / 4)
        except ChangedFileError as changed:
            self._wait(lease, row, str(changed), CHANGED_WAIT_S)
        except RefusedFileError as refused:
            self._refuse(lease, row, refused.reason)
        except TransientError as later:
            # no fault of the file's: the reading child does not come up just now
            house.queue.defer(lease, str(later), delay_s=NO_READER_WAIT_S)
            _log.warning("reader_not_there", reason=str(later))
        else:
            if result.look != (row.size_bytes, row.modified_ns, row.inode):
                self._wait(lease, row, "the file has changed again", CHANGED_WAIT_S)
            elif left_s := self._sidecar_wait_s(row, root, result.frame, waited_s):
                self._wait(lease, row, NO_SIDECAR, left_s)
            else:
                self._keep(lease, row, root, result)

    def _sidecar_wait_s(
        self, row: FileRow, root: RootSettings, frame: Frame, waited_s: float
    ) -> float:
        """Seconds that an image may still wait for its text; 0 = read it now."""
        folder = row.root, row.relative.rpartition(b"/")[0]
        if frame.beside:
            self._with_texts.add(folder)
            waits = still_arriving(self._house.store, root, row, frame)
        else:
            asked = "sidecar_wait_s" in root.model_fields_set
            wanted = asked or folder in self._with_texts
            waits = wanted and frame.pixel_size is None
        return max(0.0, root.sidecar_wait_s - waited_s) if waits else 0.0

    def _drop_if_gone(self, lease: Lease, row: FileRow) -> bool:
        """The file vanished or was overwritten meanwhile: what was read says nothing.

        Its watch offers the next version by itself; a state set here would hide that
        from it, or leave a file waiting that nobody will ever offer again.
        """
        now = self._house.store.file(row.id)
        if now.revision == row.revision and now.state != "vanished":
            return False
        self._incomplete_since.pop((row.id, row.revision), None)
        self._house.queue.finish(lease)
        self._house.committed()
        return True

    def _waited_s(self, row: FileRow) -> float:
        since = self._incomplete_since.get((row.id, row.revision))
        return 0.0 if since is None else self._house.clock() - since

    def _wait(self, lease: Lease, row: FileRow, reason: str, delay_s: float) -> None:
        if self._drop_if_gone(lease, row):
            return
        key = (row.id, row.revision)
        self._incomplete_since.setdefault(key, self._house.clock())
        with self._house.store.transaction():
            self._house.store.set_file_state(row.id, "waiting", reason)
            self._inbox.announce(row, "waiting", reason)
            self._house.queue.finish(lease)
        self._inbox.offer_again(row, delay_s=max(0.2, min(delay_s, 15.0)))
        self._house.committed()

    def _refuse(self, lease: Lease, row: FileRow, reason: str) -> None:
        self._incomplete_since.pop((row.id, row.revision), None)
        if self._drop_if_gone(lease, row):
            return
        with self._house.store.transaction():
            self._inbox.refuse(row, reason)
            self._house.queue.finish(lease)
        self._house.committed()

    def _keep(
        self, lease: Lease, row: FileRow, root: RootSettings, result: ReadResult
    ) -> None:
        house, frame = self._house, result.frame
        self._incomplete_since.pop((row.id, row.revision), None)
        if self._drop_if_gone(lease, row):
            return
        side = root.side or frame.side
        if side is None:
            self._refuse(
                lease,
                row,
                "neither the file nor its folder says EM or LM: set `side` of root "
                f"{root.name!r} in the profile",
            )
            return
        with house.store.transaction():
            session = self._matching.known.session_for(frame, row, side)
            house.store.set_file_state(
                row.id, "read", content_sha256=frame.content_sha256
            )
            frame_id = house.store.add_frame(
                frame,
                file_id=row.id,
                revision=row.revision,
                side=side.value,
                session=session,
            )
            self._inbox.announce(row, "read")
            house.store.announce(
                FrameMessage(
                    frame_id=frame_id,
                    file_id=row.id,
                    side=side.value,
                    session=session,
                    frame=to_contract(frame),
                ),
                session=session,
            )
            self._matching.came(frame_id)
            house.queue.finish(lease)
        house.metrics.files_read.inc()
        house.committed()
        _log.info(
            "file_read",
            root=row.root,
            file=display_name(row.relative),
            side=side.value,
            driver=frame.driver,
            shape=frame.shape,
            seconds=round(result.seconds, 3),
        )
