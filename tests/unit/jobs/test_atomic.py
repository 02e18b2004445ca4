"""An output is whole under its name, or it is not there."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import BinaryIO

import pytest

from clemd.jobs import atomic_write, clean_leftovers


def test_content_arrives_whole(tmp_path: Path) -> None:
    """Bytes, or whatever writes them, e.g. an encoder."""
    atomic_write(tmp_path / "a.png", b"whole")
    atomic_write(tmp_path / "b.png", lambda file: file.write(b"streamed"))

    assert (tmp_path / "a.png").read_bytes() == b"whole"
    assert (tmp_path / "b.png").read_bytes() == b"streamed"
    assert len(list(tmp_path.iterdir())) == 2


def test_nobody_sees_a_part_of_it(tmp_path: Path) -> None:
    """The page may ask for the file at any moment."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def write(file: BinaryIO) -> None:
        file.write(b"half")
        file.flush()
        assert path.read_bytes() == b"old"
        file.write(b" and half")

    atomic_write(path, write)
    assert path.read_bytes() == b"half and half"


def test_failed_writer_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    """An encoder that fails must not destroy the overlay that was there."""
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        atomic_write(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_full_disk_is_reported_and_leaves_no_litter(tmp_path: Path) -> None:
    """A write that the kernel refuses must not end in a renamed stump."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            atomic_write(tmp_path / "a.png", bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_everything_is_flushed_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut the name must not point at nothing; order is everything."""
    events: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(fd: int) -> None:
        events.append("folder" if os.path.isdir(f"/proc/self/fd/{fd}") else "file")  # noqa: PTH112
        fsync(fd)

    def noted_replace(path: Path, target: Path) -> Path:
        events.append("rename")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    atomic_write(tmp_path / "a.png", b"x")

    assert events == ["file", "rename", "folder"]


def test_only_our_own_leftovers_are_cleaned(tmp_path: Path) -> None:
    """A killed writer leaves its temporary file, in any sub-folder."""
    deep = tmp_path / "S" / "r"
    deep.mkdir(parents=True)
    ours = [tmp_path / ".clemd-1.partial", deep / ".clemd-2.partial"]
    others = [deep / "a.png", deep / "b.partial", tmp_path / ".clemd-notes"]
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    kept = outside / ".clemd-3.partial"
    for path in (*ours, *others, kept):
        path.touch()
    (tmp_path / "link").symlink_to(outside)

    assert clean_leftovers(tmp_path) == 2
    assert not any(path.exists() for path in ours)
    assert all(path.exists() for path in (*others, kept))
    assert clean_leftovers(tmp_path / "absent") == 0
