"""Is a state folder what it must be after any number of deaths?

Looks only at the database and the files, never through the code that wrote them:
one frame a file, one result a pair, whole outputs, numbers without gaps.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from ._pipeline_daemon import look_into


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One file that was exported."""

    side: str
    path: Path
    """Where it lies now."""
    sha256: str
    """Of the bytes that were exported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was looked at, and what is wrong with it."""

    files: int
    registrations: int
    outputs: int
    messages: int
    problems: tuple[str, ...]
    """One line each; empty = as it must be."""


def check_state(state: Path, expected: Mapping[str, Expected]) -> Findings:
    """Look at everything in `state`.

    Args:
        state: state folder of a daemon that has ended.
        expected: file name -> what was exported; names are unique.
    """
    with closing(look_into(state)) as database:
        outputs = _outputs(database)
        problems = [
            *_broken_database(database),
            *_inputs(expected),
            *_files_and_frames(database, expected),
            *_pairs(database, expected),
            *_jobs(database),
            *_outbox(database),
            *torn_outputs(state, outputs),
            *_leftovers(state),
        ]
        return Findings(
            files=_count(database, "files"),
            registrations=_count(database, "registrations"),
            outputs=len(outputs),
            messages=_count(database, "outbox"),
            problems=tuple(problems),
        )


