"""Points that somebody clicked decide a pose, and how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.geometry import (
    apply,
    corner_errors,
    corners,
    similarity,
    similarity_through,
)

SHAPE = (900, 1200)
MIDDLE = (599.5, 449.5)
POINTS = [(100.0, 80.0), (1050.0, 200.0), (400.0, 800.0), (900.0, 700.0)]


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("count", [3, 4])
def test_exact_points_give_the_exact_pose(count: int, mirrored: bool) -> None:
    """Three points tell a mirrored image from one that is turned."""
    pose = similarity(
        scale=0.31, rotation_deg=-137, mirrored=mirrored, about=MIDDLE, onto=(300, 280)
    )
    fit = similarity_through(POINTS[:count], apply(pose, POINTS[:count]))

    assert fit.mirrored is mirrored
    assert corner_errors(fit.matrix, pose, SHAPE).max() < 1e-9
    assert fit.scatter_px < 1e-9


def test_two_points_are_not_taken_for_a_mirror_image() -> None:
    """They fit either way; what is rarer has to be said."""
    pose = similarity(
        scale=0.5, rotation_deg=20, mirrored=False, about=MIDDLE, onto=(300, 280)
    )
    seen = apply(pose, POINTS[:2])

    assert not similarity_through(POINTS[:2], seen).mirrored
    assert similarity_through(POINTS[:2], seen, mirrored=True).mirrored


def test_radius_holds_the_worst_corner_95_times_of_100() -> None:
    """It is the promise that stands beside a pose placed by hand."""
    rng = np.random.default_rng(7)
    pose = similarity(
        scale=0.31, rotation_deg=64, mirrored=False, about=MIDDLE, onto=(300, 280)
    )
    there = apply(pose, POINTS[:3])
    held, trials = 0, 2000
    for _ in range(trials):
        clicked = there + rng.normal(0, 1.5, there.shape)
        fit = similarity_through(POINTS[:3], clicked, mirrored=False)
        corner = int(np.argmax([abs(complex(*c) - fit.middle) for c in corners(SHAPE)]))
        error = corner_errors(fit.matrix, pose, SHAPE)[corner]
        held += error <= fit.radius_p95_px(SHAPE, 1.5)

    assert 0.93 < held / trials < 0.97


@pytest.mark.parametrize(
    "points", [[], [(1.0, 2.0)], [(5.0, 5.0), (5.0, 5.0), (5.0, 5.0)]]
)
def test_points_that_decide_nothing_are_refused(
    points: list[tuple[float, float]],
) -> None:
    """A matrix of them would only look like an answer."""
    with pytest.raises(ValueError, match="points"):
        similarity_through(points, points)
