"""Six numbers for a pose: back and forth without loss, radius as it was stated."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.geometry import corner_errors, similarity
from clemd.sessions import cut_out_of
from clemd.sessions._coordinates import placement_of

SHAPE = (300, 400)
MATRIX = similarity(
    scale=0.3, rotation_deg=33, mirrored=True, about=(199.5, 149.5), onto=(500, 320)
)


def test_affine_comes_back_exactly() -> None:
    """Nothing but the third row is approximated."""
    placed = placement_of(MATRIX, SHAPE, None, p95_lm_px=1.0)
    assert np.abs(placed.matrix - MATRIX).max() < 1e-12


def test_perspective_is_kept_about_the_middle() -> None:
    """The neighbourhood of the middle moves as it did."""
    bent = MATRIX.copy()
    bent[2, :2] = [2e-5, -1e-5]
    placed = placement_of(bent, SHAPE, None, p95_lm_px=1.0).matrix
    near = np.array([[199.5, 149.5], [201.5, 149.5], [199.5, 151.5]])

    def moved(m: np.ndarray) -> np.ndarray:
        whole = np.c_[near, np.ones(3)] @ m.T
        return whole[:, :2] / whole[:, 2:]

    assert moved(placed) == pytest.approx(moved(bent), abs=1e-3)


@pytest.mark.parametrize("p95", [0.05, 3.0])
def test_radius_is_the_stated_one(p95: float) -> None:
    """The bootstrap gives the error its form, calibration its size."""
    form = np.diag([4.0, 1.0] * 4)
    placed = placement_of(MATRIX, SHAPE, form, p95_lm_px=p95)
    assert placed.radius_lm_px().p95 == pytest.approx(p95, rel=1e-6)


def test_radius_holds_what_it_says() -> None:
    """Fresh draws from the covariance: nineteen of twenty lie within."""
    placed = placement_of(MATRIX, SHAPE, None, p95_lm_px=2.0)
    rng = np.random.default_rng(7)
    held = []
    for values in rng.multivariate_normal(placed.values, placed.covariance, 600):
        other = placement_of(MATRIX, SHAPE, None, p95_lm_px=1.0)
        other.values[:] = values
        held.append(corner_errors(other.matrix, MATRIX, SHAPE).max() <= 2.0)
    assert 0.92 < np.mean(held) < 0.98


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_crop_is_recognised_by_its_pixels(kind: type) -> None:
    """Cut by the operator from an image that is already placed: nothing to register."""
    parent = np.random.default_rng(1).integers(0, 250, (200, 260)).astype(kind)
    crop = parent[37:137, 81:201].copy()
    assert cut_out_of(crop, parent) == (81, 37)


def test_one_other_pixel_makes_it_another_image() -> None:
    """Exact means exact."""
    parent = np.random.default_rng(1).integers(0, 250, (200, 260), np.uint8)
    crop = parent[37:137, 81:201].copy()
    crop[99, 119] ^= 1
    assert cut_out_of(crop, parent) is None


def test_flat_crop_is_found_nowhere() -> None:
    """A constant patch lies everywhere, so it says nothing."""
    parent = np.random.default_rng(1).integers(0, 250, (200, 260), np.uint8)
    assert cut_out_of(np.zeros((64, 64), np.uint8), parent) is None
    assert cut_out_of(parent[:8, :8], parent) is None
    assert cut_out_of(parent.astype(np.uint16), parent) is None


def test_crop_that_fits_twice_is_no_crop_to_be_sure_of() -> None:
    """Repeated content, exactly: either place may be the one."""
    patch = np.random.default_rng(2).integers(0, 250, (64, 64), np.uint8)
    parent = np.random.default_rng(1).integers(0, 250, (200, 260), np.uint8)
    parent[10:74, 20:84] = patch
    parent[120:184, 150:214] = patch
    assert cut_out_of(patch.copy(), parent) is None
