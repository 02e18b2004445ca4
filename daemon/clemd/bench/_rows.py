"""Rows of a campaign in a file that survives being broken off.

One JSON object a line. A line that begins with `{"run"` says under which conditions
the rows after it were made; every other line is a row. A line that was cut off is
dropped when the file is opened again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clemd.errors import UsageError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a file of rows holds."""

    runs: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def done(self) -> set[tuple[str, str]]:
        """(trial, arm) that need not be run again."""
        return {(row["key"], row["arm"]) for row in self.rows}

    @property
    def made_by(self) -> set[str]:
        """Fingerprints of the engines that made the rows."""
        return {run["engine"] for run in self.runs}


def read_rows(path: Path) -> Saved:
    """Everything in the file.

    Raises:
        UsageError: it cannot be read, or is no file of rows.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as failed:
        raise UsageError(
            f"the rows cannot be read: {failed.strerror}", str(path), "check the path"
        ) from failed
    saved = Saved()
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
            (saved.runs if "run" in row else saved.rows).append(row)
            _ = row["run"] if "run" in row else (row["key"], row["arm"])
        except (ValueError, KeyError, TypeError) as wrong:
            raise UsageError(
                f"line {number} is no row of a campaign", str(path), "name another file"
            ) from wrong
    return saved


def open_rows(path: Path | None, run: Row) -> tuple[Saved, Callable[[Row], None]]:
    """What is there already, and how to add a row.

    Raises:
        UsageError: the rows in the file were made by another engine.
    """
    if path is None:
        saved = Saved(runs=[run])
        return saved, saved.rows.append
    saved = Saved()
    if path.exists():
        _drop_torn_line(path)
        saved = read_rows(path)
    if other := saved.made_by - {run["engine"]}:
        raise UsageError(
            f"the rows were made by another engine ({', '.join(sorted(other))}, "
            f"now {run['engine']})",
            str(path),
            "name a new file for --rows",
        )
    _append(path, run)
    saved.runs.append(run)

    def add(row: Row) -> None:
        _append(path, row)
        saved.rows.append(row)

    return saved, add


def _append(path: Path, row: Row) -> None:
    with path.open("ab") as stream:
        stream.write(json.dumps(row, allow_nan=False).encode() + b"\n")


def _drop_torn_line(path: Path) -> None:
    with path.open("r+b") as stream:
        data = stream.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            stream.truncate(whole)
            os.fsync(stream.fileno())


def only(rows: Sequence[Row], **wanted: object) -> list[Row]:
    """The rows whose values are those."""
    return [r for r in rows if all(r[name] == value for name, value in wanted.items())]
