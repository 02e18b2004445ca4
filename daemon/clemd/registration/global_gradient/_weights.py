"""The two optimisation problems of the method, both small and convex.

Equation 5: which bands, weighted not below zero, add up to the guide's gradient.
Equation 9: how much each level says in the two images, weights that add up to one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

Vector = NDArray[np.float64]

_PENALTY = 1e3
"""Weight of the sums against the residual; the weights are scaled to one after it."""
_NEGLIGIBLE = 1e-9
"""Share of the largest eigenvalue below which a direction holds no information."""


def band_weights(gram: Vector, target: Vector) -> Vector:
    """The x >= 0 that minimises |A x - b|² (Lawson and Hanson).

    Args:
        gram: (bands, bands), A'A.
        target: (bands,), A'b.
    """
    values, vectors = np.linalg.eigh(gram)
    kept = values > _NEGLIGIBLE * max(float(values[-1]), 1e-300)
    if not kept.any():
        return np.zeros(len(target))
    root = np.sqrt(values[kept])
    found, _ = nnls(
        root[:, None] * vectors[:, kept].T, vectors[:, kept].T @ target / root
    )
    return np.asarray(found, np.float64)


def level_weights(
    guide: NDArray[np.float64], cube: NDArray[np.float64]
) -> tuple[Vector, Vector]:
    """Alpha and beta: both >= 0, each of sum one, minimising |P alpha - G beta|².

    Args:
        guide: (px, levels), the guide's gradient, a column for each level.
        cube: (px, levels), the same of the bands.
    """
    both = np.hstack([guide, -cube])
    gram = both.T @ both
    levels = guide.shape[1]
    values, vectors = np.linalg.eigh(gram)
    root = np.sqrt(np.maximum(values, 0.0))
    scale = _PENALTY * max(float(root.max()), 1e-12)
    sums = np.zeros((2, 2 * levels))
    sums[0, :levels] = sums[1, levels:] = scale
    stacked = np.vstack([root[:, None] * vectors.T, sums])
    found, _ = nnls(stacked, np.r_[np.zeros(2 * levels), scale, scale])
    alpha, beta = found[:levels], found[levels:]
    return alpha / alpha.sum(), beta / beta.sum()
