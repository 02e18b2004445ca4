"""Files appear whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from clemd.exporting._atomic import replacing, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """A reader must never meet a part of a file."""
    path = tmp_path / "t.json"
    write_text(path, "old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("half of the n")
            assert partial.parent == path.parent, "a rename stays in one file system"
            assert partial.name.startswith(".")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_finished_write_replaces(tmp_path: Path) -> None:
    """Replays write the same names again."""
    path = tmp_path / "t.json"
    write_text(path, "old")
    write_text(path, "new µ")

    assert path.read_text(encoding="utf-8") == "new µ"
    assert stat.S_ISREG(path.stat().st_mode)
    assert list(tmp_path.iterdir()) == [path]
