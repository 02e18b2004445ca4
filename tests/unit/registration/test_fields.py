"""Pooled fields: coarser, and still in the same place."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clemd.geometry import apply, binning, invert
from clemd.registration._fields import Field, pooled

SHAPE = (132, 180)


def blob(x_px: float, y_px: float, valid: torch.Tensor | None = None) -> Field:
    """A field with one round spot at a place of its grid."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    spot = np.exp(-((x - x_px) ** 2 + (y - y_px) ** 2) / (2 * 7.0**2))
    re = torch.from_numpy(spot).float()
    share = torch.ones(SHAPE) if valid is None else valid.float()
    return Field(z=torch.stack([re, 0.5 * re, share]), from_full=binning(2))


def centre_of(plane: torch.Tensor) -> np.ndarray:
    """Centre of mass, (x, y) px."""
    y, x = np.mgrid[: plane.shape[0], : plane.shape[1]]
    weight = plane.numpy()
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


@pytest.mark.parametrize("factor", [2.0, 3.0, 2.7, 4.4])
def test_a_spot_stays_where_the_matrix_says(factor: float) -> None:
    """Half a pixel lost in the grid's matrix is two light pixels lost in the pose."""
    at = (71.3, 60.8)
    fine = blob(*at)
    coarse = pooled(fine, factor)
    in_full = apply(invert(fine.from_full), [at])
    for plane in coarse.z[:2]:
        found = centre_of(plane)
        assert found == pytest.approx(apply(coarse.from_full, in_full)[0], abs=0.05)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.05])
def test_nothing_is_pooled_by_one(factor: float) -> None:
    """A small map is taken as it is, without a needless blur."""
    fine = blob(50.0, 50.0)
    assert pooled(fine, factor) is fine


@pytest.mark.parametrize(("first", "kept"), [(4, 44), (5, 44), (6, 43), (7, 43)])
def test_a_pooled_pixel_needs_most_of_its_part(first: int, kept: int) -> None:
    """Three of four columns of specimen are enough, two are not."""
    valid = torch.zeros(SHAPE)
    valid[:, first:] = 1
    coarse = pooled(blob(50.0, 50.0, valid), 4.0)
    share = coarse.z[2]
    assert set(share.unique().tolist()) <= {0.0, 1.0}
    assert share.sum(1).unique().tolist() == [kept]


def test_padding_stays_empty_after_pooling() -> None:
    """What is no specimen has no say, however bright its neighbours are."""
    valid = torch.zeros(SHAPE)
    valid[40:] = 1
    coarse = pooled(blob(70.0, 40.0, valid), 3.0)
    outside = coarse.z[2] == 0
    assert bool(outside.any())
    assert float(coarse.z[:2, outside].abs().max()) == 0.0
