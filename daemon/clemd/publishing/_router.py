"""Carry requests from the socket to the desk and replies back, many at a time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog
import zmq
import zmq.asyncio

from ._command import Peer, Reply
from ._desk import CommandDesk

IN_FLIGHT = 256
"""Requests being answered at one time; the socket's queue holds the next."""
_LOG_EVERY_S = 1.0
_log = structlog.get_logger(__name__)


class Router:
    """The asking half of the bus: a ROUTER socket for REQ and DEALER clients."""

    def __init__(
        self,
        made: zmq.asyncio.Socket,
        desk: CommandDesk,
        *,
        run_epoch: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = made
        self._desk = desk
        self._run_epoch = run_epoch
        self._clock = clock
        self._free = asyncio.Semaphore(IN_FLIGHT)
        self._answers: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._rejected = 0
        self._quiet_until = float("-inf")

    def start(self) -> None:
        """Begin to answer."""
        self._task = asyncio.create_task(self._serve(), name="bus-router")

    async def close(self) -> None:
        """Stop listening, stop what still runs, let go of the socket."""
        tasks = [*self._answers, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._desk.close()
        self._socket.close()

    async def _serve(self) -> None:
        while True:
            await self._free.acquire()
            frames = await self._socket.recv_multipart(copy=False)
            answer = asyncio.create_task(self._answer(frames))
            self._answers.add(answer)
            answer.add_done_callback(self._done)

    def _done(self, answer: asyncio.Task[None]) -> None:
        self._answers.discard(answer)
        self._free.release()
        if not answer.cancelled() and (failed := answer.exception()) is not None:
            _log.error("bus_answer_failed", exc_info=failed)

    async def _answer(self, frames: list[zmq.Frame]) -> None:
        peer = _peer(frames)
        # REQ puts an empty frame before its text; DEALER may leave it out.
        envelope, content = frames[:1], frames[1:]
        if len(content) > 1 and not content[0].bytes:
            envelope, content = frames[:2], content[1:]
        if len(content) == 1:
            reply = await self._desk.answer(content[0].bytes, peer)
        else:
            reason = f"one frame expected, got {len(content)}"
            reply = Reply(status="rejected", reason=reason, run_epoch=self._run_epoch)
        if reply.status == "rejected":
            self._log_rejected(reply, peer)
        await self._socket.send_multipart(
            [*(part.bytes for part in envelope), reply.to_json()]
        )

    def _log_rejected(self, reply: Reply, peer: Peer) -> None:
        """One line a second at most: a babbling client must not fill the disk."""
        self._rejected += 1
        now = self._clock()
        if now >= self._quiet_until:
            _log.warning(
                "bus_request_rejected",
                user=peer.user,
                verb=reply.verb,
                reason=reply.reason,
                count=self._rejected,
            )
            self._rejected = 0
            self._quiet_until = now + _LOG_EVERY_S


def _peer(frames: list[zmq.Frame]) -> Peer:
    identity = frames[0].bytes.hex()
    try:
        role, _, name = str(frames[-1].get("User-Id")).partition(":")
    except zmq.ZMQError:
        return Peer(identity=identity, user="local")  # a socket that asks for no key
    return Peer(identity=identity, user=name, may_command=role == "control")
