"""Send each committed message once, in order, to whoever listens; wait for nobody."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog
import zmq
import zmq.asyncio

from ._buffers import Buffer, pack
from ._frames import HEARTBEAT, Heartbeat
from ._header import BufferFacts, Header, OutboxRow, header_of, message_id, schema_of

HEARTBEAT_S = 1.0
BUFFER_BUDGET_BYTES = 64 << 20
"""Buffers that may wait in queues at one time, over all subscribers."""
_log = structlog.get_logger(__name__)


class Publisher:
    """The sending half of the bus.

    The queue of a lagging subscriber is bounded in messages by the socket and in
    bytes of pixels here: buffers that would exceed the budget are left out of their
    message and named in its header.
    """

    def __init__(
        self,
        made: zmq.asyncio.Socket,
        *,
        run_epoch: str,
        known: Heartbeat,
        heartbeat_s: float = HEARTBEAT_S,
        buffer_budget_bytes: int = BUFFER_BUDGET_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._socket = made
        self._run_epoch = run_epoch
        self._heartbeat_s = heartbeat_s
        self._budget_bytes = buffer_budget_bytes
        self._clock = clock
        self._lock = asyncio.Lock()
        self._sent: dict[str, int] = {}
        self._known = known
        self._beats = 0
        self._waiting: list[tuple[zmq.MessageTracker, int]] = []
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to beat."""
        self._tasks = [
            asyncio.create_task(self._beat_forever(), name="bus-heartbeat"),
            asyncio.create_task(self._greet_forever(), name="bus-subscriptions"),
        ]

    async def close(self) -> None:
        """Stop beating and let go of the socket; the last messages still leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._socket.close()

    @property
    def known(self) -> Heartbeat:
        """How far the bus has come."""
        return self._known

    async def send(self, row: OutboxRow, buffers: Mapping[str, Buffer]) -> bool:
        """Send one message; False if this run has sent it, or a later one, before.

        Raises:
            ValueError: a buffer holds something other than numbers or bytes.
        """
        async with self._lock:
            if row.topic_seq <= self._sent.get(row.topic, -1):
                _log.debug("bus_repeat_skipped", topic=row.topic, seq=row.seq)
                return False
            facts, frames, left_out = await self._packed(buffers)
            header = header_of(
                row,
                run_epoch=self._run_epoch,
                t_mono_s=self._clock(),
                buffers=facts,
                buffers_left_out=left_out,
            )
            head = [row.topic.encode(), header.to_json(), row.body.encode()]
            await self._socket.send_multipart([*head, *frames], copy=not frames)
            self._note(row)
            return True

    async def beat(self) -> None:
        """Tell everybody how far the bus has come."""
        async with self._lock:
            self._beats += 1
            header = Header(
                schema_name=schema_of(HEARTBEAT),
                msg_id=uuid.uuid4().hex,
                run_epoch=self._run_epoch,
                topic=HEARTBEAT,
                topic_seq=self._beats,
                seq=self._known.seq,
                t_wall=datetime.now(UTC).isoformat(),
                t_mono_s=self._clock(),
            )
            body = self._known.model_dump_json().encode()
            await self._socket.send_multipart(
                [HEARTBEAT.encode(), header.to_json(), body]
            )

    def _note(self, row: OutboxRow) -> None:
        self._sent[row.topic] = row.topic_seq
        known = self._known
        topic_seq = max(row.topic_seq, known.topic_seqs.get(row.topic, 0))
        newest = row.seq >= known.seq
        self._known = Heartbeat(
            seq=max(row.seq, known.seq),
            msg_id=message_id(row) if newest else known.msg_id,
            topic_seqs={**known.topic_seqs, row.topic: topic_seq},
        )

    async def _packed(
        self, buffers: Mapping[str, Buffer]
    ) -> tuple[tuple[BufferFacts, ...], list[zmq.Frame], tuple[str, ...]]:
        facts: list[BufferFacts] = []
        frames: list[zmq.Frame] = []
        left_out: list[str] = []
        for name, value in buffers.items():
            if not self._affords(
                len(value) if isinstance(value, bytes) else value.nbytes
            ):
                left_out.append(name)
                continue
            # Copying and hashing megabytes would hold up the whole daemon.
            fact, raw = await asyncio.to_thread(pack, name, value)
            frame = zmq.Frame(raw, track=True, copy=False, copy_threshold=0)
            self._waiting.append((frame.tracker, len(raw)))
            facts.append(fact)
            frames.append(frame)
        if left_out:
            _log.warning("bus_buffers_left_out", names=left_out)
        return tuple(facts), frames, tuple(left_out)

    def _affords(self, nbytes: int) -> bool:
        self._waiting = [item for item in self._waiting if not item[0].done]
        return sum(size for _, size in self._waiting) + nbytes <= self._budget_bytes

    async def _beat_forever(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(self._heartbeat_s)

    async def _greet_forever(self) -> None:
        """Beat at once for each newcomer: it learns that it now hears everything."""
        wanted = HEARTBEAT.encode()
        while True:
            frames = await self._socket.recv_multipart()
            if frames[0][:1] == b"\x01" and wanted.startswith(frames[0][1:]):
                await self.beat()
