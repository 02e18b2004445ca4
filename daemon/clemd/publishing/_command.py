"""What a client asks and what it is told: one request, one reply, always."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clemd.errors import UsageError
from clemd.model import display_name

from ._json import MalformedError, check_depth, dump_object, parse_object


class Request(BaseModel):
    """One command."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, populate_by_name=True
    )

    schema_name: Literal["clemd.command/1"] = Field(
        default="clemd.command/1",
        validation_alias="schema",
        serialization_alias="schema",
    )
    id: str = Field(pattern=r"^[\x21-\x7e]{1,64}$")
    """Chosen by the client; the same id is never carried out twice."""
    verb: str = Field(pattern=r"^[a-z][a-z0-9_.-]{0,31}$")
    arguments: dict[str, Any] = {}


class Reply(BaseModel):
    """The answer to one request."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_name: Literal["clemd.reply/1"] = Field(
        default="clemd.reply/1", validation_alias="schema", serialization_alias="schema"
    )
    id: str | None = None
    """The request's; None where it could not be read."""
    verb: str | None = None
    status: Literal["accepted", "rejected", "done"]
    """`accepted`: still working; send the same request again to wait for its end."""
    reason: str = ""
    """One line: why it was rejected."""
    run_epoch: str
    result: dict[str, Any] | None = None

    def to_json(self) -> bytes:
        """The frame."""
        return dump_object(self.model_dump(by_alias=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who asks."""

    identity: str
    """The connection, in hex; a new one after each reconnect."""
    user: str
    """Name of the client's key file; `local` on sockets that ask for no key."""
    may_command: bool = True
    """False for keys that may only look."""
    request_id: str = ""
    """The request's id: what a handler that must outlive a restart remembers."""


CommandHandler = Callable[[str, dict[str, Any], Peer], Awaitable[dict[str, Any]]]
"""Carries out a verb. Raises `UsageError` to reject it with that text."""
Verb = Callable[[dict[str, Any], Peer], Awaitable[dict[str, Any]]]


class CommandTable:
    """A `CommandHandler` that knows its verbs and rejects every other."""

    def __init__(self, verbs: Mapping[str, Verb]) -> None:
        self._verbs = dict(verbs)

    async def __call__(
        self, verb: str, arguments: dict[str, Any], peer: Peer
    ) -> dict[str, Any]:
        """Carry out `verb`.

        Raises:
            UsageError: there is no such verb, or it rejects its arguments.
        """
        known = self._verbs.get(verb)
        if known is None:
            offered = ", ".join(sorted(self._verbs)) or "none"
            raise UsageError(
                "unknown command", display_name(verb), f"one of: {offered}"
            )
        return await known(arguments, peer)


def read_request(payload: bytes) -> Request:
    """Check one request frame.

    Raises:
        MalformedError: it is not a request; the text names the first broken rule.
    """
    try:
        values = parse_object(payload, what="request")
        check_depth(values)
        return Request.model_validate(values)
    except ValidationError as failed:
        first = failed.errors(include_input=False)[0]
        key = display_name(".".join(map(str, first["loc"])) or "request")
        raise MalformedError(f"request {key}: {first['msg']}") from failed


def read_reply(payload: bytes) -> Reply:
    """Check one reply frame.

    Raises:
        MalformedError: it is not a reply.
    """
    try:
        return Reply.model_validate(parse_object(payload, what="reply"))
    except ValidationError as failed:
        raise MalformedError(f"reply: {failed.errors()[0]['msg']}") from failed