def sha256_of(path: Path) -> str:
    """Digest of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _count(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0])  # noqa: S608


def _broken_database(database: sqlite3.Connection) -> Iterator[str]:
    for (said,) in database.execute("PRAGMA integrity_check"):
        if said != "ok":
            yield f"database: {said}"
    for row in database.execute("PRAGMA foreign_key_check"):
        yield f"row {row[1]} of {row[0]} points at a missing {row[2]}"


def _inputs(expected: Mapping[str, Expected]) -> Iterator[str]:
    for name, file in expected.items():
        if not file.path.is_file():
            yield f"input {name} is gone"
        elif sha256_of(file.path) != file.sha256:
            yield f"input {name} was modified"
    for folder in {file.path.parent for file in expected.values()}:
        for path in folder.iterdir():
            if path.name not in expected:
                yield f"{path.name} was written beside the inputs"


def _files_and_frames(
    database: sqlite3.Connection, expected: Mapping[str, Expected]
) -> Iterator[str]:
    rows = database.execute(
        "SELECT files.relative, files.state, files.reason, files.content_sha256, "
        "COUNT(frames.id) FROM files "
        "LEFT JOIN frames ON frames.file_id = files.id GROUP BY files.id"
    ).fetchall()
    names = [Path(row[0].decode()).name for row in rows]
    for name in expected:
        if (count := names.count(name)) != 1:
            yield f"{name} is on record {count} times"
    for name, (_, state, reason, digest, frames) in zip(names, rows, strict=True):
        if name not in expected:
            yield f"{name} is on record and was never exported"
        elif state != "read":
            yield f"{name} is {state} and not read: {reason}"
        elif frames != 1:
            yield f"{name} has {frames} frames"
        elif digest != expected[name].sha256:
            yield f"{name} was read with other bytes than were exported"


def _pairs(
    database: sqlite3.Connection, expected: Mapping[str, Expected]
) -> Iterator[str]:
    maps = sum(file.side == "lm" for file in expected.values())
    rows = database.execute(
        "SELECT files.relative, COUNT(DISTINCT pairs.id) FROM frames "
        "JOIN files ON files.id = frames.file_id "
        "LEFT JOIN pairs ON pairs.em_frame_id = frames.id "
        "WHERE frames.side = 'em' GROUP BY frames.id"
    )
    for relative, pairs in rows:
        if not 1 <= pairs <= maps:
            yield f"{Path(relative.decode()).name} is in {pairs} pairs"
    rows = database.execute(
        "SELECT files.relative, pairs.state, COUNT(registrations.id) FROM pairs "
        "JOIN frames ON frames.id = pairs.em_frame_id "
        "JOIN files ON files.id = frames.file_id "
        "LEFT JOIN registrations ON registrations.pair_id = pairs.id "
        "GROUP BY pairs.id"
    )
    for relative, state, results in rows:
        if results != 1:
            name = Path(relative.decode()).name
            yield f"a pair of {name} ({state}) has {results} registrations"


def _jobs(database: sqlite3.Connection) -> Iterator[str]:
    for kind, key, state, reason in database.execute(
        "SELECT kind, key, state, reason FROM jobs WHERE state != 'done'"
    ):
        yield f"{kind} job {key} is {state}: {reason}"


def _outbox(database: sqlite3.Connection) -> Iterator[str]:
    for topic, last in database.execute("SELECT topic, last_seq FROM topics"):
        found = [
            row[0]
            for row in database.execute(
                "SELECT topic_seq FROM outbox WHERE topic = ? ORDER BY seq", (topic,)
            )
        ]
        if found != list(range(1, last + 1)):
            yield f"topic {topic}: numbers are not 1 to {last} once each, in order"
    (unsent,) = database.execute(
        "SELECT COUNT(*) FROM outbox WHERE published_at IS NULL"
    ).fetchone()
    if unsent:
        yield f"{unsent} messages were never sent"
    announced = database.execute(
        "SELECT registrations.id FROM registrations WHERE NOT EXISTS (SELECT 1 "
        "FROM outbox WHERE topic = 'registration' AND "
        "json_extract(body, '$.registration_id') = registrations.id)"
    )
    for (registration_id,) in announced:
        yield f"registration {registration_id} was never announced"


def _outputs(database: sqlite3.Connection) -> list[str]:
    named = []
    for (text,) in database.execute("SELECT outputs FROM registrations"):
        named += json.loads(text).values()
    return named


def torn_outputs(state: Path, outputs: list[str]) -> Iterator[str]:
    """Files that the database names and that are missing or do not open."""
    pictures = sorted((state / "cache").glob("*.png"))
    planes = sorted((state / "cache").glob("*.npy"))
    for path in [*(state / name for name in outputs), *pictures, *planes]:
        try:
            _read_whole(path)
        except FileNotFoundError:
            yield f"{path.relative_to(state)} is missing"
        except Exception as failed:  # noqa: BLE001 - whatever it is, it does not open
            said = f"{type(failed).__name__}: {failed}"
            yield f"{path.relative_to(state)} does not open ({said})"


def _read_whole(path: Path) -> None:
    data = path.read_bytes()
    if not data:
        raise ValueError("the file is empty")
    READERS.get(path.suffix, _read_text)(path, data)


def _read_png(_: Path, data: bytes) -> None:
    # cv2 may hand back the upper half of a torn picture: its last chunk must be there
    if not data.endswith(b"IEND\xaeB`\x82"):
        raise ValueError("the PNG has no end")
    if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED) is None:
        raise ValueError("the PNG cannot be decoded")


def _read_tiff(path: Path, _: bytes) -> None:
    with tifffile.TiffFile(path) as tiff:
        tiff.asarray()
        if tiff.ome_metadata:
            ET.fromstring(tiff.ome_metadata)  # noqa: S314 - our own file


def _read_json(_: Path, data: bytes) -> None:
    json.loads(data)


def _read_npy(path: Path, _: bytes) -> None:
    np.load(path, mmap_mode="r", allow_pickle=False)


def _read_html(_: Path, data: bytes) -> None:
    if not data.rstrip().endswith(b"</html>"):
        raise ValueError("the page has no end")


def _read_text(_: Path, data: bytes) -> None:
    if not data.decode("utf-8").endswith("\n"):
        raise ValueError("the last line has no end")


READERS: dict[str, Callable[[Path, bytes], Any]] = {
    ".png": _read_png,
    ".tif": _read_tiff,
    ".json": _read_json,
    ".npy": _read_npy,
    ".html": _read_html,
}


def _leftovers(state: Path) -> Iterator[str]:
    for pattern in ("*.partial", ".*.part"):
        for path in state.rglob(pattern):
            yield f"{path.relative_to(state)} was left behind"
