"""Read complete files in the sandbox, keep their frames, propose their pairs."""

from __future__ import annotations

from contextlib import suppress

import structlog

from clemd.config import RootSettings
from clemd.errors import (
    ChangedFileError,
    IncompleteFileError,
    LeaseLostError,
    RefusedFileError,
    TransientError,
)
from clemd.jobs import Lease
from clemd.messages import FrameMessage
from clemd.model import Frame, Side, display_name
from clemd.reading import ReadResult, to_contract
from clemd.store import FileRow, StoreDamagedError

from ._house import House
from ._images import read_images
from ._inbox import Inbox
from ._kinds import READ
from ._lasting import in_words, say_once
from ._matching import Matching
from ._reading_again import KNOWN, has_other_content
from ._sidecars import Texts
from ._sides import sided

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
        self._owed: Lease | None = None
        """The job that is being served."""
        self._incomplete_since: dict[tuple[int, int], float] = {}
        self._texts = Texts(house.store)

    async def run(self) -> None:
        """Serve read jobs until cancelled."""
        if self._owed is not None:
            self._give_back(self._owed)
        while True:
            self._house.heartbeats.beat("intake")
            lease = self._house.queue.claim([READ])
            self._house.troubles.pop("intake", None)
            if lease is None:
                await self._house.wait_for_work(1.0)
                continue
            self._owed = lease
            try:
                await self._serve(lease)
            except (TransientError, StoreDamagedError):
                raise
            except Exception as failed:  # noqa: BLE001 - this file's trouble, not ours
                self._set_aside(lease, failed)
            self._owed = None

    def _give_back(self, lease: Lease) -> None:
        """What a full disk kept us from finishing is done again; no try is lost."""
        with suppress(LeaseLostError):
            self._house.queue.defer(lease, "interrupted", delay_s=NO_READER_WAIT_S)
        self._owed = None

    def _set_aside(self, lease: Lease, failed: Exception) -> None:
        """A defect met one file: try it again, at last say so and go on without it."""
        house, reason = self._house, f"a defect of clemd: {in_words(failed)}"
        row = house.store.file(lease.payload["file_id"])
        if lease.attempt == 1:
            say_once(f"intake, {row.root}/{display_name(row.relative)}", failed)
        with suppress(LeaseLostError), house.store.transaction():
            state = house.queue.fail(lease, reason, retry_after_s=CHANGED_WAIT_S)
            if state == "poisoned" and not lease.payload.get("again"):
                self._inbox.refuse(
                    row, f"{reason}; `clemd retry {lease.job_id}` reads it again"
                )
        house.committed()

    async def _serve(self, lease: Lease) -> None:
        house = self._house
        row = house.store.file(lease.payload["file_id"])
        root = self._roots.get(row.root)
        if row.revision != lease.payload["revision"] or root is None:
            house.queue.finish(lease)
            return
        if lease.payload.get("again"):
            await self._compare(lease, row, root)
            return
        waited_s = self._waited_s(row)
        patient = waited_s >= root.incomplete_s
        try:
            results = await read_images(house, row, root, patient=patient)
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
            look = row.size_bytes, row.modified_ns, row.inode
            first = results[0].frame
            if any(result.look != look for result in results):
                self._wait(lease, row, "the file has changed again", CHANGED_WAIT_S)
            elif left_s := self._texts.wait_s(row, root, first, waited_s):
                self._wait(lease, row, NO_SIDECAR, left_s)
            else:
                self._keep(lease, row, root, results)

    async def _compare(self, lease: Lease, row: FileRow, root: RootSettings) -> None:
        """A writer has closed a version that was read: say something if it is new."""
        house = self._house
        try:
            is_other = row.state in KNOWN and await has_other_content(house, row, root)
        except ChangedFileError as changed:
            house.queue.defer(lease, str(changed), delay_s=CHANGED_WAIT_S)
            return
        except TransientError as later:
            house.queue.defer(lease, str(later), delay_s=NO_READER_WAIT_S)
            return
        if is_other and not self._drop_if_gone(lease, row):
            with house.store.transaction():
                self._inbox.read_anew(row)
                house.queue.finish(lease)
            house.committed()
        elif not is_other:
            house.queue.finish(lease)

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
        self,
        lease: Lease,
        row: FileRow,
        root: RootSettings,
        results: list[ReadResult],
    ) -> None:
        house = self._house
        self._incomplete_since.pop((row.id, row.revision), None)
        if self._drop_if_gone(lease, row):
            return
        images = sided(root, [result.frame for result in results])
        if all(side is None for side, _ in images):
            self._refuse(
                lease,
                row,
                "neither the file nor its folder says EM or LM: set `side` of root "
                f"{root.name!r} in the profile",
            )
            return
        with house.store.transaction():
            house.store.set_file_state(
                row.id, "read", content_sha256=images[0][1].content_sha256
            )
            self._inbox.announce(row, "read")
            for side, frame in images:
                if side is not None:
                    self._add(row, frame, side)
            house.queue.finish(lease)
        house.metrics.files_read.inc()
        house.committed()
        _log.info(
            "file_read",
            root=row.root,
            file=display_name(row.relative),
            images=len(results),
            driver=images[0][1].driver,
            shape=images[0][1].shape,
            seconds=round(sum(result.seconds for result in results), 3),
        )

    def _add(self, row: FileRow, frame: Frame, side: Side) -> None:
        """One image becomes a frame, is told to everyone, and looks for its partner."""
        store = self._house.store
        session = self._matching.known.session_for(frame, row, side)
        frame_id = store.add_frame(
            frame,
            file_id=row.id,
            revision=row.revision,
            side=side.value,
            session=session,
        )
        store.announce(
            FrameMessage(
                frame_id=frame_id,
                file_id=row.id,
                side=side.value,
                session=session,
                position=frame.position,
                frame=to_contract(frame),
            ),
            session=session,
        )
        self._matching.came(frame_id)
