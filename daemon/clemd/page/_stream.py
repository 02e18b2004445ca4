"""The outbox as server-sent events, resumable at any row.

The event id is the database sequence, so a browser that lost the connection, or slept
through a restart of the daemon, says where it was and gets exactly what it missed. If
that is no longer possible it is told to start afresh from a snapshot (`reset`).
Heartbeats are events, not comments: the page must be able to notice their absence.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ._bell import Waitable, Wake
from ._sources import OutboxLike, PageSources

BATCH = 200
FARTHEST_BEHIND = 2_000
"""Rows; beyond this a snapshot is cheaper than a replay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSettings:
    """How a stream behaves."""

    heartbeat_s: float
    stop: asyncio.Event
    """Ends every stream."""


async def stream_events(
    sources: PageSources, wake: Wake, settings: StreamSettings, *, after: int
) -> AsyncGenerator[str]:
    """Yield everything after row `after`, then follow until the stop event."""
    seq = after
    snapshot = sources.snapshot()
    yield "retry: 1000\n" + _event("hello", {"run_epoch": snapshot.get("run_epoch")})
    if _is_lost(sources, after=seq, newest=int(snapshot["seq"])):
        yield _event("reset", {"seq": snapshot["seq"]})
        seq = int(snapshot["seq"])
    while not settings.stop.is_set():
        bell = wake()  # before the look, so that no ring is slept through
        rows = sources.events_after(seq, BATCH)
        for row in rows:
            seq = row.seq
            yield _event("row", _row(row), seq=seq)
        if len(rows) < BATCH and not await _rang(bell, settings):
            yield _event("heartbeat", heartbeat(sources, seq))


def heartbeat(sources: PageSources, seq: int) -> dict[str, Any]:
    """What is said when nothing happens: still here, and how we are."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return {"now": now, "seq": seq, "health": sources.health()}


def _is_lost(sources: PageSources, *, after: int, newest: int) -> bool:
    """Can the missing rows no longer be told one by one?"""
    if after > newest or newest - after > FARTHEST_BEHIND:
        return True  # another database, or away for too long
    first = sources.events_after(after, 1)
    return bool(first) and first[0].seq != after + 1  # pruned in between


async def _rang(bell: Waitable, settings: StreamSettings) -> bool:
    """Wait for the bell, at most one heartbeat; the stop event ends the wait."""
    waits = {
        asyncio.ensure_future(bell.wait()),
        asyncio.ensure_future(settings.stop.wait()),
    }
    try:
        done, _ = await asyncio.wait(
            waits,
            timeout=settings.heartbeat_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        return bool(done)
    finally:
        for wait in waits:
            wait.cancel()


def _row(row: OutboxLike) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "topic": row.topic,
        "topic_seq": row.topic_seq,
        "session": row.session,
        "created_at": str(row.created_at),
        "body": json.loads(row.body),
    }


def _event(name: str, data: dict[str, Any], *, seq: int | None = None) -> str:
    head = f"id: {seq}\n" if seq is not None else ""
    # one line of JSON: a line break inside would end the field
    return f"{head}event: {name}\ndata: {json.dumps(data)}\n\n"
