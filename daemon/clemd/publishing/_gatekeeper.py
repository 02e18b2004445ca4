"""Answer libzmq's question "may this client come in?" (ZAP, RFC 27)."""

from __future__ import annotations

import asyncio

import structlog
import zmq
import zmq.asyncio

from ._keys import KeyHolder, KeyRing

ZAP_ENDPOINT = "inproc://zeromq.zap.01"
ZAP_DOMAIN = "clemd"
_VERSION = b"1.0"
_log = structlog.get_logger(__name__)


class Gatekeeper:
    """Lets in the keys of one ring and nobody else."""

    def __init__(self, context: zmq.asyncio.Context, ring: KeyRing) -> None:
        self._ring = ring
        self._socket = context.socket(zmq.REP)
        self._socket.linger = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Take up the post; must come before the first secured socket is bound."""
        self._socket.bind(ZAP_ENDPOINT)
        self._task = asyncio.create_task(self._serve(), name="bus-gatekeeper")

    async def close(self) -> None:
        """Leave the post; from now on everybody is refused."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        self._socket.close()

    async def _serve(self) -> None:
        while True:
            frames = await self._socket.recv_multipart()
            await self._socket.send_multipart(self._judge(frames))

    def _judge(self, frames: list[bytes]) -> list[bytes]:
        # version, request id, domain, address, identity, mechanism, credentials
        request_id = frames[1] if len(frames) > 1 else b""
        address = frames[3].decode("ascii", "replace") if len(frames) > 3 else ""
        holder = self._holder(frames)
        if holder is None:
            _log.warning("bus_client_refused", address=address)
            return [_VERSION, request_id, b"400", b"key not authorised", b"", b""]
        return [_VERSION, request_id, b"200", b"OK", user_id(holder).encode(), b""]

    def _holder(self, frames: list[bytes]) -> KeyHolder | None:
        if len(frames) != 7 or frames[0] != _VERSION or frames[5] != b"CURVE":
            return None
        if frames[2] != ZAP_DOMAIN.encode():
            return None
        return self._ring.find(frames[6])


def user_id(holder: KeyHolder) -> str:
    """What the sockets report about an admitted client."""
    return f"{'control' if holder.may_command else 'monitor'}:{holder.name}"
