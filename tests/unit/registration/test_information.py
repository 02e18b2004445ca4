"""Mutual information: exact slopes, the same bits again, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from clemd.geometry import similarity, translation
from clemd.registration._information import MOST_MOVE_PX, Information

EM_SHAPE = (150, 190)
TRUE = similarity(scale=0.9, rotation_deg=20, about=(94.5, 74.5), onto=(150, 140))


def planes(texture: Callable[..., Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """(EM grey, LM grey), whose greys depend on each other, but up and down."""
    lm = texture(11).astype(np.float32) / 255
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    em = cv2.warpPerspective(lm, TRUE, EM_SHAPE[::-1], flags=flags).clip(0, 1)
    folded = 0.5 + 0.5 * np.cos(2.2 * np.pi * lm)
    return torch.from_numpy(em), torch.from_numpy(folded.astype(np.float32))


def asked(
    texture: Callable[..., Any], moved_px: tuple[float, float] = (0.0, 0.0)
) -> Information:
    """Mutual information around a matrix that is off by `moved_px` of the EM."""
    em, lm = planes(texture)
    matrix = torch.from_numpy(TRUE @ translation(*moved_px))
    return Information(em, lm, torch.ones_like(em), torch.ones_like(lm), matrix)


@pytest.mark.parametrize("at", [(0, 0, 0, 0), (0.7, -0.4, 1.3, -0.6), (-1, 1, -0.2, 2)])
def test_slope_is_that_of_the_value(
    texture: Callable[..., Any], at: tuple[float, ...]
) -> None:
    """A climb along anything else stops beside the maximum, and nobody sees it."""
    information = asked(texture)
    here = np.array(at, float)
    _, slope = information.bits(here)
    step = 1e-4
    measured = [
        (information.bits(here + step * e)[0] - information.bits(here - step * e)[0])
        / (2 * step)
        for e in np.eye(4)
    ]
    assert np.abs(slope - measured).max() < 1e-4 * np.abs(slope).max()


def test_asking_again_gives_the_same_bits(texture: Callable[..., Any]) -> None:
    """A second opinion that changes its mind could not be replayed."""
    p = np.array([0.3, 0.2, -0.8, 0.5])
    (bits, slope), (again, slope_again) = (asked(texture).bits(p) for _ in range(2))
    assert bits == again
    assert slope.tobytes() == slope_again.tobytes()
    first, second = (asked(texture, (0.6, -0.3)).polish() for _ in range(2))
    assert torch.equal(first.movement, second.movement)


@pytest.mark.parametrize("moved_px", [(1.0, 0.0), (-0.7, 0.7), (0.0, 0.0)])
def test_polish_finds_back(
    texture: Callable[..., Any], moved_px: tuple[float, float]
) -> None:
    """Although bright is dark here and bright again there: only dependence counts."""
    information = asked(texture, moved_px)
    polished = information.polish()
    whole = torch.from_numpy(translation(*moved_px)) @ polished.movement
    ends = torch.tensor(
        [[0, 0, 1], [EM_SHAPE[1] - 1, EM_SHAPE[0] - 1, 1]], dtype=torch.float64
    )
    left = (ends @ whole.T)[:, :2] - ends[:, :2]
    assert float(left.norm(dim=1).max()) < 0.1
    assert polished.after_bits >= polished.before_bits
    assert polished.standing > 3


def test_polish_stays_near(texture: Callable[..., Any]) -> None:
    """It has no say about other places: a climb that runs away ends at its bounds."""
    polished = asked(texture, (9.0, -9.0)).polish()
    centre = torch.tensor(
        [(EM_SHAPE[1] - 1) / 2, (EM_SHAPE[0] - 1) / 2, 1], dtype=torch.float64
    )
    moved = (polished.movement @ centre)[:2] - centre[:2]
    assert float(moved.abs().max()) <= MOST_MOVE_PX + 1e-6


def test_a_handful_of_pixels_is_not_asked(texture: Callable[..., Any]) -> None:
    """A histogram of 24 x 24 filled by a few samples agrees with anything."""
    em, lm = planes(texture)
    little = torch.zeros_like(em)
    little[:25, :25] = 1
    matrix = torch.from_numpy(TRUE)
    assert not Information(em, lm, little, torch.ones_like(lm), matrix).is_answerable
    whole = torch.ones_like(em)
    assert Information(em, lm, whole, torch.ones_like(lm), matrix).is_answerable
