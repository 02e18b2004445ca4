"""The one stop event that every wait of the daemon ends on."""

from __future__ import annotations

import asyncio
import signal
from types import TracebackType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignal:
    """Turns SIGTERM and SIGINT into an event; use it as an async context manager.

    The first signal asks for an orderly stop. After it the signals have their usual
    effect again, so that a second Ctrl-C ends a stop that hangs.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self.reason = ""
        """What asked for the stop, in words; empty while nothing has."""

    async def __aenter__(self) -> StopSignal:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def is_set(self) -> bool:
        """A stop has been asked for."""
        return self._event.is_set()

    def stop(self, reason: str) -> None:
        """Ask for a stop; the first reason is kept."""
        self.reason = self.reason or reason
        self._event.set()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait for the stop, at most `timeout_s`; True if it has been asked for.

        Use it instead of `sleep`, so that no wait outlives the daemon.
        """
        if timeout_s is None:
            await self._event.wait()
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return self.is_set()
        return True

    def _on_signal(self, number: signal.Signals) -> None:
        self.stop(f"received {number.name}")
        self._release()

    def _release(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
