"""Where a long session can be taken up again without adding it up from the start.

Kept in memory only: the images are the truth, and a daemon that was just started adds
them up once.
"""

from __future__ import annotations

from dataclasses import dataclass

from clemd.sessions import Session
from clemd.store import LinkRow, Store

EVERY = 64
"""Images between two marks."""
MOST = 256
"""Marks of one session; beyond that every other of the older half is let go."""


@dataclass(frozen=True, slots=True)
class Mark:
    """The session just after one of its images."""

    seq: int
    registration_id: str
    session: Session


class Marks:
    """The marks of all sessions."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._marks: dict[tuple[str, str], list[Mark]] = {}
        self._since: dict[tuple[str, str], int] = {}

    def pass_by(self, link: LinkRow, now: Session) -> None:
        """`now` is the session after `link`; every so often it is remembered."""
        key = (link.session, link.lm_frame_id)
        self._since[key] = self._since.get(key, 0) + 1
        if self._since[key] < EVERY:
            return
        self._since[key] = 0
        marks = self._marks.setdefault(key, [])
        marks.append(Mark(link.seq, link.registration_id, now))
        if len(marks) > MOST:
            marks[: MOST // 2] = marks[: MOST // 2 : 2]

    def before(self, session: str, lm_frame_id: str, seq: int) -> Mark | None:
        """The last mark before the image `seq`; what comes after is forgotten."""
        key = (session, lm_frame_id)
        kept = [m for m in self._marks.get(key, []) if m.seq < seq and self._holds(m)]
        self._marks[key] = kept
        self._since[key] = 0
        return kept[-1] if kept else None

    def _holds(self, mark: Mark) -> bool:
        """A transaction that was rolled back may have left a mark of what never was."""
        link = self._store.link(mark.registration_id)
        return link is not None and link.seq == mark.seq


__all__ = ["Mark", "Marks"]
