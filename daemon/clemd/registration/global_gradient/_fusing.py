"""The two gradient images of equations 6 and 7, for one placement of the map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.model import FloatImage, Matrix

from ._gradients import grown
from ._grids import CubeGrid, GuideGrid, gram_of, onto, seen_through
from ._weights import band_weights, level_weights

COMPLETE = 0.995
"""Share of the map on the guide from which all of it is taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """One gradient image of either side, and the weights that made them."""

    guide: FloatImage
    """Weighted sum of the guide's levels, on the guide's grid."""
    cube: FloatImage
    """The same of the bands, on the map's grid."""
    alpha: NDArray[np.float64]
    """Weight of each level of the guide."""
    beta: NDArray[np.float64]
    """Weight of each level of the bands."""
    bands: tuple[NDArray[np.float64], ...]
    """Weight of each band, for each level."""


def fuse(guide: GuideGrid, cube: CubeGrid, matrix: Matrix) -> Fused:
    """Solve equations 5 and 9 with the map where `matrix` puts it."""
    weights, mixed, seen = [], [], []
    valid = guide.mask.astype(np.float32)
    for level, stack in enumerate(cube.levels):
        shape = (int(stack.shape[1]), int(stack.shape[2]))
        inner = onto(guide, cube, matrix, level)
        inside = cube.masks[level] & (seen_through(valid, inner, shape) > 0.99)
        wanted = seen_through(guide.levels[level], inner, shape)
        whole = inside.sum() >= COMPLETE * cube.masks[level].sum()
        gram = cube.grams[level] if whole else gram_of(stack, inside)
        target = np.asarray(stack[:, inside] @ wanted[inside], np.float64)
        found = band_weights(gram, target)
        weights.append(found)
        sum_of = np.tensordot(found.astype(np.float32), stack, 1)
        mixed.append(grown(np.asarray(sum_of, np.float32), cube.shape))
        inner = onto(guide, cube, matrix)
        seen.append(seen_through(guide.levels[level], inner, cube.shape))
    inside = cube.masks[0] & (seen_through(valid, inner, cube.shape) > 0.99)
    alpha, beta = level_weights(_columns(seen, inside), _columns(mixed, inside))
    return Fused(
        guide=_sum(alpha, guide.levels),
        cube=_sum(beta, np.stack(mixed)),
        alpha=alpha,
        beta=beta,
        bands=tuple(weights),
    )


def _columns(
    planes: list[FloatImage], inside: NDArray[np.bool_]
) -> NDArray[np.float64]:
    return np.stack([plane[inside] for plane in planes], 1).astype(np.float64)


def _sum(weights: NDArray[np.float64], planes: NDArray[np.float32]) -> FloatImage:
    return np.asarray(np.tensordot(weights.astype(np.float32), planes, 1), np.float32)
