"""An affine pose as six numbers with a covariance, about the image's middle.

`place` is where the middle of the EM image lies on the map (LM px), `linear` what one
EM px along x and along y becomes (LM px). Both are linear in everything a session
estimates, so least squares on them is exact and needs no iteration; similarities are
the affines whose prior keeps them so. A homography is taken as the affine that moves
the middle's neighbourhood as it does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, corners, middle_of
from clemd.model import ErrorRadius, Matrix

RAYLEIGH_95 = math.sqrt(-2 * math.log(0.05))
"""95 % radius of a round two-dimensional normal, in standard deviations."""
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Placement:
    """Six numbers (x y, xx xy yx yy) and how sure they are."""

    values: NDArray[np.float64]
    """(6,): place x, y in LM px; linear part row by row, LM px per EM px."""
    covariance: NDArray[np.float64]
    """(6, 6)."""
    shape: tuple[int, int]
    """Of the EM image, (height, width)."""

    @property
    def matrix(self) -> Matrix:
        """The EM px -> LM px matrix."""
        m = np.eye(3)
        m[:2, :2] = self.values[2:].reshape(2, 2)
        m[:2, 2] = self.values[:2] - m[:2, :2] @ _middle(self.shape)
        return m

    def radius_lm_px(self, *, heavy_tails: float = 1.0) -> ErrorRadius:
        """How far the worst corner may be off.

        The largest of four dependent distances has no formula: it is counted over
        draws, always the same ones. `heavy_tails` >= 1 widens what a normal would say.
        """
        return mixed_radius_lm_px(
            self,
            np.zeros((1, 6)),
            self.covariance[None],
            np.ones(1),
            heavy_tails=heavy_tails,
        )


def mixed_radius_lm_px(
    about: Placement,
    apart: NDArray[np.float64],
    covariances: NDArray[np.float64],
    weights: NDArray[np.float64],
    *,
    heavy_tails: float = 1.0,
) -> ErrorRadius:
    """How far the worst corner of `about` may be off if the truth is one of several.

    `apart` (n, 6) from `about` to each, `covariances` (n, 6, 6), `weights` (n,). Draws
    of each count by its weight, so that an unlikely one that lies far away does not
    blur the likely ones.
    """
    spread = _spread(about.shape)
    far = [
        np.linalg.norm(
            ((heavy_tails * _normals() @ _root(c).T + a) @ spread.T).reshape(-1, 4, 2),
            axis=2,
        ).max(1)
        for a, c in zip(apart, covariances, strict=True)
    ]
    distances = np.concatenate(far)
    order = distances.argsort()
    mass = np.cumsum(np.repeat(weights / weights.sum() / _DRAWS, _DRAWS)[order])
    p50, p95 = (distances[order][np.searchsorted(mass, q)] for q in (0.5, 0.95))
    return ErrorRadius(p50=float(p50), p95=float(p95))


def placement_of(
    matrix: Matrix,
    shape: tuple[int, int],
    corner_covariance: NDArray[np.float64] | None,
    *,
    p95_lm_px: float,
) -> Placement:
    """The six numbers of `matrix` near the middle.

    `corner_covariance` (8, 8), LM px², gives the error its form; its size is scaled
    until the worst corner's 95 % radius is `p95_lm_px`, which is what was calibrated.
    """
    middle = _middle(shape)
    place = apply(matrix, [middle])[0]
    m = np.asarray(matrix, np.float64)
    w = float(m[2, :2] @ middle + m[2, 2])
    linear = (m[:2, :2] - np.outer(place, m[2, :2])) / w
    back = np.linalg.pinv(_spread(shape))
    form = np.eye(8) if corner_covariance is None else corner_covariance
    covariance = back @ (form + 1e-9 * np.eye(8)) @ back.T
    one = Placement(np.r_[place, linear.ravel()], covariance, shape)
    size = (p95_lm_px / max(one.radius_lm_px().p95, 1e-9)) ** 2
    return Placement(one.values, covariance * size, shape)


def _middle(shape: tuple[int, int]) -> NDArray[np.float64]:
    return np.array(middle_of(shape))


def _spread(shape: tuple[int, int]) -> NDArray[np.float64]:
    """(8, 6): what the six numbers move the four corners by."""
    rows = []
    for x, y in corners(shape) - _middle(shape):
        rows += [[1, 0, x, y, 0, 0], [0, 1, 0, 0, x, y]]
    return np.array(rows, np.float64)


@cache
def _normals() -> NDArray[np.float64]:
    draws = np.random.default_rng(95).normal(size=(_DRAWS // 2, 6))
    return np.concatenate([draws, -draws])


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
