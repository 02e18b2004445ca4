"""All that a late client needs, as of one moment, in the words of the messages."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from clemd.messages import (
    FileMessage,
    FrameMessage,
    PairMessage,
    RegistrationMessage,
    SessionMessage,
    ThermalMessage,
)
from clemd.model import Frame, display_name, to_dict

from ._decisions import DecisionQueries
from ._outbox import OutboxQueries
from ._registrations import RegistrationQueries
from ._rows import (
    DecisionRow,
    FileRow,
    FrameRow,
    PairRow,
    RegistrationRow,
    ThermalRow,
    TransformEventRow,
    TransformRow,
)
from ._thermal import ThermalQueries
from ._transforms import TransformQueries

FrameView = Callable[[Frame], dict[str, Any]]


class SnapshotQueries(
    RegistrationQueries,
    DecisionQueries,
    OutboxQueries,
    ThermalQueries,
    TransformQueries,
):
    """Everything at once."""

    def snapshot(
        self,
        *,
        show_frame: FrameView = to_dict,
        frames: int = 500,
        registrations: int = 200,
        refused: int = 100,
    ) -> dict[str, Any]:
        """The state as JSON-ready values, read in one transaction.

        A client that applies every message with a larger `seq` afterwards holds what
        the database holds. Lists are newest first; their entries are messages of the
        topic that bears the list's name (`refused`: file messages).

        Args:
            show_frame: how a `Frame` is shown in `frames[].frame`.
            frames: most frames, and most pairs.
            registrations: most results.
            refused: most refused files.
        """
        with self.consistent_view():
            rows = self.frames(limit=frames)
            results = self.registrations(limit=registrations)
            last = self.newest_thermal()
            known = {row.id: row for row in rows} | self._frames_of(results)
            doubts = {d.frame_id: d.doubt for d in self.newest_decisions()}
            return {
                "seq": self.last_seq(),
                "topic_seq": self.topic_seqs(),
                "files": self.file_counts(),
                "refused": [
                    _file(f) for f in self.files_in_state("refused", limit=refused)
                ],
                "sessions": [
                    {"id": s.id, "name": s.name, "state": s.state}
                    for s in self.sessions()
                ],
                "frames": [_frame(row, show_frame) for row in rows],
                "pairs": [
                    *self._waiting({row.id: row.side for row in rows}),
                    *(_pair(row, doubts) for row in self.pairs(limit=frames)),
                ],
                "registrations": [
                    _registration(r, known).model_dump(mode="json") for r in results
                ],
                "predictions": [json.loads(text) for text in self.open_predictions()],
                "transforms": self._transform_messages(),
                "registered_at": {r.id: r.created_at for r in results},
                "thermal": None if last is None else _thermal(last),
                "thermal_at": None if last is None else last.at,
            }

    def _transform_messages(self) -> list[dict[str, Any]]:
        """How every session stands, and what contradicts, in session messages."""
        rows = {(t.session, t.lm_frame_id): t for t in self.transforms()}
        told = [
            event
            for session, lm_frame_id in rows
            for event in self.transform_events(session, lm_frame_id, limit=20)
            if event.event != "contradicted"
        ]
        told = list({(e.session, e.lm_frame_id): e for e in reversed(told)}.values())
        told += self.open_contradictions()
        once = {event.id: event for event in told}
        return [
            _session(event, rows.get((event.session, event.lm_frame_id)))
            for _, event in sorted(once.items(), reverse=True)
        ]

    def _frames_of(self, results: list[RegistrationRow]) -> dict[str, FrameRow]:
        ids = {i for r in results for i in (r.em_frame_id, r.lm_frame_id)}
        return {frame_id: self.frame(frame_id) for frame_id in ids}

    def _waiting(self, sides: dict[str, str]) -> list[dict[str, Any]]:
        """Frames that have no partner now, as the messages that said so."""
        return [
            _lone(row, sides[row.frame_id])
            for state in ("waiting", "exhausted")
            for row in self.newest_decisions(state)
            if row.frame_id in sides
        ]

    def registration_message(self, registration_id: str) -> RegistrationMessage:
        """The message that says what one result is now.

        Raises:
            NoSuchRecordError: no such id.
        """
        row = self.registration(registration_id)
        return _registration(row, self._frames_of([row]))


def _registration(
    row: RegistrationRow, frames: dict[str, FrameRow]
) -> RegistrationMessage:
    em, lm = frames[row.em_frame_id].frame, frames[row.lm_frame_id].frame
    ratio = (
        lm.pixel_size.x_um / em.pixel_size.x_um
        if em.pixel_size and lm.pixel_size and em.pixel_size.x_um
        else None
    )
    return RegistrationMessage(
        registration_id=row.id,
        pair_id=row.pair_id,
        session=row.session,
        em_frame_id=row.em_frame_id,
        lm_frame_id=row.lm_frame_id,
        em_file=em.path,
        lm_file=lm.path,
        verdict=row.verdict,
        best=row.is_best,
        registration=_as_it_holds(row),
        metadata_ratio=ratio,
        second=None if row.second is None else row.second.to_contract(),
        outputs={} if row.is_overruled_to_rejected else row.outputs,
    )


def _as_it_holds(row: RegistrationRow) -> dict[str, Any]:
    """The contract under the verdict that holds now.

    What an operator has rejected leaves without a matrix, like any rejected result:
    a program that reads only this object must not go on using it.
    """
    contract = row.told.to_contract() | {"verdict": row.verdict.value}
    if row.is_overruled_to_rejected:
        reason = row.decided_reason or f"rejected by {row.decided_by}"
        contract |= {
            "em_to_lm": None,
            "error_lm_px": None,
            "error_um": None,
            "reasons": [reason, *contract["reasons"]],
        }
    return contract


def _file(row: FileRow) -> dict[str, Any]:
    return FileMessage.model_validate(
        {
            "file_id": row.id,
            "root": row.root,
            "name": display_name(row.relative),
            "state": row.state,
            "reason": row.reason,
            "revision": row.revision,
        }
    ).model_dump(mode="json")


def _frame(row: FrameRow, show_frame: FrameView) -> dict[str, Any]:
    return FrameMessage(
        frame_id=row.id,
        file_id=row.file_id,
        side=row.side,
        session=row.session,
        position=row.frame.position,
        frame=show_frame(row.frame),
    ).model_dump(mode="json")


def _lone(row: DecisionRow, side: str) -> dict[str, Any]:
    return PairMessage.model_validate(
        {
            f"{side}_frame_id": row.frame_id,
            "state": "waiting",
            "reasons": row.reasons,
            "doubt": row.doubt,
        }
    ).model_dump(mode="json")


def _pair(row: PairRow, doubts: Mapping[str, str]) -> dict[str, Any]:
    is_open = row.state != "overruled"
    return PairMessage.model_validate(
        {
            "pair_id": row.id,
            "em_frame_id": row.em_frame_id,
            "lm_frame_id": row.lm_frame_id,
            "state": row.state,
            "reasons": row.reasons,
            "doubt": doubts.get(row.em_frame_id, "") if is_open else "",
        }
    ).model_dump(mode="json")


def _session(event: TransformEventRow, now: TransformRow | None) -> dict[str, Any]:
    return SessionMessage.model_validate(
        {
            "session": event.session,
            "lm_frame_id": event.lm_frame_id,
            "epoch": event.epoch,
            "standing": "empty" if now is None else now.standing,
            "event": event.event,
            "reason": event.reason,
            "images": 0 if now is None else now.images,
            "registration_id": event.registration_id,
        }
    ).model_dump(mode="json")


def _thermal(row: ThermalRow) -> dict[str, Any]:
    return ThermalMessage(
        state=row.state,
        sensor=row.sensor,
        temperature_c=row.temperature_c,
        reason=row.reason,
        duty=row.duty,
    ).model_dump(mode="json")
