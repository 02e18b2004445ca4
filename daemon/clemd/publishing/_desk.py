"""Answer requests: deny by default, carry out each id once, keep nobody waiting."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import structlog

from clemd.errors import ClemdError, TransientError

from ._command import CommandHandler, Peer, Reply, Request, read_request
from ._json import MalformedError, dump_object

OwnVerb = Callable[[dict[str, Any]], dict[str, Any]]
REMEMBERED = 1024
"""Replies kept for clients that ask again."""
RUNNING_AT_ONCE, RUNNING_PER_USER = 64, 16
_BUSY = "too many commands at once: wait for a reply, then send it again"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Case:
    fingerprint: bytes
    user: str
    work: asyncio.Task[Reply]


class CommandDesk:
    """Turns request frames into replies.

    `own` are verbs that only look and answer at once. Everything else goes to the
    handler, under the client's request id: a request that comes again is told what
    became of the first. After `accept_after_s` a client is told `accepted` and may
    ask again, so that a plain REQ socket always gets exactly one reply.
    """

    def __init__(
        self,
        *,
        run_epoch: str,
        own: Mapping[str, OwnVerb],
        handler: CommandHandler,
        accept_after_s: float = 1.0,
    ) -> None:
        self._run_epoch = run_epoch
        self._own = own
        self._handler = handler
        self._accept_after_s = accept_after_s
        self._cases: OrderedDict[tuple[str, str], _Case] = OrderedDict()

    async def answer(self, payload: bytes, peer: Peer) -> Reply:
        """The reply to one request frame; never raises for what a client sent."""
        try:
            request = read_request(payload)
        except MalformedError as failed:
            return Reply(
                status="rejected", reason=str(failed), run_epoch=self._run_epoch
            )
        if request.verb in self._own:
            return self._look(request)
        if not peer.may_command:
            return self._reply(request, "rejected", "this key may look, not command")
        return await self._carry_out(request, replace(peer, request_id=request.id))

    async def close(self) -> None:
        """Stop what still runs."""
        running = [case.work for case in self._cases.values() if not case.work.done()]
        for work in running:
            work.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _look(self, request: Request) -> Reply:
        try:
            result = self._own[request.verb](request.arguments)
            dump_object(result)
        except ClemdError as failed:
            return self._reply(request, "rejected", str(failed))
        except Exception:  # noqa: BLE001 - logged; a client must not stop the bus
            _log.exception("bus_verb_failed", verb=request.verb)
            return self._reply(request, "rejected", _defect(request.verb))
        return self._reply(request, "done", result=result)

    async def _carry_out(self, request: Request, peer: Peer) -> Reply:
        key = (peer.user, request.id)
        fingerprint = _fingerprint(request)
        case = self._cases.get(key)
        if case is None:
            if not self._has_room(peer.user):
                return self._reply(request, "rejected", _BUSY)
            work = asyncio.create_task(self._work(request, peer, key))
            case = self._cases[key] = _Case(fingerprint, peer.user, work)
            self._forget_oldest()
        elif case.fingerprint != fingerprint:
            return self._reply(
                request, "rejected", "this id named another request: choose a new id"
            )
        await asyncio.wait({case.work}, timeout=self._accept_after_s)
        if case.work.done() and not case.work.cancelled():
            return case.work.result()
        return self._reply(request, "accepted")

    async def _work(self, request: Request, peer: Peer, key: tuple[str, str]) -> Reply:
        try:
            result = await self._handler(request.verb, request.arguments, peer)
            dump_object(result)
        except TransientError as failed:
            # Nothing was decided: the same id may try again.
            self._cases.pop(key, None)
            return self._reply(request, "rejected", str(failed))
        except ClemdError as failed:
            return self._reply(request, "rejected", str(failed))
        except Exception:  # noqa: BLE001 - logged; a client must not stop the bus
            _log.exception("bus_command_failed", verb=request.verb)
            return self._reply(request, "rejected", _defect(request.verb))
        return self._reply(request, "done", result=result)

    def _has_room(self, user: str) -> bool:
        running = Counter(c.user for c in self._cases.values() if not c.work.done())
        return running.total() < RUNNING_AT_ONCE and running[user] < RUNNING_PER_USER

    def _forget_oldest(self) -> None:
        for key, case in list(self._cases.items()):
            if len(self._cases) <= REMEMBERED:
                return
            if case.work.done():
                del self._cases[key]

    def _reply(
        self,
        request: Request,
        status: Literal["accepted", "rejected", "done"],
        reason: str = "",
        result: dict[str, Any] | None = None,
    ) -> Reply:
        return Reply(
            id=request.id,
            verb=request.verb,
            status=status,
            reason=reason,
            run_epoch=self._run_epoch,
            result=result,
        )


def _fingerprint(request: Request) -> bytes:
    text = json.dumps([request.verb, request.arguments], sort_keys=True)
    return hashlib.sha256(text.encode("ascii")).digest()


def _defect(verb: str) -> str:
    return f"{verb} failed inside the daemon: see its log"
