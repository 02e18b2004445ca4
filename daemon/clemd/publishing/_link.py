"""Perform a client's steps on its sockets: by waiting, or on the event loop."""

from __future__ import annotations

import asyncio
import math
import time
from contextlib import suppress
from typing import Any

import zmq

from ._connection import Connection
from ._steps import AwaitMessage, AwaitReply, Reopen, Send, Step

_LOOK_AGAIN_S = 0.1


class Link(Connection):
    """Performs steps by waiting."""

    def perform(self, step: Step) -> Any:
        if isinstance(step, Send):
            self.open()
            with suppress(zmq.Again):
                self.asking.send_multipart([b"", step.payload], zmq.NOBLOCK)
        elif isinstance(step, Reopen):
            self.reopen()
        elif isinstance(step, (AwaitReply, AwaitMessage)):
            made = self.socket_for(step)
            if made is None:
                time.sleep(min(step.timeout_s, _LOOK_AGAIN_S))
            elif made.poll(_ms(step.timeout_s)):
                return _content(step, made.recv_multipart())
        return None


class AsyncLink(Connection):
    """Performs steps on the event loop."""

    async def perform(self, step: Step) -> Any:
        if isinstance(step, Send):
            self.open()
            with suppress(zmq.Again):
                await self.asking.send_multipart([b"", step.payload], zmq.NOBLOCK)
        elif isinstance(step, Reopen):
            self.reopen()
        elif isinstance(step, (AwaitReply, AwaitMessage)):
            made = self.socket_for(step)
            if made is None:
                await asyncio.sleep(min(step.timeout_s, _LOOK_AGAIN_S))
            elif await made.poll(_ms(step.timeout_s)):
                return _content(step, await made.recv_multipart())
        return None


def _ms(timeout_s: float) -> int:
    return max(1, math.ceil(timeout_s * 1000))


def _content(step: Step, frames: list[bytes]) -> Any:
    return frames[-1] if isinstance(step, AwaitReply) else frames
