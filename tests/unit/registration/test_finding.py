"""Ranking: refinement may sharpen a pose, never spoil it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clemd.geometry import as_rows, corner_errors, middle_of, similarity
from clemd.model import PosePrior
from clemd.registration._engine import EngineContext
from clemd.registration._finding import (
    QUICK,
    RANK_EM_PX,
    RANK_LM_PX,
    bands,
    find,
    rank,
    score_poses,
    search_band,
)
from clemd.registration._images import Images, Pose
from clemd.registration._search import distinct

SHAPE = (280, 340)
PLACE = similarity(scale=1.0, rotation_deg=27, about=middle_of(SHAPE), onto=(248, 252))
PRIOR = PosePrior(pixel_size_ratio=1.0)


def searched(images: Images) -> list[Pose]:
    """The basins of a quick search, right and wrong ones."""
    (band,) = bands(images.em, images.lm, PRIOR, QUICK)
    found = search_band(images, band, QUICK, EngineContext())
    return [Pose(c.matrix, c, band.ratio) for c in distinct(found, 16)]


def test_no_pose_is_worse_for_having_been_refined(
    texture: Callable[..., Any], view: Callable[..., Any], images: Callable[..., Any]
) -> None:
    """Edges near by can draw a pose away from where it fitted best."""
    lm = texture(31, 500)
    both = images(view(lm, PLACE, SHAPE, noise=40.0), lm)
    poses = searched(both)
    score_poses(both, poses, both.reduction(1.0, RANK_EM_PX, RANK_LM_PX), PRIOR)
    before = {id(pose): pose.merit for pose in poses}

    rank(both, poses, PRIOR)

    assert len(poses) > 8
    assert all(pose.merit >= before[id(pose)] for pose in poses)
    best = max(poses, key=lambda pose: pose.merit)
    assert corner_errors(best.matrix, PLACE, SHAPE).max() < 3.0


def test_foretold_pose_is_heard_where_the_scale_is_not_known(
    texture: Callable[..., Any], view: Callable[..., Any], images: Callable[..., Any]
) -> None:
    """Nobody searched for it, so it has no score of a search to be kept by."""
    lm = texture(31, 500)
    both = images(view(lm, PLACE, SHAPE, noise=40.0), lm)
    prior = PosePrior(expected=as_rows(PLACE))

    poses, _, _ = find(both, prior, QUICK, EngineContext())

    assert sum(pose.candidate.score == 0.0 for pose in poses) == 1
