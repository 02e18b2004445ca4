"""From matches to one pose: every pair of matches votes, the fullest bin wins.

"Full histogram search" of Alsari et al. 2025 (section G, after HSI-KAZE): two matches
make a similarity; rotation and scale are voted on first, the shift after them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from clemd.geometry import apply, similarity_through
from clemd.model import Matrix

MOST_VOTERS = 700
"""More matches than this are thinned evenly: pairs grow with the square."""
TURN_STEP_DEG, SCALE_STEP = 1.0, 0.015
SHIFT_STEP_PX = 3.0
LEAST_APART = 0.04
"""Two matches nearer than this share of the widest distance tell no angle."""
NEAR_PX = (6.0, 3.0, 1.2)
"""How near a match must be to the pose to be counted, one round after the other."""
LEAST_INLIERS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """The pose that most matches share."""

    matrix: Matrix
    """First px -> second px."""
    inliers: NDArray[np.intp]
    """Rows of the matches."""
    error_px: float
    """Mean distance of the inliers from the pose: the paper's equation 10."""


def vote(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    *,
    scale: tuple[float, float] = (1 / 6, 6.0),
) -> Vote | None:
    """The similarity that brings points `a` onto `b`, (n, 2) each; None if none does.

    `scale` is the range allowed.
    """
    if len(a) < LEAST_INLIERS:
        return None
    turned = _turn_and_scale(a, b, scale)
    if turned is None:
        return None
    moved = (a[:, 0] + 1j * a[:, 1]) * turned
    shift = _commonest_shift(b[:, 0] + 1j * b[:, 1] - moved)
    gap = np.abs(moved + shift - (b[:, 0] + 1j * b[:, 1]))
    near = np.flatnonzero(gap < 2 * NEAR_PX[0])
    matrix: Matrix | None = None
    for limit in NEAR_PX:
        if len(near) < LEAST_INLIERS:
            return None
        matrix = _through(a[near], b[near])
        gaps = np.linalg.norm(apply(matrix, a) - b, axis=1)
        near = np.flatnonzero(gaps < limit)
    if matrix is None or len(near) < LEAST_INLIERS:
        return None
    matrix = _through(a[near], b[near])
    gaps = np.linalg.norm(apply(matrix, a[near]) - b[near], axis=1)
    return Vote(matrix=matrix, inliers=near, error_px=float(gaps.mean()))


def _through(a: NDArray[np.float64], b: NDArray[np.float64]) -> Matrix:
    return similarity_through(a.tolist(), b.tolist(), mirrored=False).matrix


def _turn_and_scale(
    a: NDArray[np.float64], b: NDArray[np.float64], scale: tuple[float, float]
) -> complex | None:
    """Rotation and scale as one complex number, by the histogram over all pairs."""
    voters = np.linspace(0, len(a) - 1, min(len(a), MOST_VOTERS)).astype(int)
    i, j = np.triu_indices(len(voters), 1)
    za, zb = (p[voters, 0] + 1j * p[voters, 1] for p in (a, b))
    da, db = za[j] - za[i], zb[j] - zb[i]
    apart = np.abs(da)
    useful = (apart > LEAST_APART * apart.max()) & (np.abs(db) > 0)
    if not useful.any():
        return None
    ratio = db[useful] / da[useful]
    size = np.log(np.abs(ratio))
    low, high = math.log(scale[0]), math.log(scale[1])
    fits = (size >= low) & (size <= high)
    if not fits.any():
        return None
    ratio, size = ratio[fits], size[fits]
    turn = np.degrees(np.angle(ratio))
    bins = (round(360 / TURN_STEP_DEG), max(3, math.ceil((high - low) / SCALE_STEP)))
    counts, _, edges = np.histogram2d(
        turn, size, bins=bins, range=((-180, 180), (low, high))
    )
    full = uniform_filter(counts, 3, mode=("wrap", "constant"))
    at, by = np.unravel_index(int(full.argmax()), full.shape)
    centre = -180 + (at + 0.5) * TURN_STEP_DEG, (edges[by] + edges[by + 1]) / 2
    off = np.abs((turn - centre[0] + 180) % 360 - 180)
    near = (off < 1.5 * TURN_STEP_DEG) & (np.abs(size - centre[1]) < 1.5 * SCALE_STEP)
    if not near.any():
        return None
    return complex(np.median(ratio[near].real), np.median(ratio[near].imag))


def _commonest_shift(shifts: NDArray[np.complex128]) -> complex:
    """The middle of the fullest bin and its neighbours."""
    x, y = shifts.real, shifts.imag
    column = np.floor((x - x.min()) / SHIFT_STEP_PX).astype(np.int64)
    row = np.floor((y - y.min()) / SHIFT_STEP_PX).astype(np.int64)
    key = row * (int(column.max()) + 1) + column
    bins, counts = np.unique(key, return_counts=True)
    best = bins[int(counts.argmax())]
    here = key == best
    middle = complex(float(np.median(x[here])), float(np.median(y[here])))
    near = np.abs(shifts - middle) < 2 * SHIFT_STEP_PX
    return complex(float(np.median(x[near])), float(np.median(y[near])))
