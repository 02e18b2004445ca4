"""What the page needs from the rest of the daemon, and nothing more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Protocol


class OutboxLike(Protocol):
    """One outbox row: a message that was committed together with its cause."""

    @property
    def seq(self) -> int:
        """Database sequence, the event id of the stream."""
        ...

    @property
    def topic(self) -> str:
        """One of `clemd.messages.TOPICS`."""
        ...

    @property
    def topic_seq(self) -> int:
        """Sequence within the topic."""
        ...

    @property
    def session(self) -> str | None:
        """The session it belongs to, if any."""
        ...

    @property
    def body(self) -> str:
        """The message as JSON text."""
        ...

    @property
    def created_at(self) -> object:
        """When it was committed; shown as text."""
        ...


class PageSources(Protocol):
    """Read-only looks at the daemon. Synchronous and fast: they run on its loop."""

    def snapshot(self) -> dict[str, Any]:
        """The state now.

        Keys: `seq`, `run_epoch`, `instrument`, `now` (ISO), `files`, `frames`, `pairs`,
        `registrations`, `jobs` (message bodies, newest first) and `thermal` (a message
        body with `history`). Optional `verbs`: commands that the page may offer.
        """
        ...

    def events_after(self, seq: int, limit: int) -> Sequence[OutboxLike]:
        """At most `limit` outbox rows with a sequence larger than `seq`, ascending."""
        ...

    def file(self, registration_id: str, name: str) -> Path | None:
        """An output by its name in the database; never a path made of its arguments."""
        ...

    def layer(self, frame_id: str, channel: int, level: int) -> Path | None:
        """8-bit PNG, JPEG or WebP preview of a channel; None = not there (yet)."""
        ...

    def health(self) -> dict[str, Any]:
        """`ready` and `live` (bool), `state` (a word), and what else is worth it."""
        ...

    def metrics(self) -> bytes:
        """Prometheus text exposition."""
        ...

    def temperature(self, since_s: float) -> list[Any]:
        """Readings of the last `since_s` seconds, oldest first."""
        ...

    def heat(self, since_s: float) -> dict[str, Any]:
        """The timeline of that time.

        Keys: `since`, `now` (ISO), `sensor`, `warm_c`, `hot_c`, `readings` (`at`,
        `state`, `temperature_c`, `power_w`, `duty`, `throttle`) and `jobs` (`kind`,
        `subject`, `device`, `started_at`, `ended_at`, `busy_s`, `paused_s`,
        `outcome`), both oldest first.
        """
        ...


Commands = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]
"""Carries out (verb, arguments); raises `UsageError` to decline in one line."""
