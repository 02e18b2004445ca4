"""The frames on record as pairing sees them, each read from the database once."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from clemd.config import PairingSettings
from clemd.model import Frame, Side, display_name
from clemd.pairing import UNKNOWN, Arrived, Told, session_of, several_specimens
from clemd.store import FileRow, FrameRow, Store

MOST_EM, MOST_LM = 500, 200
"""Newest frames of each side that are looked at."""
SESSION_KEY = "session"


class KnownFrames:
    """What pairing may look at now."""

    def __init__(self, store: Store, settings: PairingSettings) -> None:
        self._store = store
        self._settings = settings
        self._seen: OrderedDict[str, tuple[FrameRow, Arrived]] = OrderedDict()

    def arrived(self, frame_id: str) -> Arrived:
        """One frame.

        Raises:
            NoSuchRecordError: no such id.
        """
        return self._look(frame_id)[1]

    def row(self, frame_id: str) -> FrameRow:
        """One frame as it is kept.

        Raises:
            NoSuchRecordError: no such id.
        """
        return self._look(frame_id)[0]

    def of_side(self, side: Side) -> list[Arrived]:
        """The newest frames of one side whose pixels still exist, newest first."""
        limit = MOST_EM if side is Side.EM else MOST_LM
        return [self.arrived(i) for i in self._store.frame_ids(side.value, limit)]

    def forget(self, frame_id: str) -> None:
        """Its row has changed."""
        self._seen.pop(frame_id, None)

    def mixed(self) -> frozenset[str]:
        """Sessions whose files name more than one specimen."""
        frames = [*self.of_side(Side.LM), *self.of_side(Side.EM)]
        return several_specimens(frames, self._settings)

    def session_for(self, frame: Frame, file: FileRow, side: Side) -> str:
        """The session of a file that has just been read."""
        if running := self._store.meta(SESSION_KEY):
            return running
        by_time = self._settings.session_from == "time"
        taken = frame.acquired_at or datetime.fromisoformat(file.noticed_at)
        name, _ = session_of(
            frame,
            file.relative,
            self._settings,
            side=side,
            taken_at=taken,
            running=self._running() if by_time else (),
        )
        return name

    def _running(self) -> list[tuple[str, datetime, datetime]]:
        spans: dict[str, tuple[datetime, datetime]] = {}
        for side in Side:
            for one in self.of_side(side):
                first, last = spans.get(one.session, (one.taken_at, one.taken_at))
                spans[one.session] = min(first, one.taken_at), max(last, one.taken_at)
        return [(name, *span) for name, span in spans.items()]

    def _look(self, frame_id: str) -> tuple[FrameRow, Arrived]:
        if frame_id not in self._seen:
            row = self._store.frame(frame_id)
            self._seen[frame_id] = row, self._as_pairing_sees(row)
            while len(self._seen) > 2 * (MOST_EM + MOST_LM):
                self._seen.popitem(last=False)
        return self._seen[frame_id]

    def _as_pairing_sees(self, row: FrameRow) -> Arrived:
        file = self._store.file(row.file_id)
        side = Side(row.side)
        return Arrived(
            frame_id=row.id,
            side=side,
            session=row.session,
            frame=row.frame,
            arrived_at=datetime.fromisoformat(row.created_at),
            relative=display_name(file.relative),
            told=self._told(row, file, side),
        )

    def _told(self, row: FrameRow, file: FileRow, side: Side) -> Told:
        if self._settings.session_from == "time" and row.session != UNKNOWN:
            return Told.RULE
        rule, told = session_of(row.frame, file.relative, self._settings, side=side)
        return told if rule == row.session else Told.COMMAND
