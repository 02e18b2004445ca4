"""The witnesses look at a matrix as it is, whoever found it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.geometry import as_matrix, compose, similarity, translation
from clemd.model import Matrix, PosePrior, Timing, Verdict
from clemd.registration import EngineContext
from clemd.registration._images import Images
from clemd.registration._judging import Judged, judged, nowhere, registration_of
from clemd.registration.multimodal import MultimodalEngine

Image = NDArray[Any]
SHAPE = (150, 180)
TRUE = similarity(scale=1.0, rotation_deg=31.0, about=(90.0, 75.0), onto=(150.0, 140.0))
PRIOR = PosePrior(pixel_size_ratio=1.0, scale_tolerance=0.05)


@pytest.fixture(scope="module")
def pair(
    texture: Callable[..., Image],
    view: Callable[..., Image],
    images: Callable[[Image, Image], Images],
) -> Images:
    """An EM image that lies on its map by `TRUE`."""
    lm = texture(5)
    return images(view(lm, TRUE, SHAPE), lm)


def look(pair: Images, matrix: Matrix) -> Judged:
    """As an engine has it judged."""
    return judged(pair, matrix, PRIOR, EngineContext())


def test_right_matrix_is_accepted_and_left_where_it_is(pair: Images) -> None:
    """The answer stays the engine's own: a judge who moves it judges another one."""
    seen = look(pair, TRUE)
    assert seen.judgement.verdict is Verdict.ACCEPTED, seen.judgement.reasons
    assert np.array_equal(seen.matrix, TRUE)


@pytest.mark.parametrize(
    "wrong",
    [
        compose(translation(40.0, -30.0), TRUE),
        compose(TRUE, similarity(scale=1.0, rotation_deg=180.0, about=(89.5, 74.5))),
    ],
    ids=["elsewhere", "turned by a half"],
)
def test_wrong_matrix_is_not_accepted(pair: Images, wrong: Matrix) -> None:
    """A wrong overlay shown as right is the worst thing this program can do."""
    assert look(pair, wrong).judgement.verdict is not Verdict.ACCEPTED


def test_inexact_matrix_has_a_radius_that_covers_it(pair: Images) -> None:
    """An engine that stops short must say so."""
    near = look(pair, compose(translation(1.5, 0.0), TRUE))
    exact = look(pair, TRUE)
    assert near.judgement.radius_lm_px.p95 >= 1.5
    assert near.judgement.radius_lm_px.p95 > exact.judgement.radius_lm_px.p95


def test_answer_carries_what_the_judge_has_seen(pair: Images) -> None:
    """Votes, evidence and reasons belong to the matrix that is told."""
    seen = look(pair, TRUE)
    told = registration_of(
        seen, pair, MultimodalEngine(), EngineContext(seed=7), Timing(search=1.5)
    )
    assert told.em_to_lm is not None
    assert np.array_equal(as_matrix(told.em_to_lm), TRUE)
    assert (told.evidence, told.votes, told.seed) == (seen.evidence, seen.votes, 7)
    assert told.seconds.search == 1.5
    assert told.seconds.verdict == seen.seconds


def test_nothing_found_is_said_without_a_matrix() -> None:
    """Never a matrix that only looks like an answer."""
    told = nowhere(MultimodalEngine(), EngineContext(), Timing(), "no common field")
    assert told.verdict is Verdict.REJECTED
    assert (told.em_to_lm, told.best_guess, told.reasons) == (
        None,
        None,
        ("no common field",),
    )
