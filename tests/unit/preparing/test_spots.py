"""Spots are found where they are, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.errors import UsageError
from clemd.preparing import find_spots


def scene(spots: list[tuple[float, float, float]], *, seed: int = 3) -> np.ndarray:
    """(x, y, height) Gaussian spots on an uneven, noisy background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:300, :400]
    plane = 400 + 0.8 * x + 60 * np.sin(y / 70) + rng.normal(0, 12, x.shape)
    for sx, sy, height in spots:
        plane += height * np.exp(-((x - sx) ** 2 + (y - sy) ** 2) / (2 * 1.8**2))
    return np.clip(plane, 0, 65535).astype(np.uint16)


def test_spots_are_found_to_half_a_pixel_strongest_first() -> None:
    """A stage is driven there; the brightest is what the operator meant."""
    true = [(50.3, 60.7, 900.0), (200.2, 150.4, 500.0), (350.6, 240.1, 300.0)]
    found = find_spots(scene(true))
    assert len(found) == 3
    for spot, (x, y, _) in zip(found, true, strict=True):
        assert np.hypot(spot.x_lm_px - x, spot.y_lm_px - y) < 0.5
    strengths = [spot.contrast for spot in found]
    assert strengths == sorted(strengths, reverse=True)


def test_noise_alone_has_no_spots() -> None:
    """A list of nothing is better than a night's drive to noise."""
    assert find_spots(scene([])) == []


def test_no_more_than_asked_for_are_told() -> None:
    """The strongest ones stay."""
    true = [(40.0 + 60 * n, 100.0, 300.0 + 100 * n) for n in range(5)]
    found = find_spots(scene(true), most=2)
    assert [round(spot.x_lm_px) for spot in found] == [280, 220]


def test_impossible_diameters_are_refused() -> None:
    """One line instead of an empty list."""
    with pytest.raises(UsageError, match="out of range"):
        find_spots(scene([]), diameter_px=(9.0, 3.0))
