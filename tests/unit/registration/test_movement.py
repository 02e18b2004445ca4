"""Summed tile surfaces are climbed to the movement that made them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clemd.registration._movement import MovementFit, _spline_at, _spline_coefficients
from clemd.registration._surfaces import Surfaces

SHAPE = (180, 240)
REACH = 10


def surfaces_of(linear: np.ndarray, shift: tuple[float, float]) -> Surfaces:
    """Gaussian peaks where an affine movement puts every tile."""
    y, x = np.mgrid[15:180:30, 15:240:30].astype(float)
    centres = np.c_[x.ravel(), y.ravel()]
    middle = [(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2]
    moved = (centres - middle) @ linear.T + shift
    at = np.arange(-REACH, REACH + 1)
    values = np.exp(
        -((at[None, None, :] - moved[:, 0, None, None]) ** 2) / 18
        - (at[None, :, None] - moved[:, 1, None, None]) ** 2 / 18
    )
    return Surfaces(
        values=torch.from_numpy(values)[None],
        centres=torch.from_numpy(centres),
        reach_px=REACH,
        score=torch.zeros(1, dtype=torch.float64),
        overlap=torch.ones(1, dtype=torch.float64),
        energy=torch.ones(len(centres), dtype=torch.float64),
        grid=y.shape,
    )


def test_spline_interpolates_value_and_slope_exactly() -> None:
    """Newton's method needs derivatives that belong to the values."""
    torch.manual_seed(0)
    values = torch.rand(1, 2, 15, 15, dtype=torch.float64)
    at = torch.tensor([[[4.0, 7.3], [9.0, 5.6]]], dtype=torch.float64)
    coefficients = _spline_coefficients(values, 0.0)
    value, slope, bend = _spline_at(coefficients, at)
    assert float(value[0, 0]) == pytest.approx(float(values[0, 0, 9, 4]), abs=1e-9)
    step = 1e-5
    for axis in (0, 1):
        moved = at.clone()
        moved[:, axis] += step
        value2, slope2, _ = _spline_at(coefficients, moved)
        assert torch.allclose((value2 - value) / step, slope[:, axis], atol=1e-4)
        assert torch.allclose((slope2 - slope) / step, bend[:, axis], atol=1e-3)


@pytest.mark.parametrize(("turn_deg", "scale"), [(0.0, 1.0), (2.0, 0.97), (-3.0, 1.02)])
def test_similarity_is_recovered(turn_deg: float, scale: float) -> None:
    """Also from the far end of the capture range, and to a twentieth of a px."""
    t = math.radians(turn_deg)
    linear = scale * np.array([[math.cos(t), -math.sin(t)], [math.sin(t), math.cos(t)]])
    made = surfaces_of(linear - np.eye(2), (3.3, -2.6))
    found = MovementFit(made, SHAPE).similarity(capture=True).matrices[0].numpy()
    corner = np.array([0.0, 0.0, 1.0])
    middle = np.array([(SHAPE[1] - 1) / 2, (SHAPE[0] - 1) / 2])
    expected = linear @ (corner[:2] - middle) + middle + [3.3, -2.6]
    assert found[:2] @ corner == pytest.approx(expected, abs=0.05)


def test_affine_is_recovered_and_stiffness_holds_it_back() -> None:
    """A price on leaving the similarities must be able to stop it."""
    linear = np.array([[0.02, 0.01], [-0.015, -0.02]])
    made = surfaces_of(linear, (1.0, 0.5))
    soft = MovementFit(made, SHAPE).affine(stiffness=0.0).matrices[0].numpy()
    stiff = MovementFit(made, SHAPE).affine(stiffness=1e3).matrices[0].numpy()
    assert soft[:2, :2] - np.eye(2) == pytest.approx(linear, abs=1e-3)
    assert abs(stiff[0, 0] - stiff[1, 1]) < 1e-3


def test_noisy_tiles_are_outvoted() -> None:
    """A third of the tiles pointing anywhere must not move the rest."""
    made = surfaces_of(np.zeros((2, 2)), (2.0, 1.0))
    rng = np.random.default_rng(1)
    values = made.values.clone()
    for tile in range(0, values.shape[1], 3):
        values[0, tile] = torch.from_numpy(rng.random((2 * REACH + 1,) * 2)) * 0.3
    noisy = Surfaces(
        values=values,
        centres=made.centres,
        reach_px=REACH,
        score=made.score,
        overlap=made.overlap,
        energy=made.energy,
        grid=made.grid,
    )
    found = MovementFit(noisy, SHAPE).similarity(capture=True).matrices[0].numpy()
    assert found[:2, 2] + found[:2, :2] @ [119.5, 89.5] == pytest.approx(
        [121.5, 90.5], abs=0.15
    )
