"""What stands in front of every message: who said it, when, and the how-manieth."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Protocol

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]


class OutboxRow(Protocol):
    """One committed message, as the store keeps it."""

    @property
    def seq(self) -> int:
        """Database sequence; grows over all topics, over restarts."""

    @property
    def topic(self) -> str:
        """One of `clemd.messages.TOPICS`."""

    @property
    def topic_seq(self) -> int:
        """1, 2, 3... within its topic, without holes, over restarts."""

    @property
    def session(self) -> str | None:
        """The session it belongs to, if any."""

    @property
    def body(self) -> str:
        """The message as JSON text."""

    @property
    def created_at(self) -> object:
        """When it was committed: aware datetime, Unix seconds or ISO text."""


class BufferFacts(BaseModel):
    """One raw frame that follows the body."""

    model_config = ConfigDict(frozen=True)

    name: str
    dtype: str
    """numpy's name with byte order, e.g. `<u2`; `bytes` for an encoded file."""
    shape: tuple[Count, ...]
    """C order; (nbytes,) for `bytes`."""
    nbytes: Count
    sha256: str


class Header(BaseModel):
    """Second frame of every message."""

    # Fields that a later release adds must not stop an older subscriber.
    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_name: str = Field(validation_alias="schema", serialization_alias="schema")
    """`clemd.<topic>/1`: names the JSON Schema of the body."""
    msg_id: str
    """Names this message for ever: the same in replays and after restarts."""
    run_epoch: str
    """Changes whenever the daemon starts."""
    topic: str
    topic_seq: Count
    """Counts within the topic; a jump means that messages were lost."""
    seq: Count
    """Database sequence: the position to replay from."""
    session: str | None = None
    t_wall: str
    """When it was committed, ISO 8601, UTC."""
    t_mono_s: float
    """The daemon's monotonic clock when it was sent; compare within one epoch."""
    buffers: tuple[BufferFacts, ...] = ()
    buffers_left_out: tuple[str, ...] = ()
    """Names of buffers not sent because subscribers lag; the files have them."""

    def to_json(self) -> bytes:
        """The frame."""
        return self.model_dump_json(by_alias=True).encode()


def schema_of(topic: str) -> str:
    """Name of the schema of `topic`'s bodies."""
    return f"clemd.{topic}/1"


def header_of(
    row: OutboxRow,
    *,
    run_epoch: str,
    t_mono_s: float,
    buffers: tuple[BufferFacts, ...] = (),
    buffers_left_out: tuple[str, ...] = (),
) -> Header:
    """The header under which `row` goes out."""
    return Header(
        schema_name=schema_of(row.topic),
        msg_id=message_id(row),
        run_epoch=run_epoch,
        topic=row.topic,
        topic_seq=row.topic_seq,
        seq=row.seq,
        session=row.session or None,
        t_wall=wall_time(row.created_at),
        t_mono_s=t_mono_s,
        buffers=buffers,
        buffers_left_out=buffers_left_out,
    )


def message_id(row: OutboxRow) -> str:
    """A name made of the row itself, so that every copy of it carries the same."""
    facts = (row.seq, row.topic, row.topic_seq, wall_time(row.created_at), row.body)
    return hashlib.sha256("\0".join(map(str, facts)).encode()).hexdigest()[:32]


def wall_time(moment: object) -> str:
    """`moment` as ISO 8601 text in UTC; text is taken as it is."""
    if isinstance(moment, (int, float)):
        moment = datetime.fromtimestamp(moment, UTC)
    if isinstance(moment, datetime):
        return moment.astimezone(UTC).isoformat()
    return str(moment)
