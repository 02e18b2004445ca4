"""`clemd show` takes an id, or the file name that a person knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("name", "result"),
    [("a.tif", "a"), ("em/b.tif", "b"), ("/exports/em/a.tif", "a"), ("map.tif", "b")],
)
def test_file_name_stands_for_its_newest_result(
    clemd: Run, state: Path, name: str, result: str
) -> None:
    """Of an EM image as of a map."""
    found = clemd("show", name, "--state", state, "--json").json

    assert (found["kind"], found["id"]) == ("result", result)


def test_file_without_result_shows_its_frame_or_why_there_is_none(
    clemd: Run, state: Path
) -> None:
    """What was not registered was read; what was not read was refused, or waits."""
    alone = clemd("show", "alone.tif", "--state", state, "--json").json
    waiting = clemd("show", "late\\x0a.tif", "--state", state, "--json").json
    refused = clemd("show", "\\xff.doc", "--state", state, "--json").json

    assert (alone["kind"], alone["pairing"]["state"]) == ("frame", "waiting")
    assert (waiting["kind"], waiting["state"]) == ("file", "waiting")
    assert refused["reason"] == "not an image"


def test_every_id_that_status_prints_can_be_shown(
    clemd: Run, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is copied from the terminal into the next command."""
    monkeypatch.setenv("COLUMNS", "200")
    text = clemd("status", "--state", state).out
    ids = [line.rpartition(", id ")[2] for line in text.splitlines() if ", id " in line]

    assert len(ids) == 3
    assert all(clemd("show", one, "--state", state).code == 0 for one in ids)


def test_name_of_nothing_is_one_line_and_exit_2(clemd: Run, state: Path) -> None:
    """A part of a name is not a name."""
    answer = clemd("show", "lone.tif", "--state", state)

    assert answer.code == 2
    assert "clemd status lists" in answer.err
