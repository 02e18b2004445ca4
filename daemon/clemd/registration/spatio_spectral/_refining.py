"""From the matches' pose to a small fraction of a pixel: every band takes part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, corners, invert
from clemd.model import Matrix, TransformModel

from ._cube import Cube
from ._laying import Fit
from ._mixing import Grids

HELD_OUT_GAIN = 0.002
"""An affine must explain this fraction more of tiles that were not fitted."""
LEAST_SIDE_PX = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Refined:
    """The pose after refinement."""

    matrix: Matrix
    """EM cube px -> LM cube px, between the reference bands."""
    model: TransformModel
    noise_px: float
    """Deviation of the worst corner by the residuals alone, LM cube px."""
    halves_px: float
    """How far odd and even bands by themselves put the corners apart; mean, LM px."""
    affine_gain: float
    explained: float
    """Share of the EM mixtures' variance that the LM's explain."""


def refine(
    em: Cube,
    lm: Cube,
    em_drift: NDArray[np.float64],
    lm_drift: NDArray[np.float64],
    matrix: Matrix,
) -> Refined | None:
    """Refine `matrix` (EM cube px -> LM cube px); None where too little overlaps."""
    grids = Grids(em, lm, em_drift, lm_drift, matrix)
    if (
        min(grids.em.shape[1:]) < LEAST_SIDE_PX
        or min(grids.lm.shape[1:]) < LEAST_SIDE_PX
    ):
        return None
    every = np.arange(len(em.bands))
    sides = grids.mixed(every)
    start = compose(sides[1].from_cube, matrix, invert(sides[0].from_cube))
    fit = Fit(*sides)
    stiff = fit.run(start, TransformModel.SIMILARITY)
    if stiff is None:
        return None
    gain = fit.held_out_gain(stiff)
    model = TransformModel.SIMILARITY
    best = stiff
    if gain > HELD_OUT_GAIN:
        free = fit.run(stiff, TransformModel.AFFINE)
        if free is not None:
            best, model = free, TransformModel.AFFINE
    halves = [Fit(*grids.mixed(every[part::2])).run(best, model) for part in (0, 1)]
    shape = sides[0].planes.shape[1:]
    apart = _apart(halves, shape)
    noise, explained = fit.quality(best, model)
    back = compose(invert(sides[1].from_cube), best, sides[0].from_cube)
    return Refined(
        matrix=back,
        model=model,
        noise_px=noise * grids.pitch_lm_px,
        halves_px=apart * grids.pitch_lm_px,
        affine_gain=gain,
        explained=explained,
    )


def _apart(found: list[Matrix | None], shape: tuple[int, ...]) -> float:
    if found[0] is None or found[1] is None:
        return float("inf")
    at = corners((shape[0], shape[1]))
    a, b = apply(found[0], at), apply(found[1], at)
    return float(np.linalg.norm(a - b, axis=1).mean())
