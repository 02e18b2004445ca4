"""The checker of the kill test finds every kind of damage that it is there to find."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Finished


def change(finished: Finished, *statements: str) -> None:
    """Do to the database what a defect would."""
    with closing(sqlite3.connect(finished.state / "clemd.sqlite")) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()


def test_healthy_state_has_no_problems(finished: Finished) -> None:
    """And the counts are those of what was put there."""
    found = finished.findings()

    assert found.problems == ()
    assert (found.files, found.registrations, found.outputs) == (3, 2, 10)


@pytest.mark.parametrize("suffix", [".png", ".ome.tif", ".json", ".tfm", ".html"])
def test_torn_output_is_found(finished: Finished, suffix: str) -> None:
    """Half a file opens in some programs; here it does not."""
    path = finished.output(suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    assert f"{path.name} does not open" in finished.problems()


def test_empty_output_is_found(finished: Finished) -> None:
    """A renamed file whose bytes never reached the disk."""
    finished.output(".png").write_bytes(b"")

    assert "preview.png does not open" in finished.problems()


def test_missing_output_is_found(finished: Finished) -> None:
    """The database promises it."""
    finished.output(".json").unlink()

    assert "transform.json is missing" in finished.problems()


@pytest.mark.parametrize("name", ["outputs/.clemd-ab.partial", "cache/.x.1.part"])
def test_leftover_is_found(finished: Finished, name: str) -> None:
    """A killed writer's half file must be cleared away by the next life."""
    path = finished.state / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"half")

    assert f"{name} was left behind" in finished.problems()


def test_torn_picture_of_the_page_is_found(finished: Finished) -> None:
    """The cache is served as it lies there."""
    (finished.state / "cache").mkdir(exist_ok=True)
    png = finished.output(".png").read_bytes()
    (finished.state / "cache" / "aa-0.layer.png").write_bytes(png[:-4])

    assert "aa-0.layer.png does not open (ValueError: the PNG has no end)" in (
        finished.problems()
    )


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (
            "INSERT INTO registrations SELECT 'again', pair_id, 'other key', session, "
            "em_frame_id, lm_frame_id, verdict, confidence, error_p95, 0, json, "
            "outputs, created_at, decided_by, decided_reason, second "
            "FROM registrations WHERE id = 'a.tif'",
            "a pair of a.tif (done) has 2 registrations",
        ),
        (
            "DELETE FROM registrations WHERE id = 'b.tif'",
            "a pair of b.tif (done) has 0 registrations",
        ),
        (
            "INSERT INTO frames SELECT 'again', file_id, revision, side, session, "
            "json, acquired_at, created_at FROM frames WHERE side = 'lm'",
            "map.tif has 2 frames",
        ),
        (
            "INSERT INTO files SELECT 99, 'other', relative, size_bytes, modified_ns, "
            "inode, revision, state, reason, content_sha256, noticed_at, settled_at "
            "FROM files WHERE root = 'lm'",
            "map.tif is on record 2 times",
        ),
        (
            "UPDATE files SET state = 'reading' WHERE root = 'lm'",
            "map.tif is reading and not read",
        ),
        (
            "UPDATE files SET content_sha256 = 'ff' WHERE root = 'lm'",
            "map.tif was read with other bytes",
        ),
        ("UPDATE jobs SET state = 'poisoned' WHERE id = 1", "is poisoned"),
        ("UPDATE outbox SET published_at = NULL", "were never sent"),
        (
            "UPDATE outbox SET topic_seq = 7 WHERE topic_seq = 1",
            "topic registration: numbers are not 1 to 2",
        ),
        (
            "UPDATE topics SET last_seq = 3",
            "topic registration: numbers are not 1 to 3",
        ),
        (
            "UPDATE outbox SET body = '{}' WHERE topic_seq = 1",
            "registration a.tif was never announced",
        ),
        (
            "UPDATE frames SET file_id = 77 WHERE side = 'lm'",
            "points at a missing files",
        ),
    ],
)
def test_damage_to_the_database_is_found(
    finished: Finished, statement: str, problem: str
) -> None:
    """Lost, doubled, never said: each has its own line."""
    change(finished, statement)

    assert problem in finished.problems()


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (lambda p: p.unlink(), "input a.tif is gone"),
        (lambda p: p.write_bytes(b"x"), "input a.tif was modified"),
        (
            lambda p: p.with_name("a.log").write_bytes(b""),
            "a.log was written beside the inputs",
        ),
    ],
)
def test_touched_input_is_found(
    finished: Finished, harm: Callable[[Path], object], problem: str
) -> None:
    """Nothing of the microscope's is ever changed."""
    harm(finished.expected["a.tif"].path)

    assert problem in finished.problems()


def test_file_that_was_never_seen_is_found(finished: Finished) -> None:
    """It was exported while the daemon was dead, and nobody looked again."""
    entry = finished.expected["a.tif"]
    finished.expected["late.tif"] = entry

    assert "late.tif is on record 0 times" in finished.problems()
