"""Read complete files in the sandbox, keep their frames, propose their pairs."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime

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
from clemd.messages import FrameMessage, PairMessage
from clemd.model import Frame, PairProposal, Side, display_name
from clemd.pairing import Arrived, propose, session_of, waiting_reason
from clemd.reading import ReadRequest, ReadResult, to_contract
from clemd.store import FileRow, FrameRow, StoreDamagedError

from ._house import READ, REGISTER, House
from ._inbox import Inbox
from ._lasting import in_words, say_once
from ._learning import Learning

_OTHER_SIDE = {"em": "lm", "lm": "em"}
CHANGED_WAIT_S = 0.5
NO_READER_WAIT_S = 5.0
_log = structlog.get_logger(__name__)


class Intake:
    """One file at a time, from settled to paired."""

    def __init__(
        self, house: House, inbox: Inbox, learning: Learning, *, request_key: str
    ) -> None:
        self._house = house
        self._inbox = inbox
        self._learning = learning
        self._request_key = request_key
        """Names the registration parameters: other parameters are other work."""
        self._roots = {root.name: root for root in house.profile.roots}
        self._owed: Lease | None = None
        """The job that is being served."""
        self._incomplete_since: dict[tuple[int, int], float] = {}

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
            if state == "poisoned":
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
            else:
                self._keep(lease, row, root, result)

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
        session = session_of(frame, row.relative, house.profile.pairing)
        with house.store.transaction():
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
            self._pair(house.store.frame(frame_id))
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

    def _pair(self, row: FrameRow) -> None:
        """Put a new frame beside its likely partners, or say why it waits."""
        house = self._house
        new = _arrived(row)
        others = [
            _arrived(other)
            # partners are of the other side: a session may hold ten thousand of its own
            for other in house.store.frames(
                session=row.session, side=_OTHER_SIDE[row.side]
            )
        ]
        proposals = propose(new, others, house.profile.pairing)
        if new.side is Side.LM:
            proposals = [p for p in proposals if not self._is_placed(p)]
        for proposal in proposals:
            self._propose(proposal, row.session)
        if not proposals:
            everything = [_arrived(o) for o in house.store.frames() if o.id != row.id]
            house.store.announce(
                PairMessage(
                    em_frame_id=row.id if new.side is Side.EM else None,
                    lm_frame_id=row.id if new.side is Side.LM else None,
                    state="waiting",
                    reasons=(waiting_reason(new, everything, house.profile.pairing),),
                ),
                session=row.session,
            )

    def _is_placed(self, proposal: PairProposal) -> bool:
        """An EM image that has an accepted overlay is not laid on every new map."""
        best = self._house.store.registrations(
            em_frame_id=proposal.em_frame_id, best_only=True, limit=1
        )
        return bool(best) and best[0].verdict.value == "accepted"

    def _propose(self, proposal: PairProposal, session: str) -> None:
        store = self._house.store
        pair_id = store.add_pair(proposal)
        store.announce(
            PairMessage(
                pair_id=pair_id,
                em_frame_id=proposal.em_frame_id,
                lm_frame_id=proposal.lm_frame_id,
                state="proposed",
                reasons=proposal.reasons,
            ),
            session=session,
        )
        em, lm = (store.frame(i) for i in (proposal.em_frame_id, proposal.lm_frame_id))
        self._learning.announce(em, lm)
        self.enqueue_registration(pair_id)

    def enqueue_registration(self, pair_id: str) -> int:
        """Queue the registration of one pair; the same work only once."""
        self._house.metrics.jobs_queued.inc()
        return self._house.queue.enqueue(
            REGISTER,
            f"register:{pair_id}:{self._request_key}",
            {"pair_id": pair_id},
            priority=10,
        )


def _arrived(row: FrameRow) -> Arrived:
    frame: Frame = row.frame
    return Arrived(
        frame_id=row.id,
        side=Side(row.side),
        session=row.session,
        frame=frame,
        arrived_at=datetime.fromisoformat(row.created_at),
    )
