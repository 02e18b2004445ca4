"""The watching benchmark plays fair: writers do as they say, the judge can fail."""

from __future__ import annotations

import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from clemd.bench._mutating import FOREIGN, KINDS, Base, mutate
from clemd.bench._watching import run_watching
from clemd.bench._watching_habits import HABITS, MOST_S, Story
from clemd.bench._watching_images import KINDS as IMAGES
from clemd.bench._watching_images import draw
from clemd.bench._watching_play import judge
from clemd.bench._watching_service import Claim
from clemd.errors import UsageError


def dice_of(seed: object) -> random.Random:
    """Repeatable."""
    return random.Random(str(seed))  # noqa: S311


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("number", range(4))
def test_writer_leaves_what_it_says_was_complete(
    habit: str, number: int, tmp_path: Path
) -> None:
    """Otherwise a right claim would be called wrong, or a wrong one right."""
    dice = dice_of(f"{habit}/{number}")
    story = Story(path=tmp_path / "a.tif", dice=dice, born_s=1.7e9)
    pauses = list(HABITS[habit](story))

    assert all(0 < pause <= MOST_S for pause in pauses)
    assert story.is_left == story.path.exists()
    if story.is_left:
        assert story.path.read_bytes() == story.versions[-1].data


@pytest.mark.parametrize("kind", IMAGES)
def test_same_seed_draws_the_same_image(kind: str) -> None:
    """A wrong result can be looked at again; the file's own UUID may differ."""
    planes = draw(kind, dice_of(3)).planes

    assert planes == draw(kind, dice_of(3)).planes
    assert planes != draw(kind, dice_of(4)).planes


def told(relative: str, export_sha: str, planes: frozenset[str]) -> Claim:
    """One claim."""
    return Claim(
        relative=relative,
        revision=1,
        sha256=export_sha,
        planes=planes,
        pixel_um=None,
        at_s=2.0,
    )


def test_judge_sees_wrong_pixels_and_lost_files(tmp_path: Path) -> None:
    """One claim is right, one shows what was never complete, one file has none."""
    stories = []
    for number in range(3):
        path = tmp_path / "slow-append" / f"{number}.tif"
        story = Story(path=path, dice=dice_of(number), born_s=1.0)
        story.complete(story.draw("tiff"))
        stories.append(("slow append", story))
    last = [story.versions[-1] for _, story in stories]

    def claims() -> Iterator[Claim]:
        yield told("slow-append/0.tif", last[0].sha256, last[0].planes)
        yield told("slow-append/1.tif", last[1].sha256, frozenset({"0" * 64}))

    one = judge(stories, claims())["slow append"]

    assert (one.files, one.completed, one.found, one.wrong) == (3, 3, 2, 1)
    assert one.examples == [
        "slow-append/1.tif revision 1",
        "slow-append/2.tif not found",
    ]


def test_every_kind_of_damage_is_made(tmp_path: Path) -> None:
    """And none of it outside the watched folder."""
    base = Base(name="a.tif", data=draw("tiff", dice_of(1)).data, beside={})
    made = {}
    for number in range(800):
        folder = tmp_path / str(number) / "export"
        folder.mkdir(parents=True)
        one = mutate(folder, [base], dice_of(number))
        made[one.kind] = one
        assert one.path.parent == folder
        assert [p.name for p in folder.parent.iterdir()] == ["export"]

    assert set(made) == set(KINDS)
    assert stat.S_ISFIFO(made["FIFO"].path.lstat().st_mode)
    assert made["symbolic link"].path.is_symlink()
    assert made["FIFO"].is_never
    assert made["cut"].is_original_only
    assert FOREIGN.encode() in b"".join(
        mutate_traversal(tmp_path, number) for number in range(20)
    )


def mutate_traversal(tmp_path: Path, number: int) -> bytes:
    """Bytes of a file that names another one."""
    from clemd.bench._mutating import _traversal

    return _traversal(dice_of(number))


def test_unknown_part_is_refused() -> None:
    """One line: what, where, what to do."""
    with pytest.raises(UsageError, match="no such part"):
        run_watching(
            trials=1,
            seed=1000,
            data=None,
            parts="habits,nothing",
            jobs=1,
            rows=None,
            as_json=False,
        )
