"""A similarity through pairs of points, and how sure it is away from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.model import Matrix

from ._matrices import corners

RAYLEIGH_95 = 2.448
"""95 % of the distances from a point stay below this many deviations per axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PointFit:
    """The similarity that brings points onto their partners, by least squares."""

    matrix: Matrix
    """First px -> second px."""
    mirrored: bool
    scatter_px: float
    """Deviation of a point from its partner, per axis, second px; 0 where two points
    leave nothing over to tell it."""
    count: int
    middle: complex
    """Of the first points, x + iy."""
    spread: float
    """Sum of their squared distances from the middle."""

    def radius_p95_px(self, shape: tuple[int, int], deviation_px: float) -> float:
        """95 % radius at the worst corner of a first image of (height, width).

        `deviation_px` is that of one point, per axis, in second px. In the plane a
        similarity is one complex line, w = a z + b, so the variance at z is that of
        linear regression: s² (1/n + |z - middle|² / spread).
        """
        far = max(abs(complex(x, y) - self.middle) for x, y in corners(shape))
        worst = math.sqrt(1 / self.count + far**2 / self.spread)
        return RAYLEIGH_95 * deviation_px * worst


def similarity_through(
    first: Sequence[Sequence[float]],
    second: Sequence[Sequence[float]],
    *,
    mirrored: bool | None = None,
) -> PointFit:
    """Least squares over rotation, scale, shift, and the mirror if it is not given.

    Args:
        first: (n, 2) px, n >= 2.
        second: (n, 2) px, their partners in the same order.
        mirrored: None = whichever fits better; two points cannot tell and are not.

    Raises:
        ValueError: fewer than two pairs, or all of them in one place.
    """
    z, w = (_complex(points) for points in (first, second))
    if len(z) != len(w) or len(z) < 2:
        raise ValueError("two pairs of points are needed")
    if min(np.abs(v - v.mean()).max() for v in (z, w)) < 1e-6:
        raise ValueError("all points lie in one place")
    allowed = (False, True) if mirrored is None else (mirrored,)
    if len(z) == 2:
        allowed = allowed[:1]
    fits = [_fit(z, w, mirrored=one) for one in allowed]
    return min(fits, key=lambda fit: fit.scatter_px)


def _complex(points: Sequence[Sequence[float]]) -> NDArray[np.complex128]:
    at = np.asarray(points, np.float64).reshape(-1, 2)
    return np.asarray(at[:, 0] + 1j * at[:, 1])


def _fit(
    z: NDArray[np.complex128], w: NDArray[np.complex128], *, mirrored: bool
) -> PointFit:
    """Of w = a z + b, or of w = a conj(z) + b."""
    seen = z.conj() if mirrored else z
    from_middle = seen - seen.mean()
    spread = float((np.abs(from_middle) ** 2).sum())
    a = complex((from_middle.conj() * (w - w.mean())).sum() / spread)
    b = complex(w.mean() - a * seen.mean())
    missed = float((np.abs(w - a * seen - b) ** 2).sum())
    sign = -1.0 if mirrored else 1.0
    matrix = np.array(
        [
            [a.real, -sign * a.imag, b.real],
            [a.imag, sign * a.real, b.imag],
            [0.0, 0.0, 1.0],
        ]
    )
    free = 2 * len(z) - 4
    return PointFit(
        matrix=matrix,
        mirrored=mirrored,
        scatter_px=math.sqrt(missed / free) if free else 0.0,
        count=len(z),
        middle=complex(z.mean()),
        spread=spread,
    )
