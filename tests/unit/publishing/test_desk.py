"""Each request gets one reply, each id one deed, and rubbish gets a reason."""

from __future__ import annotations

import asyncio
import json
import pickle
from typing import Any

import pytest

from clemd.errors import TransientError, UsageError
from clemd.publishing import CommandTable, Peer
from clemd.publishing._desk import REMEMBERED, CommandDesk

PEER = Peer(identity="01", user="sem")


class Handler:
    """Counts what it was made to do."""

    def __init__(self) -> None:
        self.done: list[dict[str, Any]] = []
        self.gate = asyncio.Event()
        self.fails: Exception | None = None

    async def count(self, arguments: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Say how often it was called."""
        self.done.append(arguments)
        if self.fails is not None:
            raise self.fails
        return {"count": len(self.done), "request": peer.request_id}

    async def wait(self, arguments: dict[str, Any], peer: Peer) -> dict[str, Any]:
        """Take as long as the test likes."""
        self.done.append(arguments)
        await self.gate.wait()
        return {}


@pytest.fixture
def handler() -> Handler:
    """Two verbs, `count` and `wait`."""
    return Handler()


@pytest.fixture
def desk(handler: Handler) -> CommandDesk:
    """A desk that loses patience at once."""
    return CommandDesk(
        run_epoch="e1",
        own={"ping": lambda _: {}, "broken": lambda given: given["absent"]},
        handler=CommandTable({"count": handler.count, "wait": handler.wait}),
        accept_after_s=0.01,
    )


def request(verb: str = "count", id: str = "r1", **arguments: Any) -> bytes:
    """One request frame."""
    values = {"schema": "clemd.command/1", "id": id, "verb": verb}
    return json.dumps({**values, "arguments": arguments}).encode()


async def test_repeated_request_is_told_what_became_of_the_first(
    desk: CommandDesk, handler: Handler
) -> None:
    """The reply may have been lost; the deed must not be done twice."""
    first, again = [await desk.answer(request(x=1), PEER) for _ in range(2)]

    assert first == again
    assert first.result == {"count": 1, "request": "r1"}
    assert handler.done == [{"x": 1}]


async def test_twins_at_one_moment_are_one_deed(
    desk: CommandDesk, handler: Handler
) -> None:
    """An impatient client sends again before the first is done."""
    twins = [desk.answer(request(), PEER) for _ in range(8)]
    replies = await asyncio.gather(*twins)

    assert {reply.status for reply in replies} == {"done"}
    assert len(handler.done) == 1


async def test_same_id_for_another_request_is_rejected(
    desk: CommandDesk, handler: Handler
) -> None:
    """Answering it with the other's result would be a lie."""
    await desk.answer(request(x=1), PEER)

    reply = await desk.answer(request(x=2), PEER)

    assert (reply.status, len(handler.done)) == ("rejected", 1)
    assert "choose a new id" in reply.reason


async def test_ids_of_two_users_are_different_ids(
    desk: CommandDesk, handler: Handler
) -> None:
    """Nobody may read another's reply by guessing its id."""
    await desk.answer(request(), PEER)
    await desk.answer(request(), Peer(identity="02", user="afm"))

    assert len(handler.done) == 2


async def test_long_work_is_accepted_and_then_done(
    desk: CommandDesk, handler: Handler
) -> None:
    """A REQ client gets one reply now, and the end when it asks again."""
    accepted = await desk.answer(request("wait"), PEER)
    handler.gate.set()
    done = await desk.answer(request("wait"), PEER)

    assert (accepted.status, done.status) == ("accepted", "done")
    assert len(handler.done) == 1


async def test_rejection_names_the_reason(desk: CommandDesk, handler: Handler) -> None:
    """The handler's own words reach the client."""
    handler.fails = UsageError("no such pair", "p9", "list them with `pairs`")

    reply = await desk.answer(request(), PEER)

    assert (reply.status, reply.reason) == (
        "rejected",
        "no such pair (p9): list them with `pairs`",
    )


async def test_not_now_may_be_tried_again_under_the_same_id(
    desk: CommandDesk, handler: Handler
) -> None:
    """Nothing was decided, so nothing may be remembered."""
    handler.fails = TransientError("database is busy: again later")
    refused = await desk.answer(request(), PEER)
    handler.fails = None

    assert refused.status == "rejected"
    assert (await desk.answer(request(), PEER)).status == "done"


@pytest.mark.parametrize("verb", ["broken", "count"])
async def test_defect_is_answered_without_its_details(
    desk: CommandDesk, handler: Handler, verb: str
) -> None:
    """The traceback belongs in the log; the client learns that it is our fault."""
    handler.fails = KeyError("/secret/path")

    reply = await desk.answer(request(verb), PEER)

    assert reply.reason == f"{verb} failed inside the daemon: see its log"


async def test_unknown_verb_is_denied(desk: CommandDesk, handler: Handler) -> None:
    """Deny by default, and say what there is."""
    reply = await desk.answer(request("rm"), PEER)

    assert reply.reason == "unknown command (rm): one of: count, wait"
    assert handler.done == []


async def test_monitor_may_look_and_not_command(
    desk: CommandDesk, handler: Handler
) -> None:
    """A screen on the wall needs no power over the microscope."""
    monitor = Peer(identity="01", user="wall", may_command=False)

    assert (await desk.answer(request("ping"), monitor)).status == "done"
    assert (await desk.answer(request("count"), monitor)).status == "rejected"
    assert handler.done == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        pickle.dumps({"id": "r", "verb": "count"}),
        b"[]",
        b'{"id": "r1"}',
        b'{"id": "", "verb": "count"}',
        b'{"id": "a b", "verb": "count"}',
        b'{"id": 1, "verb": "count"}',
        b'{"id": "r", "verb": "Count"}',
        b'{"id": "r", "verb": "count", "arguments": []}',
        b'{"id": "r", "verb": "count", "extra": 1}',
        b'{"id": "r", "verb": "count", "schema": "clemd.command/2"}',
        b'{"id": "r", "verb": "count", "arguments": {"a": 1e999}}',
        b'{"id": "r", "verb": "count", "arguments": {"a": '
        + b"[" * 50
        + b"]" * 50
        + b"}}",
    ],
)
async def test_malformed_request_is_rejected_in_one_line(
    desk: CommandDesk, handler: Handler, payload: bytes
) -> None:
    """Nothing reaches the handler."""
    reply = await desk.answer(payload, PEER)

    assert reply.status == "rejected"
    assert reply.reason
    assert "\n" not in reply.reason
    assert handler.done == []


async def test_lone_surrogate_is_answered(desk: CommandDesk) -> None:
    """JSON can spell text that UTF-8 cannot; the reply must still leave."""
    payload = b'{"id": "r", "verb": "count", "arguments": {"a\\ud800": "\\udfff"}}'

    assert (await desk.answer(payload, PEER)).to_json()


async def test_one_user_cannot_take_every_place(
    desk: CommandDesk, handler: Handler
) -> None:
    """Sixteen at one time; another user still gets in."""
    for number in range(16):
        await desk.answer(request("wait", id=f"w{number}"), PEER)

    mine = await desk.answer(request("count", id="c"), PEER)
    yours = await desk.answer(request("count"), Peer(identity="02", user="afm"))

    assert "too many commands" in mine.reason
    assert yours.status == "done"
    await desk.close()


async def test_memory_of_replies_is_bounded(desk: CommandDesk) -> None:
    """Months of commands must not add up."""
    for number in range(REMEMBERED + 50):
        await desk.answer(request(id=f"r{number}"), PEER)

    assert len(desk._cases) == REMEMBERED
