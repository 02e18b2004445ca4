"""One message as frames: `[topic][header][body][buffer...]`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ._buffers import Buffer, unpack
from ._header import Count, Header, schema_of
from ._json import MalformedError, parse_object

HEARTBEAT = "heartbeat"
MAX_FRAMES = 32
"""More buffers than any message of ours carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message as it arrived, live or replayed; the body is not yet validated."""

    header: Header
    body: dict[str, Any]
    buffers: Mapping[str, Buffer] = field(default_factory=dict)


class Heartbeat(BaseModel):
    """How far the daemon has come; it shows a subscriber what was lost at the end."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    seq: Count
    """Every message up to this database sequence has been sent."""
    msg_id: str | None = None
    """Its name; None if the database no longer holds it."""
    topic_seqs: dict[str, Count] = {}
    """Last number of each topic, as far as known."""


def read_frames(frames: Sequence[bytes]) -> Delivery:
    """Check and take apart what came from the publishing socket.

    Raises:
        MalformedError: not a message of this bus.
    """
    if not 3 <= len(frames) <= MAX_FRAMES:
        raise MalformedError(f"3 to {MAX_FRAMES} frames expected, got {len(frames)}")
    header = read_header(parse_object(frames[1], what="header"))
    if header.topic.encode() != frames[0]:
        raise MalformedError("topic frame and header disagree")
    return Delivery(
        header=header,
        body=parse_object(frames[2], what="body"),
        buffers=unpack(header.buffers, frames[3:]),
    )


def read_replayed(item: object) -> Delivery:
    """Check one element of a replay: `{"header": {...}, "body": {...}}`.

    Raises:
        MalformedError: not a message of this bus.
    """
    if not isinstance(item, dict) or not isinstance(item.get("body"), dict):
        raise MalformedError("a replayed message needs a header and a body")
    return Delivery(header=read_header(item.get("header")), body=item["body"])


def read_header(values: object) -> Header:
    """The header in parsed JSON.

    Raises:
        MalformedError: a field is missing, wrong, or of a schema we do not know.
    """
    try:
        header = Header.model_validate(values)
    except ValidationError as failed:
        first = failed.errors()[0]
        key = ".".join(map(str, first["loc"])) or "header"
        raise MalformedError(f"header {key}: {first['msg']}") from failed
    if header.schema_name != schema_of(header.topic):
        raise MalformedError(f"schema {header.schema_name!r} is not one of ours")
    return header


def read_heartbeat(delivery: Delivery) -> Heartbeat:
    """The heartbeat in a delivery of that topic.

    Raises:
        MalformedError: it is none.
    """
    try:
        return Heartbeat.model_validate(delivery.body)
    except ValidationError as failed:
        raise MalformedError(f"heartbeat: {failed.errors()[0]['msg']}") from failed
