"""The second opinion is heard where the first is unsure, and not where they quarrel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clemd.geometry import corner_errors, similarity, translation
from clemd.model import Matrix
from clemd.registration._opinion import Opinion, second_opinion

SHAPE = (160, 200)
TRUE = similarity(scale=1.0, rotation_deg=33, about=(99.5, 79.5), onto=(150, 148))


@pytest.fixture
def opinion_of(
    texture: Callable[..., Any], view: Callable[..., Any], images: Callable[..., Any]
) -> Callable[[Matrix, float], Opinion]:
    """Ask about a matrix whose edges were that noisy, px of the map."""
    lm = texture(21)
    both = images(view(lm, TRUE, SHAPE), 255 - lm)

    def opinion_of(matrix: Matrix, noise_px: float) -> Opinion:
        em, lm_field = both.at(1.0, 1.0)
        return second_opinion(both, em, lm_field, matrix, noise_px)

    return opinion_of


def test_sharp_edges_need_no_help(opinion_of: Callable[..., Opinion]) -> None:
    """Where edges are sure to a fifth of a px the matrix stays as they found it."""
    said = opinion_of(TRUE, 0.19)
    assert said.weight == 0.0
    assert np.array_equal(said.matrix, TRUE)
    assert said.standing > 3


def test_noisy_edges_share_the_say(opinion_of: Callable[..., Opinion]) -> None:
    """Two measures that err for different reasons: their mean is nearer."""
    off = TRUE @ translation(0.8, -0.5)
    said = opinion_of(off, 0.6)
    assert said.weight == 0.5
    assert said.apart_lm_px == pytest.approx(np.hypot(0.8, 0.5), abs=0.2)
    before = corner_errors(off, TRUE, SHAPE).mean()
    assert corner_errors(said.matrix, TRUE, SHAPE).mean() == pytest.approx(
        before / 2, abs=0.15
    )


def test_the_say_grows_with_the_noise(opinion_of: Callable[..., Opinion]) -> None:
    """No step at which a hair of noise moves the overlay."""
    weights = [opinion_of(TRUE, noise).weight for noise in (0.2, 0.35, 0.5)]
    assert weights == pytest.approx([0.0, 0.25, 0.5], abs=1e-6)


def test_opinions_far_apart_are_not_averaged(
    opinion_of: Callable[..., Opinion],
) -> None:
    """Between two places lies a third, where nothing is; how far apart is kept."""
    off = TRUE @ translation(2.0, 1.6)
    said = opinion_of(off, 0.6)
    assert said.apart_lm_px > 3 * 0.6
    assert said.weight == 0.0
    assert np.array_equal(said.matrix, off)
