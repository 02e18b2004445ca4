"""What was decided about one EM image."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clemd.model import PairProposal

from ._candidates import LeftOut


class State(StrEnum):
    """How far the pairing of one EM image has come."""

    WAITING = "waiting"
    TRYING = "trying"
    SETTLED = "settled"
    EXHAUSTED = "exhausted"
    OVERRULED = "overruled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be done about one EM image, and why."""

    em_frame_id: str
    state: State
    tries: tuple[PairProposal, ...] = ()
    """To be registered now, likeliest first."""
    lm_frame_id: str | None = None
    """The map it belongs to, as well as is known now."""
    doubt: str = ""
    """Why that may be wrong; empty where it is sure."""
    reasons: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    session: str | None = None
    """The session to put it in, where its own was unknown and its map's is known."""
