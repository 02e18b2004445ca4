"""Proof of progress from every part that must not stand still."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ._notifier import Notifier


@dataclass(slots=True)
class _Part:
    limit_s: float
    last_s: float


class Heartbeats:
    """Parts report progress; a part that has been silent for too long is late.

    A part beats after it has done something, never from a timer of its own: a timer
    goes on ticking beside a scan that hangs.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._parts: dict[str, _Part] = {}

    def expect(self, name: str, *, limit_s: float) -> None:
        """From now on `name` must beat at least every `limit_s` seconds.

        Raises:
            ValueError: `limit_s` is not positive.
        """
        if limit_s <= 0:
            raise ValueError(f"limit_s must be positive, got {limit_s}")
        self._parts[name] = _Part(limit_s, self._clock())

    def beat(self, name: str) -> None:
        """`name` has made progress.

        Raises:
            KeyError: nobody expects `name`.
        """
        self._parts[name].last_s = self._clock()

    def forget(self, name: str) -> None:
        """`name` has ended as it should; its silence is no longer a fault."""
        self._parts.pop(name, None)

    def late(self, now_s: float | None = None) -> list[str]:
        """Parts silent for longer than their limit, in the order they were named."""
        now = self._clock() if now_s is None else now_s
        return [
            name
            for name, part in self._parts.items()
            if now - part.last_s > part.limit_s
        ]


def pulse(heartbeats: Heartbeats, notifier: Notifier) -> list[str]:
    """Ping systemd's watchdog unless a part is late; returns the late parts.

    Without the ping systemd restarts the daemon, which is what a stuck part needs.
    """
    late = heartbeats.late()
    if late:
        notifier.status(f"no progress: {', '.join(late)}")
    else:
        notifier.watchdog()
    return late
