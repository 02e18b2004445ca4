"""The page's addresses: each one a few lines between a request and the sources."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from clemd.config import PageSettings
from clemd.errors import UsageError

from ._access import AccessGuard, AccessPolicy, is_loopback, refuse
from ._bell import Wake
from ._files import send_download, send_picture
from ._sources import Commands, PageSources
from ._stream import StreamSettings, stream_events

STATIC = Path(__file__).parent / "static"
LARGEST_COMMAND_BYTES = 64 * 1024
MOST_STREAMS = 32
LARGEST_SEQ = 2**63 - 1


@dataclass(kw_only=True)
class _Page:
    """The handlers and what they share."""

    settings: PageSettings
    sources: PageSources
    policy: AccessPolicy
    wake: Wake
    commands: Commands
    stop: asyncio.Event
    streams: int = field(default=0)

    # -- open to all who reach the port -------------------------------------------

    async def index(self, request: Request) -> Response:
        """The empty page; with `?token=`, the exchange of the token for a cookie."""
        offered = request.query_params.get("token")
        if offered is None:
            return FileResponse(STATIC / "index.html", headers=_FRESH)
        if not self.policy.is_token(offered):
            return refuse(403, "wrong token", "open the address clemd printed last")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            self.policy.cookie_name,
            self.policy.cookie_value,
            max_age=30 * 86_400,
            httponly=True,
            samesite="strict",
        )
        return answer

    async def livez(self, request: Request) -> Response:
        """Is the daemon's loop turning?"""
        self._check_local(request)
        live = bool(self.sources.health().get("live", True))
        return Response("ok\n" if live else "not live\n", 200 if live else 503)

    async def readyz(self, request: Request) -> Response:
        """Does the daemon do its work?"""
        self._check_local(request)
        health = self.sources.health()
        ready = bool(health.get("ready", False))
        word = "ready" if ready else f"not ready: {health.get('state', 'starting')}"
        return Response(f"{word}\n", 200 if ready else 503, media_type="text/plain")

    async def metrics(self, request: Request) -> Response:
        """Prometheus figures."""
        self._check_local(request)
        kind = "text/plain; version=0.0.4; charset=utf-8"
        return Response(self.sources.metrics(), media_type=kind)

    # -- only with the cookie or the token ----------------------------------------

    async def statusz(self, request: Request) -> Response:
        """Health in full."""
        self._check_allowed(request)
        return JSONResponse(self.sources.health())

    async def snapshot(self, request: Request) -> Response:
        """Everything the page shows, at one moment."""
        self._check_allowed(request)
        state = self.sources.snapshot()
        return JSONResponse(state | {"stale_after_s": self.settings.stale_after_s})

    async def events(self, request: Request) -> Response:
        """What happened since, and what happens from now on."""
        self._check_allowed(request)
        asked = request.headers.get("last-event-id") or request.query_params.get(
            "after"
        )
        after = _whole_number(asked or "0", "event id")
        if self.streams >= MOST_STREAMS:
            return refuse(503, "too many open pages", "close some of them")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(
            self._counted(after), media_type="text/event-stream", headers=headers
        )

    async def layer(self, request: Request) -> Response:
        """Preview of one channel."""
        self._check_allowed(request)
        channel = _whole_number(request.path_params["channel"], "channel")
        level = _whole_number(request.query_params.get("level", "0"), "level")
        frame_id: str = request.path_params["frame_id"]
        return send_picture(
            self.sources.layer(frame_id, channel, level), request.headers
        )

    async def output(self, request: Request) -> Response:
        """One of a result's files."""
        self._check_allowed(request)
        wanted = request.path_params
        return send_download(
            self.sources.file(wanted["registration_id"], wanted["name"])
        )

    async def temperature(self, request: Request) -> Response:
        """Readings of the last hour, or of `since_s` seconds."""
        self._check_allowed(request)
        since = _whole_number(request.query_params.get("since_s", "3600"), "since_s")
        return JSONResponse(self.sources.temperature(float(min(since, 30 * 86_400))))

    async def heat(self, request: Request) -> Response:
        """The timeline of the last hour, or of `since_s` seconds."""
        self._check_allowed(request)
        since = _whole_number(request.query_params.get("since_s", "3600"), "since_s")
        return JSONResponse(self.sources.heat(float(min(since, 30 * 86_400))))

    async def command(self, request: Request) -> Response:
        """Steer the daemon."""
        self._check_allowed(request)
        verb, arguments = await _read_command(request)
        try:
            return JSONResponse(await self.commands(verb, arguments))
        except UsageError as declined:
            raise HTTPException(400, str(declined)) from declined

    # -- shared -------------------------------------------------------------------

    def _check_allowed(self, request: Request) -> None:
        if not self.policy.may_look(request.headers):
            raise HTTPException(401, "not signed in: open the address clemd printed")

    def _check_local(self, request: Request) -> None:
        if not is_loopback(request.scope):
            self._check_allowed(request)

    async def _counted(self, after: int) -> Any:
        # two may be lost before the page calls itself stale
        beat = StreamSettings(
            heartbeat_s=self.settings.stale_after_s / 3, stop=self.stop
        )
        self.streams += 1
        try:
            async for event in stream_events(
                self.sources, self.wake, beat, after=after
            ):
                yield event
        finally:
            self.streams -= 1


