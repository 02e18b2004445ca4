"""The steps of the published procedure, and what was added to it."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from clemd.geometry import apply, corner_errors, similarity
from clemd.registration.spatio_spectral._cube import (
    entropies,
    shrunk,
    smoothed,
)
from clemd.registration.spatio_spectral._drift import drift_of
from clemd.registration.spatio_spectral._features import (
    differentiated,
    find_features,
    spectra_at,
    spectral_descriptors,
)
from clemd.registration.spatio_spectral._matching import _by_tree, nearest
from clemd.registration.spatio_spectral._voting import vote


def test_product_of_matrices_finds_what_the_tree_finds() -> None:
    """SIFT's numbers are whole: the distances are equal to the last bit."""
    rng = np.random.default_rng(1)
    a = rng.integers(0, 256, (300, 128)).astype(np.float32)
    b = rng.integers(0, 256, (700, 128)).astype(np.float32)

    for one, other in zip(nearest(a, b), _by_tree(a, b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_forty_nine_bands_give_forty_eight_elements() -> None:
    """47 central differences and the zero in front, as the paper counts."""
    spectra = np.random.default_rng(2).uniform(0, 9, (5, 49)).astype(np.float32)
    made = spectral_descriptors(spectra, np.linspace(-2, 8.2, 49))

    assert made.shape == (5, 48)
    assert not made[:, 0].any()
    np.testing.assert_allclose(np.abs(made).max(1), 1.0, atol=1e-5)


def test_differences_are_per_electron_volt() -> None:
    """A straight line of 3 greys an eV has that slope at every step width."""
    energies = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    line = (3.0 * energies + 7)[None].astype(np.float32)

    np.testing.assert_allclose(differentiated(line, energies), 3.0)


def test_spectrum_is_the_mean_of_the_square() -> None:
    """Equation 5, away from the rim."""
    bands = np.random.default_rng(3).uniform(0, 9, (4, 40, 50)).astype(np.float32)
    seen = spectra_at(bands, np.array([[20.2, 11.8]]), 3)

    np.testing.assert_allclose(seen[0], bands[:, 9:16, 17:24].mean((1, 2)), rtol=1e-5)


def test_dark_noise_has_not_the_greatest_entropy() -> None:
    """Scaled by itself, a band of pure noise would win."""
    rng = np.random.default_rng(4)
    scene = cv2.GaussianBlur(rng.normal(0, 1, (128, 160)), (0, 0), 3)
    bands = np.stack([k * 60 * scene + rng.normal(0, 1, scene.shape) for k in range(9)])
    found = entropies(smoothed(bands.astype(np.float32)), np.ones(scene.shape, bool))

    assert int(found.argmax()) == 8


def test_smoothing_keeps_the_mean_of_a_flat_series() -> None:
    """Weights sum to one, at the ends as well."""
    flat = np.full((9, 32, 32), 5.0, np.float32)

    np.testing.assert_allclose(smoothed(flat), 5.0, rtol=1e-5)


def test_halving_first_changes_nothing_that_counts() -> None:
    """By halves or at once, the same px are averaged."""
    image = np.random.default_rng(5).uniform(0, 1, (64, 96)).astype(np.float32)

    np.testing.assert_allclose(
        shrunk(image, (24, 16)),
        cv2.resize(image, (24, 16), interpolation=cv2.INTER_AREA),
        atol=1e-6,
    )


def test_votes_find_the_pose_among_four_times_as_many_outliers() -> None:
    """Wrong matches agree on nothing."""
    rng = np.random.default_rng(6)
    true = similarity(scale=0.4, rotation_deg=33.0, onto=(120.0, 40.0))
    a = rng.uniform(0, 900, (200, 2))
    b = apply(true, a) + rng.normal(0, 0.2, a.shape)
    b[40:] = rng.uniform(0, 600, (160, 2))
    found = vote(a, b)

    assert found is not None
    assert corner_errors(found.matrix, true, (900, 900)).mean() < 0.3
    assert set(range(40)) <= set(found.inliers.tolist()) | {-1}


def test_votes_of_nothing_are_none() -> None:
    """Too few matches, or matches without a common pose, give no matrix."""
    rng = np.random.default_rng(7)

    assert vote(rng.uniform(0, 9, (4, 2)), rng.uniform(0, 9, (4, 2))) is None
    assert vote(rng.uniform(0, 900, (40, 2)), rng.uniform(0, 900, (40, 2))) is None


@pytest.mark.parametrize("way_px", [0.0, 2.5, 6.0])
def test_drift_between_bands_is_measured(way_px: float) -> None:
    """A tenth of a px suffices for the spectra; half a px of drift is common."""
    rng = np.random.default_rng(8)
    scene = cv2.GaussianBlur(rng.normal(0, 40, (360, 480)), (0, 0), 2.0)
    steps = np.linspace(0, way_px, 20)
    bands = []
    for k, step in enumerate(steps):
        shift = np.array([[1, 0, step], [0, 1, -0.5 * step]])
        moved = cv2.warpAffine(scene, shift, (480, 360), flags=cv2.INTER_CUBIC)
        bands.append((0.2 + k / 20) * moved + rng.normal(0, 0.5, scene.shape))
    found = drift_of(np.stack(bands).astype(np.float32), 19)
    true = np.c_[steps - steps[-1], -0.5 * (steps - steps[-1])]

    assert np.abs(found - true).max() < 0.12, math.inf


@pytest.mark.parametrize(("centred", "off_px"), [(True, 0.0), (False, 0.25)])
def test_keypoints_lie_where_the_blobs_are(centred: bool, off_px: float) -> None:
    """OpenCV's default is a quarter of a px off: at two scales that does not cancel."""
    y, x = np.mgrid[:300, :400]
    rng = np.random.default_rng(9)
    at = [
        (40 + 70 * i + rng.uniform(0, 5), 40 + 65 * j + rng.uniform(0, 5))
        for i in range(5)
        for j in range(4)
    ]
    image = np.full((300, 400), 60.0)
    for bx, by in at:
        image += 120 * np.exp(-((x - bx) ** 2 + (y - by) ** 2) / 32)
    grey = image.clip(0, 255).astype(np.uint8)
    bands = np.stack([grey.astype(np.float32)] * 9)
    found = find_features(
        grey, bands, np.arange(9.0), np.ones(grey.shape, bool), centred=centred
    )
    gaps = found.points[:, None] - np.array(at)
    near = np.abs(gaps).max(2).argmin(1)
    own = gaps[np.arange(len(found)), near]
    own = own[np.abs(own).max(1) < 1.0]

    assert len(own) >= 15
    np.testing.assert_allclose(own.mean(0), off_px, atol=0.05)
