"""The bench of `global-gradient`: its truth, its arms and its words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clemd.bench.methods._global_gradient import mean_in_words, share_in_words
from clemd.bench.methods._gradient_trials import ARMS, OURS, Laid, between_px
from clemd.bench.methods._vibrational import (
    GUIDE_SHAPE,
    INFRARED,
    LEAST_PX,
    MOST_PX,
    RAMAN,
    error_of,
    vibrational_pair,
)
from clemd.geometry import compose, translation
from clemd.model import Matrix, Registration, Verdict


@pytest.mark.parametrize("technique", [RAMAN, INFRARED], ids=lambda t: t.name)
def test_initial_errors_are_those_of_the_paper(technique: object) -> None:
    """Seven to forty px, all of that range."""
    assert technique in (RAMAN, INFRARED)
    errors = []
    for seed in range(4):
        pair = vibrational_pair(seed, RAMAN if technique is RAMAN else INFRARED)
        errors.append(error_of(pair, pair.stated))
        assert error_of(pair, pair.true) == 0.0
    assert LEAST_PX <= min(errors) < max(errors) <= MOST_PX


def test_one_seed_is_one_pair() -> None:
    """A figure that cannot be had again is none."""
    first, second = (vibrational_pair(3, RAMAN) for _ in range(2))
    np.testing.assert_array_equal(first.cube, second.cube)
    np.testing.assert_array_equal(first.guide, second.guide)
    np.testing.assert_array_equal(first.true, second.true)


def test_both_techniques_look_at_one_specimen() -> None:
    """Maps of two instruments can be compared only through the same guide."""
    raman, infrared = (vibrational_pair(3, t) for t in (RAMAN, INFRARED))
    np.testing.assert_array_equal(raman.guide, infrared.guide)
    assert not np.allclose(raman.true, infrared.true)
    assert raman.guide.shape == GUIDE_SHAPE


def test_the_guide_does_not_show_what_the_spectra_show() -> None:
    """Were their greys alike, any engine would do."""
    pair = vibrational_pair(5, RAMAN)
    total = pair.cube.sum(0)
    y, x = np.mgrid[0 : total.shape[0], 0 : total.shape[1]]
    at = np.einsum("ij,jkl->ikl", pair.true, np.stack([x, y, np.ones_like(x)]))
    inside = (at[0] > 1) & (at[0] < 413) & (at[1] > 1) & (at[1] < 348)
    guide = pair.guide[at[1][inside].astype(int), at[0][inside].astype(int)]
    assert abs(np.corrcoef(guide, total[inside])[0, 1]) < 0.3


def laid(true: Matrix, matrix: Matrix) -> Laid:
    """One map, put where it is told."""
    found = Registration(verdict=Verdict.REVIEW, confidence=0.5, em_to_lm=None)
    return Laid(
        errors_px={OURS: 0.0}, found=found, matrix=matrix, true=true, seconds=1.0
    )


def test_maps_that_are_off_alike_agree_with_each_other() -> None:
    """Table 4 of the paper is about the two maps, not about the guide."""
    one, other = (vibrational_pair(4, t).true for t in (RAMAN, INFRARED))
    right = laid(one, one)
    assert between_px(right, laid(other, other)) == pytest.approx(0.0, abs=1e-9)

    off = laid(other, compose(translation(3.0, 4.0), other))
    assert between_px(right, off) == pytest.approx(5.0, abs=1e-6)
    both = replace(right, matrix=compose(translation(3.0, 4.0), one))
    assert between_px(both, off) == pytest.approx(0.0, abs=1e-6)


def test_words_hold_the_interval_and_the_worst() -> None:
    """A mean alone hides the one map that went astray."""
    said = mean_in_words([1.0, 1.0, 4.0])
    assert said.startswith("2.00 px [1.00-")
    assert "median 1.00, most 4.00, n = 3" in said
    assert share_in_words(0, 10) == "0 of 10 [0-28 %]"
    assert share_in_words(0, 0) == "-"


def test_every_arm_has_a_line() -> None:
    """What is compared must be named."""
    assert OURS in ARMS
    assert len(set(ARMS)) == len(ARMS) == 6
