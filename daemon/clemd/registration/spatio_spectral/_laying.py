"""Mixtures of one series laid on those of another, by Gauss-Newton.

Gain and offset of each mixture are free; slow differences (charging, contamination)
have been filtered out, and what fits badly counts less.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import corners, middle_of
from clemd.model import BoolImage, Matrix, TransformModel

from ._mixing import SMOOTH_PX, Mixed

ROUNDS = 10
SETTLED_PX = 0.005
OUTLYING = 2.5
"""Residuals larger than this many deviations count less."""
LEAST_PX = 2500
GENERATORS = {
    TransformModel.SIMILARITY: (
        (1, 0, 0, 0, 0, 0),
        (0, 1, 0, 0, 0, 0),
        (0, 0, 1, 0, 0, 1),
        (0, 0, 0, -1, 1, 0),
    ),
    TransformModel.AFFINE: tuple(map(tuple, np.eye(6, dtype=int))),
}
"""Movements as (shift x, shift y, dx/dx, dx/dy, dy/dx, dy/dy)."""


class Fit:
    """Inverse compositional Gauss-Newton: the LM's mixtures laid on the EM's.

    Baker and Matthews 2004: slopes belong to the EM side and are computed once.
    """

    def __init__(self, em: Mixed, lm: Mixed) -> None:
        self._em, self._lm = em, lm
        height, width = em.planes.shape[1:]
        self._middle = np.array(middle_of((height, width)))
        self._unit = max(height, width) / 2
        self._shape = (height, width)
        self._slopes = [
            (
                cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8),
                cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8),
            )
            for plane in em.planes
        ]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        self._x = (x - np.float32(self._middle[0])) / np.float32(self._unit)
        self._y = (y - np.float32(self._middle[1])) / np.float32(self._unit)

    def run(self, start: Matrix, model: TransformModel) -> Matrix | None:
        """EM grid px -> LM grid px; None where too little overlaps."""
        matrix = start
        for _ in range(ROUNDS):
            normal, right, count, _ = self._sums(matrix)
            if count < LEAST_PX:
                return None
            basis = np.array(GENERATORS[model], np.float64)
            try:
                step = np.linalg.solve(basis @ normal @ basis.T, basis @ right)
            except np.linalg.LinAlgError:
                return None
            moved = basis.T @ step
            matrix = matrix @ np.linalg.inv(self._movement(moved))
            if float(np.abs(moved).max()) < SETTLED_PX:
                break
        return matrix

    def held_out_gain(self, matrix: Matrix) -> float:
        """What an affine fitted to one colour of a chequerboard explains of the other.

        As a fraction of what the similarity leaves unexplained there; both ways.
        """
        side = max(16, min(self._shape) // 8)
        y, x = np.mgrid[: self._shape[0], : self._shape[1]]
        colour = (y // side + x // side) % 2 == 0
        gained = total = 0.0
        for fitted in (colour, ~colour):
            normal, right, count, _ = self._sums(matrix, fitted)
            if count < LEAST_PX:
                return 0.0
            stiff_basis = np.array(GENERATORS[TransformModel.SIMILARITY], np.float64)
            stiff = stiff_basis.T @ np.linalg.solve(
                stiff_basis @ normal @ stiff_basis.T, stiff_basis @ right
            )
            free = np.asarray(np.linalg.solve(normal, right), np.float64)
            other, against, _, left = self._sums(matrix, ~fitted)
            # left after a step p: left - 2 p·right + p·normal·p

            def after(
                p: NDArray[np.float64],
                n: NDArray[np.float64] = other,
                r: NDArray[np.float64] = against,
                e: float = left,
            ) -> float:
                return e - 2 * float(p @ r) + float(p @ n @ p)

            gained += after(stiff) - after(free)
            total += left
        return gained / max(total, 1e-12)

    def quality(self, matrix: Matrix, model: TransformModel) -> tuple[float, float]:
        """(deviation of the worst corner px, share of variance explained)."""
        normal, _, count, left = self._sums(matrix)
        if not count:
            return float("inf"), 0.0
        basis = np.array(GENERATORS[model], np.float64)
        covariance = np.linalg.inv(basis @ normal @ basis.T)
        alike = 4 * math.pi * SMOOTH_PX**2
        covariance *= left / (count * len(self._em.planes)) * alike
        worst = 0.0
        for x, y in (corners(self._shape) - self._middle) / self._unit:
            moves = np.array([[1, 0, x, y, 0, 0], [0, 1, 0, 0, x, y]]) @ basis.T
            worst = max(worst, float(np.trace(moves @ covariance @ moves.T)))
        variance = sum(float((p[self._em.valid] ** 2).mean()) for p in self._em.planes)
        share = 1 - left / count / max(variance, 1e-12)
        return math.sqrt(worst / 2), share

    def _movement(self, p: NDArray[np.float64]) -> Matrix:
        """Px x -> x + (shift + linear · (x - middle) / unit)."""
        linear = np.array([[p[2], p[3]], [p[4], p[5]]]) / self._unit
        moved = np.eye(3)
        moved[:2, :2] += linear
        moved[:2, 2] = p[:2] - linear @ self._middle
        return moved

    def _sums(
        self, matrix: Matrix, part: BoolImage | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], int, float]:
        """Normal matrix (6, 6), right side (6), px used, weighted squares left."""
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        size = self._shape[::-1]
        seen = cv2.warpPerspective(
            self._lm.valid.astype(np.float32), matrix, size, flags=flags
        )
        valid = (seen > 0.99) & self._em.valid
        if part is not None:
            valid &= part
        at = np.flatnonzero(valid)
        normal, right, left = np.zeros((6, 6)), np.zeros(6), 0.0
        if not len(at):
            return normal, right, 0, 0.0
        x, y = self._x.ravel()[at], self._y.ravel()[at]
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        for index, plane in enumerate(self._em.planes):
            other = cv2.warpPerspective(
                self._lm.planes[index], matrix, size, flags=flags
            ).ravel()[at]
            own = plane.ravel()[at]
            power = float(other @ other)
            gain = float(own @ other) / max(power, 1e-12)
            if gain <= 0:
                continue
            off = gain * other - own
            sigma = 1.4826 * float(np.median(np.abs(off[::7]))) + 1e-9
            scale = np.float32(1 / sigma**2)
            weight = scale / np.maximum(1, np.abs(off) / np.float32(OUTLYING * sigma))
            gx, gy = (slope.ravel()[at] for slope in self._slopes[index])
            columns = np.stack([gx, gy, gx * x, gx * y, gy * x, gy * y])
            weighted = columns * weight
            normal += (weighted @ columns.T).astype(np.float64)
            right += (weighted @ off).astype(np.float64)
            left += float((weight * off) @ off)
        return normal, right, len(at), left
