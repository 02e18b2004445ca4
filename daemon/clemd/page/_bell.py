"""Wake every open stream when the outbox has grown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol


class Waitable(Protocol):
    """Anything with an awaitable `wait`, such as `asyncio.Event`."""

    def wait(self) -> Awaitable[object]:
        """Return when there may be something new."""
        ...


Wake = Callable[[], Waitable]
"""Gives the thing to wait on now. Ask for it BEFORE reading, then nothing is missed."""


class Bell:
    """Rings once for everybody who waits at that moment.

    `Bell()()` is the event to wait on; `ring` sets it and hangs up a fresh one, so a
    listener that took its event before reading cannot sleep through a ring.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def __call__(self) -> asyncio.Event:
        """The event of the next ring."""
        return self._event

    def ring(self) -> None:
        """Wake all who wait. Call on the loop's own thread."""
        rung, self._event = self._event, asyncio.Event()
        rung.set()
