"""The pairing benchmark plays fair: it can fail, and says the same twice."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clemd.bench._pairing import run_pairing
from clemd.bench._pairing_play import play
from clemd.bench._pairing_world import HABITS, visit
from clemd.errors import UsageError
from clemd.model import Side


def test_each_habit_of_labs_is_played_with_both_sides_shuffled() -> None:
    """Maps come before, between and after the images of both specimens."""
    visits = [visit(seed) for seed in range(20, 30)]

    assert {one.habit for one in visits} == set(HABITS)
    for one in visits:
        sides = [frame_id[:2] for frame_id in one.order]
        assert sorted(one.order) == sorted([*one.images, *one.maps])
        assert sides != sorted(sides)
        assert len({area.split("/")[0] for area in one.area_of.values()}) == 2
    files = [
        frame
        for one in visits
        for frame in [*one.maps.values()]
        + [image.arrived for image in one.images.values()]
    ]
    stripped = sum(f.frame.pixel_size is None for f in files) / len(files)
    assert 0.2 < stripped < 0.4
    skew = [
        (f.frame.acquired_at - f.arrived_at).total_seconds() / 3600
        for f in files
        if f.frame.acquired_at and f.side is Side.LM
    ]
    assert max(skew) - min(skew) > 24


def test_same_seed_is_the_same_session() -> None:
    """A figure that cannot be repeated is an anecdote."""
    assert play(visit(31), 31, pixels=True) == play(visit(31), 31, pixels=True)


def test_rules_that_say_nothing_are_found_out() -> None:
    """With the names' rule taken away, the files alone no longer tell the maps."""
    one = next(v for s in range(20, 40) if (v := visit(s)).habit == "names")
    blind = replace(one, settings=one.settings.model_copy(update={"names": ()}))
    right = sum(o.is_right for o in play(one, 1, pixels=False))
    guessed = play(blind, 1, pixels=False)

    assert sum(o.is_right for o in guessed) < right
    assert all(o.is_marked for o in guessed)


def test_report_counts_every_image(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows add up to the whole, with intervals."""
    run_pairing(5, 40, as_json=True)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    rows = found["with_verdicts"]

    assert found["tuning"] is True
    assert sum(rows[h]["right"]["of"] for h in HABITS) == rows["all"]["right"]["of"]
    assert rows["all"]["right"]["low"] <= rows["all"]["right"]["high"]
    assert rows["all"]["right"]["hits"] > 0.9 * rows["all"]["right"]["of"]


def test_seed_that_belongs_to_nothing_is_refused() -> None:
    """Tuning begins at 10, reporting at 1000."""
    with pytest.raises(UsageError, match="tuning seeds begin at 10"):
        run_pairing(1, 3, as_json=False)
