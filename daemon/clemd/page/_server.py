"""Serve the page inside the daemon's own loop, on a port that is known to be ours."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator, Iterable

import uvicorn

from clemd.config import PageSettings
from clemd.errors import UsageError

from ._access import AccessPolicy
from ._app import create_app
from ._bell import Wake
from ._sources import Commands, PageSources


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: those are the daemon's."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class PageServer:
    """The running page.

    `hosts` are further names under which the page may be asked for, for a page that
    listens beyond this computer.
    """

    def __init__(
        self,
        settings: PageSettings,
        sources: PageSources,
        *,
        token: str,
        wake: Wake,
        commands: Commands,
        hosts: Iterable[str] = (),
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._token = token
        self._wake = wake
        self._commands = commands
        self._hosts = tuple(hosts)
        self._stop = asyncio.Event()
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> str:
        """Listen; returns the address to open, token included.

        Raises:
            UsageError: the port is taken or the address is not this computer's.
        """
        sock = _bind(self._settings)
        port = int(sock.getsockname()[1])
        host = self._settings.host
        policy = AccessPolicy.of(self._token, host=host, port=port, also=self._hosts)
        app = create_app(
            self._settings,
            self._sources,
            policy=policy,
            wake=self._wake,
            commands=self._commands,
            stop=self._stop,
        )
        self._server = _Server(_quiet(app))
        self._task = asyncio.create_task(self._server.serve([sock]), name="page")
        await self._server.listening.wait()
        shown = "127.0.0.1" if host in {"", "0.0.0.0", "::"} else host  # noqa: S104
        shown = f"[{shown}]" if ":" in shown else shown
        return f"http://{shown}:{port}/?token={self._token}"

    async def close(self) -> None:
        """End the open streams, then the server; may be called twice."""
        self._stop.set()
        if self._server is not None:
            self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None


def _quiet(app: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,  # type: ignore[arg-type]
        http="h11",
        ws="none",
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=128,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=32 * 1024,
    )


def _bind(settings: PageSettings) -> socket.socket:
    where = f"page.port = {settings.port}, page.host = {settings.host!r}"
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((settings.host, settings.port))
        sock.listen(64)
    except OSError as failed:
        sock.close()
        if failed.errno == errno.EADDRINUSE:
            raise UsageError(
                "the page's port is in use",
                where,
                "stop the other program, or set page.port to another one or 0",
            ) from failed
        raise UsageError(
            f"the page cannot listen: {failed.strerror}",
            where,
            "set page.host to an address of this computer",
        ) from failed
    sock.setblocking(False)
    return sock
