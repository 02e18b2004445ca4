"""A daemon that watches the folders of a benchmark, and what its database says."""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from ._pipeline_daemon import Daemon, look_into, wait_for
from ._watching_images import digest_of, draw

WARM_LIMIT_S = 120.0

_HEAD = """\
instrument = "bench"

[registration]
threads = 1

[page]
enabled = false

[pairing]
session_from = "none"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """One watched folder; times in seconds, as the daemon is told."""

    name: str
    ready: str = "settle"
    settle_s: float = 3.0
    poll_s: float = 2.0
    more: Mapping[str, float] | None = None
    """Further keys of the profile."""

    def in_toml(self, path: Path) -> str:
        """Its table in the profile."""
        values = {"settle_s": self.settle_s, "poll_s": self.poll_s, **(self.more or {})}
        lines = [f"{key} = {value!r}" for key, value in values.items()]
        return "\n".join(
            [
                "",
                "[[roots]]",
                f"name = {json.dumps(self.name)}",
                f"path = {json.dumps(str(path))}",
                'side = "em"',
                f'ready = "{self.ready}"',
                *lines,
                "",
            ]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One frame that the daemon has taken out of a file."""

    relative: str
    revision: int
    sha256: str
    """Of the file's bytes, as the reader saw them."""
    planes: frozenset[str]
    """SHA-256 of the samples of every plane it has left in the cache."""
    pixel_um: float | None
    at_s: float
    """Wall clock when it was kept."""


def prepare(folder: Path, roots: Sequence[Root], *, more: str = "") -> Daemon:
    """Folders and a profile below `folder`; nothing runs yet."""
    text = _HEAD + more
    for root in roots:
        path = folder / "export" / root.name
        path.mkdir(parents=True)
        text += root.in_toml(path)
    (folder / "profile.toml").write_text(text, encoding="utf-8")
    return Daemon(folder)


def warm_up(daemon: Daemon, root: str) -> None:
    """Have one file read: starting a reader is not what is measured."""
    first = draw("tiff", random.Random(0))  # noqa: S311 - repeatable
    (daemon.export(root) / "warm-up.tif").write_bytes(first.data)
    read = "SELECT COUNT(*) FROM frames"
    wait_for(lambda: counted(daemon.state, read) > 0, WARM_LIMIT_S, "a first frame")


def claims(state: Path) -> Iterator[Claim]:
    """Every frame on record, oldest first."""
    with closing(look_into(state)) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT files.relative, frames.revision, frames.json, "
            "frames.created_at FROM frames "
            "JOIN files ON files.id = frames.file_id ORDER BY frames.rowid"
        ).fetchall()
    for row in rows:
        frame: dict[str, Any] = json.loads(row["json"])
        sha256 = frame["content_sha256"]
        size = frame["pixel_size"]
        yield Claim(
            relative=row["relative"].decode(),
            revision=row["revision"],
            sha256=sha256,
            planes=frozenset(
                digest_of(np.load(state / "cache" / f"{sha256}-{n}.npy"))
                for n in range(len(frame["channels"]))
            ),
            pixel_um=None if size is None else size["x_um"],
            at_s=datetime.fromisoformat(row["created_at"]).timestamp(),
        )


def counted(state: Path, sql: str, *values: object) -> int:
    """One number out of the daemon's database."""
    with closing(look_into(state)) as connection:
        return int(connection.execute(sql, values).fetchone()[0])
