"""Negatives have no right answer, and their look-alikes look alike."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.bench._ambiguous import ambiguous
from clemd.bench._negatives import CODES, LEAST_MISS_DEG, negative
from clemd.bench._specimens import true_pose
from clemd.bench._trial import SUCCESS, Trial
from clemd.geometry import compose, mirroring, translation

from .likeness import likeness

SEED = 1001


@pytest.mark.parametrize("kind", CODES)
def test_no_answer_to_a_negative_is_right(kind: str) -> None:
    """The pose of the pixels included, where what is told excludes it."""
    trial = negative(kind, "small", SEED)
    best = np.eye(3) if trial.em_to_lm is None else trial.em_to_lm

    assert trial.is_negative
    assert np.isinf(trial.errors_lm_px(best)).all()


@pytest.mark.parametrize("kind", [*CODES, "twins", "lattice"])
def test_negative_comes_back_from_its_seed_alone(kind: str) -> None:
    """A false accept must be looked at again."""
    make = negative if kind in CODES else ambiguous
    one, again = (make(kind, "small", SEED) for _ in range(2))

    assert np.array_equal(one.em, again.em)
    assert np.array_equal(one.lm, again.lm)
    assert one.ratio == again.ratio


def test_flipped_content_is_told_the_wrong_mirror() -> None:
    """And nothing else is wrong with it."""
    for seed in range(SEED, SEED + 3):
        trial = negative("flipped", "small", seed)
        assert trial.em_to_lm is not None
        assert trial.mirror is not true_pose(trial.em_to_lm)[1]


def test_wrong_basin_is_told_a_range_without_the_truth() -> None:
    """By a margin that refinement cannot cross."""
    for seed in range(SEED, SEED + 6):
        trial = negative("wrong-basin", "small", seed)
        assert trial.em_to_lm is not None
        true = true_pose(trial.em_to_lm)[0]
        low, high = trial.rotation_deg
        above, below = (true - high) % 360, (low - true) % 360

        assert above + below == pytest.approx(360 - (high - low))
        assert min(above, below) >= LEAST_MISS_DEG - 1e-6


@pytest.mark.parametrize("kind", ["flipped", "wrong-basin"])
def test_pixels_of_a_wrongly_told_negative_do_fit(kind: str) -> None:
    """What is told must be all that is wrong with it, framed or not."""
    for seed in range(SEED, SEED + 4):
        trial = negative(kind, "small", seed)
        assert trial.em_to_lm is not None
        near = compose(translation(5, 3), trial.em_to_lm)

        assert likeness(trial, trial.em_to_lm) > 1.3 * likeness(trial, near)


def twin_of(trial: Trial) -> np.ndarray:
    """The pose mirrored about the middle line of the map."""
    assert trial.em_to_lm is not None
    return compose(mirroring(trial.lm.shape[1]), trial.em_to_lm)


def test_mirrored_twin_fits_as_well_and_is_wrong() -> None:
    """Only the faint remainder tells them apart."""
    for seed in range(SEED, SEED + 3):
        trial = ambiguous("twins", "small", seed)
        assert trial.em_to_lm is not None
        twin = twin_of(trial)

        assert likeness(trial, trial.em_to_lm) > 0.2
        assert likeness(trial, twin) > 0.75 * likeness(trial, trial.em_to_lm)
        assert trial.errors_lm_px(twin).mean() > SUCCESS * trial.width_lm_px


def test_lattice_fits_again_a_step_further_on() -> None:
    """A step is much more than what counts as right."""
    for seed in range(SEED, SEED + 3):
        trial = ambiguous("lattice", "small", seed)
        step, alike = nearest_repeat(trial)

        assert alike > 0.5
        assert step > 3 * SUCCESS * trial.width_lm_px


def nearest_repeat(trial: Trial) -> tuple[float, float]:
    """Best shift that brings the map onto itself: its length in LM px, how well."""
    image = trial.lm.astype(float) - trial.lm.mean()
    power = np.abs(np.fft.fft2(image)) ** 2
    shifted = np.fft.fftshift(np.fft.ifft2(power).real)
    shifted /= shifted.max()
    height, width = shifted.shape
    y, x = np.mgrid[:height, :width]
    far = np.hypot(x - width // 2, y - height // 2)
    beyond = 0.08 * trial.width_lm_px
    assert far[(shifted > 0.5) & (far < beyond)].max() < beyond - 1
    ring = np.where((far > beyond) & (far < width / 2), shifted, -1)
    peak = np.unravel_index(ring.argmax(), ring.shape)
    return float(far[peak]), float(ring[peak])


def test_truth_of_a_lattice_is_the_place_of_its_debris() -> None:
    """Else the right answer would be counted as wrong."""
    trial = ambiguous("lattice", "small", SEED)
    assert trial.em_to_lm is not None

    assert likeness(trial, trial.em_to_lm) > 0.5
