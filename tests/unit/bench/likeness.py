"""How well two images lie on each other at a pose, judged by their edges."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.bench._trial import Trial
from clemd.geometry import apply, corners, invert


def likeness(trial: Trial, matrix: NDArray[np.float64]) -> float:
    """Correlation of edge strength where the EM image lies by `matrix`."""
    height, width = trial.lm.shape
    rows, columns = np.mgrid[:height, :width]
    points = np.c_[columns.ravel(), rows.ravel()]
    at = apply(invert(matrix), points).astype(np.float32).reshape(height, width, 2)
    scale = np.sqrt(abs(np.linalg.det(matrix[:2, :2])))
    soft = cv2.GaussianBlur(trial.em.astype(np.float32), (0, 0), 0.8 / scale)
    em = np.asarray(
        cv2.remap(soft, at, np.empty(0, np.float32), cv2.INTER_LINEAR, borderValue=-1)
    )
    body = np.zeros((height, width), np.uint8)
    rim = apply(matrix, corners((trial.em.shape[0], trial.em.shape[1])))
    cv2.fillConvexPoly(body, np.rint(rim).astype(np.int32), 1)
    # frames and bars have edges of their own
    known = cv2.erode(body, np.ones((2 * (width // 12) + 1,) * 2)) > 0
    a, b = _edges(em)[known], _edges(trial.lm)[known]
    return float(np.corrcoef(a, b)[0, 1])


def _edges(image: NDArray[Any]) -> NDArray[np.float64]:
    smooth = cv2.GaussianBlur(np.asarray(image, np.float64), (0, 0), 1.2)
    y, x = np.gradient(smooth)
    return np.asarray(np.hypot(x, y))
