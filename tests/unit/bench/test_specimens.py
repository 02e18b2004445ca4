"""Simulated trials: the truth is true, and each tier is what it says."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.bench._disturbing import drown
from clemd.bench._negatives import CODES as NEGATIVE_CODES
from clemd.bench._specimens import CODES, positive, specimen
from clemd.bench._trial import FIRST_REPORTING_SEED, TIERS
from clemd.geometry import apply, compose, corners, decompose, translation

from .likeness import likeness

SEED = 1003


@pytest.mark.parametrize("tier", [t for t in TIERS if t != "noisy"])
def test_edges_meet_at_the_truth_and_nowhere_near(tier: str) -> None:
    """Enlarged, framed, inverted, hanging over: the matrix must know all of it."""
    trial = positive(tier, "small", SEED)
    assert trial.em_to_lm is not None
    here = likeness(trial, trial.em_to_lm)
    steps = ((5, 0), (-5, 0), (0, 5), (0, -5))
    near = [likeness(trial, compose(translation(*s), trial.em_to_lm)) for s in steps]

    assert here > 0.12
    assert here > 1.5 * max(near)


@pytest.mark.parametrize("tier", TIERS)
def test_trial_comes_back_from_its_seed_alone(tier: str) -> None:
    """A failing case must be made again; another seed is another specimen."""
    one, again, other = (positive(tier, "small", s) for s in (SEED, SEED, SEED + 1))

    assert np.array_equal(one.em, again.em)
    assert np.array_equal(one.lm, again.lm)
    assert one.ratio == again.ratio
    assert not np.array_equal(one.lm, other.lm)


def test_mild_is_the_capture_range_of_the_published_methods() -> None:
    """Nearly the same field, turned a little, the scale known to 1 %."""
    for seed in range(SEED, SEED + 4):
        trial = positive("mild", "small", seed)
        assert trial.em_to_lm is not None
        assert trial.ratio is not None
        parts = decompose(trial.em_to_lm)
        height, width = trial.em.shape
        centre = apply(trial.em_to_lm, corners((height, width))).mean(axis=0)
        off = np.linalg.norm(centre - (np.array(trial.lm.shape[::-1]) - 1) / 2)

        assert -15 <= parts.rotation_deg <= 10
        assert not parts.mirrored
        assert 0.015 < off / trial.width_lm_px < 0.05
        assert parts.anisotropy < 1e-9
        assert abs(trial.ratio * parts.scale - 1) <= 0.0101


@pytest.mark.parametrize("tier", ["session", "wild", "unknown"])
def test_half_of_the_field_or_more_is_on_the_map(tier: str) -> None:
    """Less is refused by design, and would count as a failure of the search."""
    trials = [positive(tier, "small", seed) for seed in range(SEED, SEED + 6)]

    assert min(trial.overlap for trial in trials) >= 0.5


def test_unknown_scale_is_not_told() -> None:
    """The EM field may be anything from 15 to 115 % of the map."""
    for seed in range(SEED, SEED + 4):
        trial = positive("unknown", "small", seed)

        assert trial.ratio is None
        # a frame may add a tenth
        assert 0.14 < trial.width_lm_px / trial.lm.shape[1] < 1.3


def test_told_ratio_is_within_what_the_search_spans() -> None:
    """10 % wrong at most, 1 to 10 EM px for each LM px."""
    for tier in ("session", "wild", "clean"):
        for seed in range(SEED, SEED + 3):
            trial = positive(tier, "small", seed)
            assert trial.em_to_lm is not None
            assert trial.ratio is not None
            scale = decompose(trial.em_to_lm).scale

            assert abs(trial.ratio * scale - 1) <= 0.101
            assert 0.99 <= 1 / scale <= 10.1


def test_noise_drowns_the_signal() -> None:
    """SNR below 1: the noise varies more than the specimen does."""
    rng = np.random.default_rng(2)
    clean = np.asarray(rng.uniform(0, 255, (40, 40)), np.uint8).repeat(8, 0)
    noisy = [drown(clean, np.random.default_rng(s), 0.8).astype(float) for s in (1, 2)]
    noise = (noisy[0] - noisy[1]).std() / np.sqrt(2)
    signal = np.sqrt(np.mean([n.var() for n in noisy]) - noise**2)

    assert signal / noise == pytest.approx(0.8, abs=0.05)


def test_noisy_leaves_sixty_percent_to_register() -> None:
    """Off the map, or behind a flat block."""
    seen = set()
    for seed in range(SEED, SEED + 8):
        trial = positive("noisy", "small", seed)
        hidden = float((trial.em == 0).mean())
        is_masked = hidden > 0.3
        seen.add(is_masked)
        left = 1 - hidden if is_masked else trial.overlap

        assert left == pytest.approx(0.6, abs=0.04)
    assert seen == {True, False}


def test_tuning_and_reporting_never_see_the_same_specimen() -> None:
    """Nor do two kinds of trials; else the report would be of what was learned."""
    codes = [*CODES.values(), *NEGATIVE_CODES.values()]
    tuned = {specimen(s, c) for s in range(FIRST_REPORTING_SEED) for c in codes}
    told = {
        specimen(s, c)
        for s in range(FIRST_REPORTING_SEED, 2 * FIRST_REPORTING_SEED)
        for c in codes
    }

    assert len(tuned) == len(codes) * FIRST_REPORTING_SEED
    assert not tuned & told
