"""What a client's logic asks of its sockets; written once for threads and asyncio.

The logic is a generator that yields these steps and is sent their answers. It never
touches a socket or waits by itself, so every history of losses and restarts can be
played to it in a test.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from clemd.errors import ClemdError, TransientError
from clemd.messages import Message

from ._buffers import Buffer
from ._command import Reply, Request, read_reply
from ._header import Header
from ._json import MalformedError

ATTEMPT_S = 2.0
"""A request without an answer is sent again, under the same id, after this time."""


class RejectedError(ClemdError):
    """Raised when the daemon will not carry out a command; the text is its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """One thing that a subscriber is told."""

    topic: str
    """A topic of `clemd.messages`, or `snapshot`: forget everything, this is it."""
    header: Header
    body: dict[str, Any]
    """Validated JSON values; for a snapshot the whole state."""
    buffers: Mapping[str, Buffer]
    """Pixels and files sent along; empty when the message was replayed."""
    message: Message | None
    """The body as its model; None for a snapshot."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request frame; answered None."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class AwaitReply:
    """Wait for a reply frame; answered bytes, or None when the time is over."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class AwaitMessage:
    """Wait for a published message; answered its frames, or None."""

    timeout_s: float


@dataclass(frozen=True, slots=True)
class Reopen:
    """Look up the addresses again and reconnect what changed; answered None."""


@dataclass(frozen=True, slots=True)
class Ready:
    """From here on nothing is missed; answered None."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand `update` to the subscriber; answered None when it wants the next."""

    update: Update


Step = Send | AwaitReply | AwaitMessage | Reopen | Ready | Deliver
Steps = Generator[Step, Any, None]


def ask(
    request: Request, *, timeout_s: float, clock: Callable[[], float]
) -> Generator[Step, Any, Reply]:
    """Put one request until it is answered for good.

    Raises:
        RejectedError: the daemon refuses; the text says why.
        TransientError: no answer within `timeout_s`.
    """
    payload = request.model_dump_json(by_alias=True).encode()
    deadline_s = clock() + timeout_s
    while True:
        yield Send(payload)
        reply = yield from _reply_to(
            request, until_s=min(clock() + ATTEMPT_S, deadline_s), clock=clock
        )
        if reply is not None and reply.status == "rejected":
            raise RejectedError(reply.reason)
        if reply is not None and reply.status == "done":
            return reply
        if clock() >= deadline_s:
            raise TransientError(_unanswered(request.verb, timeout_s, reply))
        if reply is None:
            yield Reopen()


def _reply_to(
    request: Request, *, until_s: float, clock: Callable[[], float]
) -> Generator[Step, Any, Reply | None]:
    while (left_s := until_s - clock()) > 0:
        payload = yield AwaitReply(left_s)
        if payload is None:
            return None
        try:
            reply = read_reply(payload)
        except MalformedError:
            continue
        # An answer to an earlier attempt may still come; it has another id.
        if reply.id == request.id:
            return reply
    return None


def _unanswered(verb: str, timeout_s: float, reply: Reply | None) -> str:
    if reply is not None:
        return f"{verb} still runs after {timeout_s:g} s: ask again with the same id"
    return (
        f"no answer to {verb} within {timeout_s:g} s: is the daemon running, "
        "and is this key authorised?"
    )
