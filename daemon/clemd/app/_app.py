"""The one place that joins the parts; it owns start and stop.

    files ─► Inbox ─► Intake ─► Registrar ─► store + outbox ─► Messenger ─► bus, page

Everything runs on one asyncio loop; the watches have threads of their own, files are
parsed in a sandboxed child, pixels are registered in a worker process.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import structlog

from clemd.config import Profile
from clemd.driver_api import load_drivers
from clemd.errors import ClemdError, ProfileError, TransientError, UsageError
from clemd.jobs import (
    JobQueue,
    LocalExecutor,
    boottime_s,
    clean_leftovers,
    owner_name,
)
from clemd.messages import StatusMessage
from clemd.page import PageServer
from clemd.publishing import Bus, Peer
from clemd.reading import ReaderPool
from clemd.store import Store
from clemd.supervising import Heartbeats, Metrics, Notifier, StopSignal, pulse

from ._commands import Commands
from ._guarding import Guard
from ._heat import HeatWatch
from ._holding import Holding
from ._house import House
from ._inbox import Inbox
from ._intake import Intake
from ._kinds import READ, REGISTER, SECOND
from ._lasting import lasting
from ._learning import Learning
from ._lever_note import LeverNote
from ._levers import LeverKeeper
from ._looks import Looks
from ._matching import Matching
from ._registering import Registrar, request_of
from ._views import Views

WORKER = (sys.executable, "-m", "clemd.worker")
LEASE_S = 60.0
CACHE_BYTES = 20 << 30
WORKER_KEEPS_BYTES = 256 << 20
"""Freed memory that a worker keeps for the next field."""
PRUNE_EVERY_S = 600.0
_ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_ARENA_MAX": "2",
    # fields come and go by the hundred: asking the kernel for each costs more than the
    # arithmetic on some of them
    "MALLOC_MMAP_THRESHOLD_": str(WORKER_KEEPS_BYTES),
    "MALLOC_TRIM_THRESHOLD_": str(WORKER_KEEPS_BYTES),
}
"""Of every worker."""
_log = structlog.get_logger(__name__)


class App:
    """One daemon on one state folder; `worker` is the argv of its workers.

    Raises (from `run`):
        ProfileError: a root is missing.
        StateFolderError: another daemon owns the state folder.
        UsageError: a port or socket is taken.
        StoreDamagedError: the database failed; start again and it is verified.
    """

    def __init__(
        self, profile: Profile, state: Path, *, worker: Sequence[str] = WORKER
    ) -> None:
        self.profile = profile
        self._worker = tuple(worker)
        self.state_folder = state.resolve()
        self.page_url = ""
        self.started = asyncio.Event()
        self.stop = StopSignal()
        self._house: House | None = None
        self._inbox: Inbox | None = None
        self._executor: LocalExecutor | None = None

    @property
    def house(self) -> House:
        """The joined parts, once `run` has begun."""
        if self._house is None:
            raise RuntimeError("the app is not running")
        return self._house

    @property
    def worker_pid(self) -> int | None:
        """Process id of the registration worker, for benchmarks."""
        return None if self._executor is None else self._executor.pid

    def is_idle(self) -> bool:
        """Nothing to note, to read or to register; files may still be exported."""
        house, inbox = self._house, self._inbox
        if house is None or inbox is None or not inbox.is_empty:
            return False
        if any(
            house.store.files_in_state(s, limit=1)
            for s in ("noticed", "waiting", "reading")
        ):
            return False
        return not house.queue.unfinished_kinds() & {READ, REGISTER}

    def is_finished(self) -> bool:
        """Idle, and every file of every result is written and announced.

        A second engine may still be asked: what it says changes no verdict.
        """
        if not self.is_idle():
            return False
        house = self.house
        owed = house.queue.unfinished_kinds() - {SECOND}
        return not owed and not house.store.unpublished(1)

    async def run(self) -> None:
        """Serve until a signal or `stop.stop(...)`; everything is closed after."""
        _check_roots(self.profile, self.state_folder)
        async with AsyncExitStack() as closing:
            await closing.enter_async_context(self.stop)
            house = self._open(closing)
            notifier = Notifier.from_environment()
            await self._serve(house, notifier, closing)

    def _open(self, closing: AsyncExitStack) -> House:
        store = Store.open(self.state_folder)
        closing.callback(store.close)
        os.chmod(self.state_folder, 0o700)  # noqa: PTH101 - results are the operator's
        queue = JobQueue(
            store.connection, owner=owner_name(), clock=boottime_s, lease_s=LEASE_S
        )
        queue.release_stale()
        for folder in ("outputs", "cache"):
            clean_leftovers(self.state_folder / folder)
        reader = ReaderPool(
            self.profile.reading,
            allow=[root.path for root in self.profile.roots],
            cache=self.state_folder / "cache",
        )
        closing.push_async_callback(reader.close)
        guard = Guard.of(
            self.profile, tuple(load_drivers("clemd.sensors")), time.monotonic
        )
        closing.callback(guard.close)
        self._house = House(
            profile=self.profile,
            state=self.state_folder,
            run_epoch=uuid.uuid4().hex,
            store=store,
            queue=queue,
            reader=reader,
            guard=guard,
            metrics=Metrics(),
            heartbeats=Heartbeats(time.monotonic),
            stop=self.stop,
        )
        return self._house

    async def _serve(
        self, house: House, notifier: Notifier, closing: AsyncExitStack
    ) -> None:
        registration = self.profile.registration
        looker = LocalExecutor(self._worker, environment=_ENVIRONMENT)
        closing.push_async_callback(looker.close)
        environment = dict(_ENVIRONMENT)
        if registration.threads is not None:
            environment["CLEMD_THREADS"] = str(registration.threads)
        executors = [
            LocalExecutor(self._worker, environment=environment)
            for _ in range(registration.workers)
        ]
        self._executor = executors[0]
        for executor in executors:
            closing.push_async_callback(executor.close)
        inbox = self._inbox = Inbox(house)
        request = request_of(registration)
        learning = Learning(house)
        matching = Matching(house, learning, request_key=_key_of(request))
        intake = Intake(house, inbox, matching)
        views = Views(house, inbox)
        levers = LeverKeeper(self.profile.thermal, LeverNote(self.state_folder))
        closing.push_async_callback(levers.close)
        heat = HeatWatch(house, levers)
        commands = Commands(
            house, matching, views, learning, heat, Looks(house, looker)
        )
        views.verbs = list(commands.verbs)
        self._say(house, "starting")
        messenger = await self._open_doors(house, views, commands, closing)
        for part, limit_s in (("messenger", 30.0), ("thermal", 30.0)):
            house.heartbeats.expect(part, limit_s=limit_s)
        house.heartbeats.expect("intake", limit_s=self.profile.reading.time_limit_s * 3)
        house.heartbeats.expect("registrar", limit_s=registration.time_limit_s + 60)
        registrars = [
            Registrar(house, one, learning, matching, request=request)
            for one in executors
        ]
        await levers.put_back_leftover(tuple(load_drivers("clemd.sensors")))
        await heat.look()  # no job starts unseen
        inbox.start()
        closing.callback(inbox.stop)
        views.ready = True
        self._say(house, "ready")
        notifier.ready(f"watching {len(self.profile.roots)} folders")
        _log.info("ready", page=self.page_url.partition("?")[0], state=str(house.state))
        self.started.set()
        loops = [
            lasting(house, "inbox", inbox.run),
            lasting(house, "intake", intake.run),
            *(lasting(house, "registrar", one.run) for one in registrars),
            lasting(house, "messenger", messenger.run),
            lasting(house, "thermal", heat.run),
            lasting(house, "housekeeping", lambda: _keep_house(house)),
            _feed_watchdog(house, notifier),
            *(_warm(house, one, registration.device) for one in executors),
        ]
        await self._until_stopped(house, loops)
        notifier.stopping("draining")
        with suppress(TransientError):  # a full disk must not keep us from ending
            heat.end()
            self._say(house, "stopped")
            await messenger.flush()

    async def _open_doors(
        self,
        house: House,
        views: Views,
        commands: Commands,
        closing: AsyncExitStack,
    ) -> Messenger:
        async def from_bus(
            verb: str, arguments: dict[str, Any], peer: Peer
        ) -> dict[str, Any]:
            if verb != "status" and not peer.may_command:
                raise UsageError("this key may only look", peer.user, "use another key")
            return await commands(verb, arguments)

        bus: Bus | None = None
        if self.profile.bus.enabled:
            bus = Bus(
                self.profile.bus,
                state=self.state_folder,
                run_epoch=house.run_epoch,
                snapshot=views.bus_snapshot,
                replay=views.replay,
                commands=from_bus,
            )
            await bus.start()
            closing.push_async_callback(bus.close)
        if self.profile.page.enabled:
            page = PageServer(
                self.profile.page,
                views,
                token=_token(self.state_folder),
                wake=house.bell,
                commands=commands,
            )
            self.page_url = await page.start()
            closing.push_async_callback(page.close)
        return Messenger(house, bus)

    async def _until_stopped(self, house: House, loops: list[Any]) -> None:
        """Run every loop; one that cannot go on ends the daemon, loudly."""
        tasks = [asyncio.create_task(loop) for loop in loops]
        stopped = asyncio.create_task(self.stop.wait())
        ending = {stopped, *tasks}
        try:
            while not stopped.done():
                done, ending = await asyncio.wait(
                    ending, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done - {stopped}:
                    task.result()
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
        _log.info("stopping", reason=self.stop.reason)

    def _say(self, house: House, state: str) -> None:
        house.store.announce(
            StatusMessage.model_validate({"state": state, "run_epoch": house.run_epoch})
        )
        house.committed()


class Messenger:
    """Sends what was committed, in order, and wakes the page."""

    def __init__(self, house: House, bus: Bus | None) -> None:
        self._house = house
        self._bus = bus

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            self._house.heartbeats.beat("messenger")
            await self.flush()
            self._house.troubles.pop("messenger", None)
            await self._house.wait_for_news(2.0)

    async def flush(self) -> None:
        """Send everything that has not been sent."""
        store = self._house.store
        while rows := store.unpublished(200):
            for row in rows:
                if self._bus is not None:
                    await self._bus.publish(row)
                self._house.metrics.bus_published.inc()
            store.mark_published(rows[-1].seq)
            self._house.bell.ring()


async def _feed_watchdog(house: House, notifier: Notifier) -> None:
    """The ping depends on progress of every part, never on a timer alone."""
    while not house.stop.is_set():
        late = pulse(house.heartbeats, notifier)
        if late:
            _log.error("no_progress", parts=late)
        await house.stop.wait(5.0)


async def _keep_house(house: House) -> None:
    while not await house.stop.wait(PRUNE_EVERY_S):
        house.store.prune()
        house.queue.release_stale()
        house.troubles.pop("housekeeping", None)
        await asyncio.to_thread(trim_cache, house.cache, CACHE_BYTES)


async def _warm(house: House, executor: LocalExecutor, device: str) -> None:
    """Load the heavy libraries before the first pair waits for them."""
    try:
        answer = await executor.run(
            {"kind": "warm", "device": device}, limit_s=120.0, beat=lambda _stage: None
        )
        if house.guard.serve_on(str(answer["device"])):
            _log.info("device", name=answer["device"], sensor=house.monitor.sensor_name)
    except ClemdError as failed:
        _log.warning("worker_not_warm", reason=str(failed))
        house.guard.is_known = True  # as far as anybody can say
        if not house.guard.is_on_cpu:  # a night on the CPU is better than none
            Holding(house).ban(str(failed), "unusable")
    house.committed()
    await asyncio.Event().wait()


def trim_cache(cache: Path, keep_bytes: int) -> int:
    """Delete the planes used longest ago until `keep_bytes` are left; bytes freed."""
    files = [(f.stat().st_atime, f.stat().st_size, f) for f in cache.glob("*.npy")]
    total, freed = sum(size for _, size, _ in files), 0
    for _, size, file in sorted(files):
        if total - freed <= keep_bytes:
            break
        file.unlink(missing_ok=True)
        freed += size
    return freed


def _check_roots(profile: Profile, state: Path) -> None:
    """A local root must exist (a share may be away); the state lies elsewhere."""
    for root in profile.roots:
        path = root.path.resolve()
        if state.is_relative_to(path) or path.is_relative_to(state):
            raise ProfileError(
                f"the state folder {state} and root {root.name!r} contain each other",
                f"roots.{root.name}.path = {path}",
                "keep the state outside every watched folder",
            )
        if root.kind.value == "local" and not root.path.is_dir():
            raise ProfileError(
                f"root {root.name!r} is not a folder: {root.path}",
                f"roots.{root.name}.path",
                "create the folder or correct the path",
            )


def _key_of(request: dict[str, Any]) -> str:
    """Names a set of registration parameters."""
    text = ",".join(f"{k}={request[k]}" for k in sorted(request))
    return uuid.uuid5(uuid.NAMESPACE_URL, text).hex[:12]


def _token(state: Path) -> str:
    """The page's token: made once per state folder, readable by its owner only."""
    path = state / "page-token"
    try:
        return path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        pass
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as stream:
        token = secrets.token_urlsafe(24)
        stream.write(token)
    return token
