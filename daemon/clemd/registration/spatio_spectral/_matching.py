"""Which keypoints belong together: nearest in space of descriptors, alike in spectrum.

Algorithm 1 of Alsari et al. 2025. The paper asks a k-d tree; in 128 dimensions such a
tree visits nearly every leaf, so the same neighbours are found here by one product of
matrices. SIFT's numbers are whole and small, so the product is exact, and the matches
are those of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ._features import Features

RATIO = 0.7
"""Lowe's test: the nearest must be this much nearer than the second."""
ALIKE = 0.90
"""Least cosine between the spectra of a match."""
BLOCK = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """Pairs of keypoints, row by row."""

    em: NDArray[np.intp]
    lm: NDArray[np.intp]
    proposed: int
    """How many passed the ratio test, before the spectral gate."""

    def __len__(self) -> int:
        return len(self.em)


def match(
    em: Features, lm: Features, *, alike: float = ALIKE, by_tree: bool = False
) -> Matches:
    """Ratio test, then spectral gate; `by_tree` asks the k-d tree of the paper."""
    if len(em) == 0 or len(lm) < 2:
        none = np.zeros(0, np.intp)
        return Matches(em=none, lm=none, proposed=0)
    found = (
        _by_tree(em.spatial, lm.spatial) if by_tree else nearest(em.spatial, lm.spatial)
    )
    first, one, two = found
    passed = np.flatnonzero(one < RATIO**2 * two)
    partner = first[passed]
    agree = cosines(em.spectral[passed], lm.spectral[partner]) > alike
    return Matches(em=passed[agree], lm=partner[agree], proposed=len(passed))


def nearest(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """For each row of `a`: its nearest in `b`, squared distances to the nearest two."""
    b_square = (b * b).sum(1)
    index = np.empty(len(a), np.intp)
    one, two = np.empty(len(a), np.float32), np.empty(len(a), np.float32)
    for start in range(0, len(a), BLOCK):
        part = slice(start, start + BLOCK)
        block = a[part]
        gaps = b_square[None] - 2 * (block @ b.T)
        rows = np.arange(len(block))
        first = gaps.argmin(1)
        index[part], one[part] = first, gaps[rows, first]
        gaps[rows, first] = np.inf
        two[part] = gaps.min(1)
    a_square = (a * a).sum(1)
    return index, one + a_square, two + a_square


def _by_tree(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    gaps, nearest = cKDTree(b).query(a, k=2)
    index = np.asarray(nearest, np.intp)
    squared = np.asarray(gaps, np.float32) ** 2
    return index[:, 0], squared[:, 0], squared[:, 1]


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine between the rows of two tables."""
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray((a * b).sum(1) / np.maximum(norm, 1e-12), np.float32)
