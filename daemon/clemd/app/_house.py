"""What the parts of the running daemon share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from clemd.config import Profile
from clemd.jobs import JobQueue
from clemd.model import Frame
from clemd.page import Bell
from clemd.reading import ReaderPool
from clemd.store import Store
from clemd.supervising import Heartbeats, Metrics, StopSignal
from clemd.thermal import ThermalMonitor

from ._guarding import Guard


@dataclass(slots=True, kw_only=True)
class House:
    """One daemon's parts, joined once in `App` and handed to each activity."""

    profile: Profile
    state: Path
    run_epoch: str
    store: Store
    queue: JobQueue
    reader: ReaderPool
    guard: Guard
    metrics: Metrics
    heartbeats: Heartbeats
    stop: StopSignal
    bell: Bell = field(default_factory=Bell)
    clock: Callable[[], float] = time.monotonic
    troubles: dict[str, str] = field(default_factory=dict)
    """Part -> what it cannot do just now."""
    _work: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def monitor(self) -> ThermalMonitor:
        """The thermometer of the device that works."""
        return self.guard.monitor

    @property
    def cache(self) -> Path:
        """Decoded planes and the page's pictures."""
        return self.state / "cache"

    def plane_names(self, frame: Frame) -> list[str]:
        """Names of the decoded planes of `frame` in the cache."""
        return [f"{frame.content_sha256}-{n}.npy" for n in range(len(frame.channels))]

    def committed(self) -> None:
        """Something was committed: there may be news to send and work to do."""
        self._news.set()
        self._work.set()

    async def wait_for_work(self, at_most_s: float) -> None:
        """Sleep until something was committed, a stop, or the time is over."""
        await self._wait(self._work, at_most_s)

    async def wait_for_news(self, at_most_s: float) -> None:
        """Sleep until something was committed that may have to be sent."""
        await self._wait(self._news, at_most_s)

    async def _wait(self, event: asyncio.Event, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(at_most_s):
                await event.wait()
        except TimeoutError:
            return
        event.clear()
