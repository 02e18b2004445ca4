"""Parts of a map, cut with regard to where a thrown EM image lies on it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, corners, cropping
from clemd.model import Matrix

LEAST_SIDE_PX = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Throw:
    """A thrown EM image and where it truly lies on the map of its pair."""

    em: NDArray[Any]
    em_to_lm: Matrix
    rng: np.random.Generator

    @property
    def ratio(self) -> float:
        """EM px per LM px."""
        return 1 / math.sqrt(abs(float(np.linalg.det(self.em_to_lm[:2, :2]))))


def crop_around(lm: NDArray[Any], thrown: Throw) -> tuple[NDArray[Any], Matrix]:
    """The map cut to the EM field and a margin, its middle 1.6-4.9 % off, and how.

    The published methods start from images that lie on each other so.
    """
    low, high = _box(thrown)
    angle = thrown.rng.uniform(0, 2 * np.pi)
    off = thrown.rng.uniform(0.016, 0.049) * (high[0] - low[0])
    middle = (low + high) / 2 + off * np.array([math.cos(angle), math.sin(angle)])
    half = 0.55 * (high - low)
    size = np.array(lm.shape[::-1])
    x0, y0 = np.clip(np.floor(middle - half), 0, size - 1).astype(int)
    x1, y1 = np.clip(np.ceil(middle + half), 1, size).astype(int)
    return lm[y0:y1, x0:x1], cropping(int(x0), int(y0))


def cut_off(
    lm: NDArray[Any], thrown: Throw, share: float
) -> tuple[NDArray[Any], Matrix]:
    """The map cut through the EM field, so that `share` of the field is left on it.

    From one of the four sides by lot; left whole where too little would remain.
    """
    h, w = thrown.em.shape
    u, v = np.meshgrid(np.linspace(0, w - 1, 33), np.linspace(0, h - 1, 33))
    at = apply(thrown.em_to_lm, np.c_[u.ravel(), v.ravel()])
    axis, from_start = int(thrown.rng.integers(2)), bool(thrown.rng.random() < 0.5)
    edge = float(np.quantile(at[:, axis], 1 - share if from_start else share))
    size = lm.shape[1 - axis]
    first, last = (int(np.ceil(edge)), size) if from_start else (0, int(edge) + 1)
    first, last = max(first, 0), min(last, size)
    if last - first < LEAST_SIDE_PX:
        return lm, cropping(0, 0)
    if axis == 0:
        return lm[:, first:last], cropping(first, 0)
    return lm[first:last], cropping(0, first)


def largest_rest(lm: NDArray[Any], thrown: Throw) -> NDArray[Any] | None:
    """The largest part of the map left, right, above or below the EM field."""
    low, high = _box(thrown)
    x0, y0 = np.floor(low).astype(int) - 1
    x1, y1 = np.ceil(high).astype(int) + 2
    parts = [
        lm[:, : max(x0, 0)],
        lm[:, max(x1, 0) :],
        lm[: max(y0, 0)],
        lm[max(y1, 0) :],
    ]
    best = max(parts, key=lambda part: part.size)
    return best if min(best.shape) >= LEAST_SIDE_PX else None


def _box(thrown: Throw) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least and largest (x, y) of the EM field on the map."""
    h, w = thrown.em.shape
    rim = apply(thrown.em_to_lm, corners((h, w)))
    return rim.min(axis=0), rim.max(axis=0)
