"""Sources with nothing behind them but a list of rows and a folder."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from clemd.config import PageSettings
from clemd.errors import UsageError
from clemd.page import AccessPolicy, Bell, create_app

TOKEN = "the token"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Row:
    """An outbox row."""

    seq: int
    topic: str = "file"
    topic_seq: int = 1
    session: str = "s1"
    body: str = "{}"
    created_at: str = "2026-05-04T10:00:00+00:00"


@dataclass
class FakeSources:
    """What the page is told."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    outputs: dict[tuple[str, str], Path] = field(default_factory=dict)
    ready: bool = True
    files: list[dict[str, Any]] = field(default_factory=list)

    def add(self, count: int = 1, **body: Any) -> None:
        """Commit `count` rows."""
        for _ in range(count):
            seq = self.rows[-1].seq + 1 if self.rows else 1
            self.rows.append(Row(seq, body=json.dumps(body | {"n": seq}, indent=1)))

    def snapshot(self) -> dict[str, Any]:
        """The state, at the newest row."""
        seq = self.rows[-1].seq if self.rows else 0
        return {"seq": seq, "run_epoch": "e1", "files": self.files}

    def events_after(self, seq: int, limit: int) -> Sequence[Row]:
        """The rows after `seq`."""
        return [row for row in self.rows if row.seq > seq][:limit]

    def file(self, registration_id: str, name: str) -> Path | None:
        """An output by name."""
        return self.outputs.get((registration_id, name))

    def layer(self, frame_id: str, channel: int, level: int) -> Path | None:
        """A preview by name."""
        return self.folder / "layer.png" if (frame_id, channel) == ("f1", 0) else None

    def health(self) -> dict[str, Any]:
        """How we are."""
        return {"ready": self.ready, "live": True, "state": "reconciling"}

    def metrics(self) -> bytes:
        """One figure."""
        return b"clemd_up 1\n"

    def temperature(self, since_s: float) -> list[Any]:
        """Readings."""
        return [[0.0, since_s]]

    def heat(self, since_s: float) -> dict[str, Any]:
        """A timeline."""
        return {"readings": [], "jobs": [], "since_s": since_s}


async def obey(verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """A daemon that knows one verb."""
    if verb != "retry":
        raise UsageError(f"unknown command {verb!r}", "page", "use retry")
    return {"message": "queued", "arguments": arguments}


@pytest.fixture
def sources(tmp_path: Path) -> FakeSources:
    """A world with one layer picture."""
    (tmp_path / "layer.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return FakeSources(tmp_path)


@pytest.fixture
def policy() -> AccessPolicy:
    """The rules of a page on the default address."""
    return AccessPolicy.of(TOKEN, host="127.0.0.1", port=8470)


@pytest.fixture
def app(sources: FakeSources, policy: AccessPolicy) -> Any:
    """The page without a server."""
    return create_app(
        PageSettings(),
        sources,
        policy=policy,
        wake=Bell(),
        commands=obey,
        stop=asyncio.Event(),
    )
