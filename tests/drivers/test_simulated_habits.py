"""Every habit really shows the states in between, and ends with the whole file."""

from __future__ import annotations

from pathlib import Path

import pytest

from clemd_drivers.simulated._habits import HABITS

DATA = bytes(range(1, 251)) * 40


def _encode(remark: str) -> bytes:
    return DATA + remark.encode()


def _states(habit: str, path: Path) -> list[dict[str, bytes]]:
    """The folder's content at every pause and at the end."""
    seen = []
    for pause in HABITS[habit](path, _encode):
        assert pause >= 0
        seen.append(_content(path.parent))
    return [*seen, _content(path.parent)]


def _content(folder: Path) -> dict[str, bytes]:
    return {entry.name: entry.read_bytes() for entry in folder.iterdir()}


@pytest.mark.parametrize("habit", sorted(HABITS))
def test_every_habit_ends_with_the_whole_file(habit: str, tmp_path: Path) -> None:
    """Whatever the detours, the operator gets an image."""
    last = _states(habit, tmp_path / "a.tif")[-1]

    assert last["a.tif"].startswith(DATA)
    assert not [name for name in last if name.endswith(".part")]


def test_rename_never_shows_a_partial_file_under_its_name(tmp_path: Path) -> None:
    """That is the contract a profile relies on."""
    states = _states("rename", tmp_path / "a.tif")

    assert all(s.get("a.tif", DATA) == DATA for s in states)
    assert 0 < len(states[0]["a.tif.part"]) < len(DATA)


def test_append_shows_growing_beginnings(tmp_path: Path) -> None:
    """A reader that comes early finds a shorter file, not wrong bytes."""
    sizes = [len(s["a.tif"]) for s in _states("append", tmp_path / "a.tif")]

    assert sizes == sorted(set(sizes))
    assert len(sizes) >= 5


def test_presize_has_the_final_size_and_a_zero_tail(tmp_path: Path) -> None:
    """Size alone says nothing about completeness."""
    states = [s["a.tif"] for s in _states("presize", tmp_path / "a.tif")]

    assert {len(s) for s in states} == {len(DATA)}
    assert states[0] == bytes(len(DATA))
    assert all(s.endswith(b"\0\0") for s in states[:-1])
    assert states[-1] == DATA


def test_sidecar_comes_after_its_image(tmp_path: Path) -> None:
    """The image is whole while the text beside it is still missing."""
    before, after = _states("sidecar", tmp_path / "a.tif")

    assert before == {"a.tif": DATA}
    assert "a.txt" in after


def test_reexport_replaces_the_file_by_another_version(tmp_path: Path) -> None:
    """The daemon must notice a second version under an old name."""
    before, after = _states("reexport", tmp_path / "a.tif")

    assert before["a.tif"] != after["a.tif"]
