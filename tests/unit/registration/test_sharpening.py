"""A freer model has to be earned, on tiles that it was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clemd.geometry import (
    apply,
    compose,
    corner_errors,
    decompose,
    middle_of,
    similarity,
)
from clemd.model import Matrix, TransformModel
from clemd.registration._images import Images, between, refine
from clemd.registration._sharpening import earned_model, nearest_similarity

SHAPE = (280, 340)
MIDDLE = middle_of(SHAPE)
PLACE = similarity(scale=1.0, rotation_deg=27, about=MIDDLE, onto=(248, 252))


def bent(sheared: float = 0.0, keystone: float = 0.0) -> Matrix:
    """The place, with axes that differ and a field that narrows, about its middle.

    `keystone` is the change of scale from the middle to the side.
    """
    there = np.eye(3)
    there[:2, 2] = -np.array(MIDDLE)
    back = np.linalg.inv(there)
    change = np.array(
        [[1 + sheared, sheared, 0], [0, 1 - sheared, 0], [keystone / MIDDLE[0], 0, 1]]
    )
    return compose(PLACE, back, change, there)


@pytest.fixture
def seen_through(
    texture: Callable[..., Any], view: Callable[..., Any], images: Callable[..., Any]
) -> Callable[[Matrix], Images]:
    """An EM image of a specimen whose map is 500 px wide."""
    lm = texture(31, 500)
    return lambda matrix: images(view(lm, matrix, SHAPE), lm)


@pytest.mark.parametrize(
    ("true", "earned"),
    [
        (bent(), TransformModel.SIMILARITY),
        (bent(sheared=0.02), TransformModel.AFFINE),
        (bent(keystone=0.03), TransformModel.HOMOGRAPHY),
        (bent(sheared=0.02, keystone=0.03), TransformModel.HOMOGRAPHY),
    ],
    ids=["similar", "sheared", "keystoned", "both"],
)
def test_content_earns_the_model_it_was_made_by(
    seen_through: Callable[[Matrix], Images], true: Matrix, earned: TransformModel
) -> None:
    """Neither a bent image forced straight nor a straight one bent by its noise."""
    em, lm = seen_through(true).at(1.0, 1.0)
    model, gain = earned_model(em, lm, nearest_similarity(true, MIDDLE))
    assert model is earned, gain


@pytest.mark.parametrize("seed", range(6))
def test_noise_earns_nothing(
    texture: Callable[..., Any], images: Callable[..., Any], seed: int
) -> None:
    """Two specimens: every freer model fits the fitted tiles better, and no others."""
    em, lm = images(texture(seed, 300)[:280], texture(seed + 40, 500)).at(1.0, 1.0)
    model, _ = earned_model(em, lm, PLACE)
    assert model is TransformModel.SIMILARITY


def test_perspective_is_refined_to_a_tenth_of_a_pixel(
    seen_through: Callable[[Matrix], Images],
) -> None:
    """Each round is right to first order only; a few rounds are right."""
    true = bent(keystone=0.03)
    em, lm = seen_through(true).at(1.0, 1.0)
    start = nearest_similarity(true, MIDDLE)
    assert corner_errors(start, true, SHAPE).max() > 4
    (found,), _ = refine(
        em,
        lm,
        [start],
        tiles=8,
        reach_px=8,
        rounds=5,
        model=TransformModel.HOMOGRAPHY,
    )
    assert corner_errors(found, true, SHAPE).max() < 0.15
    assert between(em, lm, [found])[0, 2, :2].abs().max() > 0


def test_nearest_similarity_keeps_place_and_orientation() -> None:
    """What is taken away is the bend, not the pose."""
    true = compose(bent(sheared=0.03, keystone=0.02), np.diag([-1.0, 1.0, 1.0]))
    at = (-MIDDLE[0], MIDDLE[1])
    near = nearest_similarity(true, at)
    assert apply(near, [at])[0] == pytest.approx(apply(true, [at])[0], abs=1e-9)
    parts, bent_parts = decompose(near, at), decompose(true, at)
    assert parts.mirrored is bent_parts.mirrored is True
    assert parts.rotation_deg == pytest.approx(bent_parts.rotation_deg, abs=1e-9)
    assert parts.scale == pytest.approx(bent_parts.scale, rel=1e-9)
    assert parts.anisotropy == pytest.approx(0.0, abs=1e-9)