_FRESH = {"cache-control": "no-cache"}


class _FreshFiles(StaticFiles):
    """Our own modules, checked for changes at every load: there is no build step."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["cache-control"] = "no-cache"
        return answer


def create_app(
    settings: PageSettings,
    sources: PageSources,
    *,
    policy: AccessPolicy,
    wake: Wake,
    commands: Commands,
    stop: asyncio.Event | None = None,
) -> Starlette:
    """The page as an ASGI application; `stop` ends its open streams."""
    page = _Page(
        settings=settings,
        sources=sources,
        policy=policy,
        wake=wake,
        commands=commands,
        stop=stop or asyncio.Event(),
    )
    return Starlette(
        routes=[
            Route("/", page.index),
            Route("/livez", page.livez),
            Route("/readyz", page.readyz),
            Route("/metrics", page.metrics),
            Route("/statusz", page.statusz),
            Route("/api/snapshot", page.snapshot),
            Route("/api/events", page.events),
            Route("/api/temperature", page.temperature),
            Route("/api/heat", page.heat),
            Route("/api/layer/{frame_id}/{channel}", page.layer),
            Route("/api/output/{registration_id}/{name}", page.output),
            Route("/api/command", page.command, methods=["POST"]),
            Mount("/static", _FreshFiles(directory=STATIC)),
        ],
        middleware=[Middleware(AccessGuard, policy=policy)],
        exception_handlers={HTTPException: _explain},
    )


async def _explain(_: Request, failed: Exception) -> Response:
    assert isinstance(failed, HTTPException)  # noqa: S101
    return JSONResponse({"error": failed.detail}, failed.status_code)


async def _read_command(request: Request) -> tuple[str, dict[str, Any]]:
    """The verb and its arguments, or a refusal that says what is wrong with them."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, "not JSON: send content-type application/json")
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > LARGEST_COMMAND_BYTES:
            raise HTTPException(413, "command too long: send less than 64 KiB")
    try:
        asked = json.loads(raw)
        verb, arguments = asked["verb"], asked.get("arguments", {})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as broken:
        raise HTTPException(
            400, 'not a command: send {"verb": ..., "arguments": {...}}'
        ) from broken
    if not isinstance(verb, str) or not isinstance(arguments, dict):
        raise HTTPException(400, "not a command: verb is text, arguments an object")
    return verb, arguments


def _whole_number(text: str, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise HTTPException(400, f"{what} is not a whole number: send 0 or more")
    if int(text) > LARGEST_SEQ:
        raise HTTPException(400, f"{what} is not a whole number: send 0 or more")
    return int(text)
