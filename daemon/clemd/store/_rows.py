"""Rows as frozen facts, and the text forms in which facts are kept."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

from clemd.model import (
    Frame,
    Registration,
    SecondOpinion,
    Verdict,
    display_name,
    from_json,
    to_json,
)

T = TypeVar("T")
_SIGN = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One name in a watched root, at its newest revision."""

    id: int
    root: str
    relative: bytes
    """Path below the root, exactly as the file system spells it."""
    size_bytes: int
    modified_ns: int
    inode: int
    revision: int
    """1 at first sight, one more for every change of size, time or inode."""
    state: str
    reason: str
    content_sha256: str | None
    noticed_at: str
    settled_at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRow:
    """One file revision as it was read."""

    id: str
    file_id: int
    revision: int
    side: str
    session: str
    frame: Frame
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """One sitting at the microscopes."""

    id: str
    name: str
    started_at: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """One EM frame beside one LM frame."""

    id: str
    em_frame_id: str
    lm_frame_id: str
    state: str
    reasons: tuple[str, ...]
    score: float
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRow:
    """What was decided about one frame's partner, and why."""

    id: int
    frame_id: str
    state: str
    partner_id: str | None
    doubt: str
    """Why it may be wrong; empty where it is sure."""
    reasons: tuple[str, ...]
    left_out: dict[str, str]
    """Frames that are not tried -> why not."""
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationRow:
    """One result and where it stands among those of its EM frame."""

    id: str
    pair_id: str
    job_key: str
    session: str
    em_frame_id: str
    lm_frame_id: str
    verdict: Verdict
    """The one that holds: the engine's, unless an operator overruled it."""
    decided_by: str
    """`engine` or who overruled it."""
    decided_reason: str
    is_best: bool
    registration: Registration
    """As the engine wrote it; never changed afterwards."""
    outputs: dict[str, str]
    """Name -> path relative to the state folder."""
    created_at: str
    second: SecondOpinion | None = None
    """What another engine says, where this one was left in doubt and one was asked."""

    @property
    def told(self) -> Registration:
        """The engine's result, a second one's word among the reasons."""
        first = self.registration
        return first if self.second is None else self.second.beside(first)

    @property
    def is_overruled_to_rejected(self) -> bool:
        """The engine showed an overlay and somebody has taken it back."""
        return (
            self.verdict is Verdict.REJECTED
            and self.registration.verdict is not Verdict.REJECTED
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One message that was or will be sent."""

    seq: int
    """Database sequence: the page's event id."""
    topic: str
    topic_seq: int
    """1, 2, 3... within the topic, without gaps."""
    session: str
    body: str
    """The message as JSON."""
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkRow:
    """What one result gave to its session's transform."""

    seq: int
    registration_id: str
    session: str
    lm_frame_id: str
    sighting: str
    observed: str
    active: bool
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformRow:
    """What one session knows of one LM map."""

    session: str
    lm_frame_id: str
    epoch: int
    standing: str
    images: int
    """Registered images of this epoch."""
    text: str
    updated_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransformEventRow:
    """Something that happened to a session's transform."""

    id: int
    session: str
    lm_frame_id: str
    epoch: int
    event: str
    reason: str
    registration_id: str | None
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionRow:
    """Where a session expected an EM frame."""

    em_frame_id: str
    lm_frame_id: str
    text: str
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalRow:
    """One look at the temperature."""

    at: str
    state: str
    temperature_c: float | None
    sensor: str | None
    power_w: float | None
    duty: float | None
    """Share of the time that jobs were allowed to work, 0..1."""
    throttle: str
    """Why the device slowed itself, comma-separated; empty where it did not."""
    reason: str
    """Why the state was what it was, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpan:
    """One try at one job, from start to end, pauses included."""

    job_id: int
    kind: str
    subject: str
    """What it was about, for people."""
    device: str
    started_at: str
    ended_at: str
    busy_s: float
    paused_s: float
    """Stood still because of heat."""
    highest_c: float | None
    """Of the device meanwhile."""
    outcome: str
    """`done`, `failed`, `stopped`."""


def utc_text(moment: datetime) -> str:
    """An aware time as UTC text of fixed width, so that text order is time order.

    Raises:
        ValueError: the time states no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"times must state a zone, got {moment.isoformat()}")
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def one_line(text: str) -> str:
    """Text that any file name may be part of, made fit for a log line."""
    return display_name(text)


def fact_text(fact: object) -> str:
    """`fact` as JSON that is sure to read back.

    JSON has no infinity: an infinite error radius would be kept as null, and the row
    would break every later query that meets it.

    Raises:
        ValueError: the fact does not survive; the message names the field.
    """
    text = to_json(fact)
    from_json(type(fact), text)
    return text


def row_as(kind: type[T], row: sqlite3.Row, **changed: Any) -> T:
    """A row whose columns bear the names of `kind`'s fields."""
    wanted = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**({k: row[k] for k in wanted if k not in changed} | changed))


def signed(inode: int) -> int:
    """An unsigned 64-bit number as SQLite can hold it."""
    return inode - 2 * _SIGN if inode >= _SIGN else inode


def unsigned(stored: int) -> int:
    """What `signed` was given."""
    return stored + 2 * _SIGN if stored < 0 else stored


def strings(text: str) -> tuple[str, ...]:
    """A JSON list of strings."""
    return tuple(json.loads(text))
