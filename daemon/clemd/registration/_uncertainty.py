"""How far off: resample the tiles, see how far the corners move.

Block bootstrap (Kybic 2010): the tiles are drawn again with replacement, the movement
is fitted again from the optimum, and the spread of the corners is the covariance. It
sees noise, not bias; what the second opinion asks for and the sampling pitch are
added, and one factor calibrated on simulated and real tuning pairs makes the radius
hold 95 % of true errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clemd.geometry import corners
from clemd.model import TransformModel

from ._movement import MovementFit
from ._surfaces import Surfaces

REPLICAS = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Where resampled tiles put the corners of the EM field, relative to the fit."""

    covariance_px2: NDArray[np.float64]
    """(8, 8), corners x0 y0 x1 y1 ..., EM field px²."""
    rms_px: float
    """Root mean square corner displacement, EM field px."""


def bootstrap(
    surfaces: Surfaces,
    shape: tuple[int, int],
    *,
    model: TransformModel,
    stiffness: float,
    seed: int,
) -> Spread:
    """Resample the tiles of one matrix's `surfaces` (batch of 1)."""
    tiles = surfaces.values.shape[1]
    rng = np.random.default_rng(seed)
    draws = rng.multinomial(tiles, np.full(tiles, 1 / tiles), size=REPLICAS)
    weights = torch.from_numpy(draws).double().to(surfaces.values.device)
    fit = MovementFit(surfaces, shape, weights)
    moved = fit.fit(model, stiffness=stiffness)
    at = torch.from_numpy(np.c_[corners(shape), np.ones(4)]).to(weights.device)
    corner = torch.einsum("bij,kj->bki", moved.matrices, at)
    corner = corner[..., :2] / corner[..., 2:]
    where = corner.reshape(REPLICAS, 8).cpu().numpy()
    covariance = np.asarray(np.cov(where, rowvar=False), np.float64)
    rms = float(np.sqrt(np.trace(covariance) / 4))
    return Spread(covariance_px2=covariance, rms_px=rms)
