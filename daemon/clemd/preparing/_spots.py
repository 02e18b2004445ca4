"""Bright spots of one LM channel, found by OpenCV's blob detector.

The background is taken off first (a wide median), so that the detector's thresholds
mean contrast and not brightness; what it finds is measured in the stored values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError

LEAST_CONTRAST = 5.0
"""In robust standard deviations of the background."""
DIAMETER_PX = (2.5, 24.0)
"""Smaller is noise, larger is tissue."""
MOST_SPOTS = 200
FINER = 2
"""The detector outlines spots on a grid this much finer: they are a few px wide."""
_TOP_SIGMAS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One spot."""

    x_lm_px: float
    y_lm_px: float
    diameter_px: float
    contrast: float
    """Above its surroundings, in standard deviations of the background."""


def find_spots(
    plane: NDArray[Any],
    *,
    diameter_px: tuple[float, float] = DIAMETER_PX,
    most: int = MOST_SPOTS,
) -> list[Spot]:
    """The spots of a (height, width) plane, the strongest first.

    Raises:
        UsageError: not numbers, too small, or limits that cannot be used.
    """
    low, high = diameter_px
    if not 1.0 <= low < high <= 200.0:
        raise UsageError(
            "spot diameters out of range", f"{low:g} to {high:g} px", "use 1 to 200"
        )
    if plane.ndim != 2 or min(plane.shape) < 16 or plane.dtype.kind not in "uifb":
        raise UsageError("no plane to look for spots in", str(plane.shape), "check it")
    contrast = _contrast(plane, high)
    shown = np.clip(contrast * (255 / _TOP_SIGMAS), 0, 255).astype(np.uint8)
    fine = cv2.resize(shown, None, fx=FINER, fy=FINER, interpolation=cv2.INTER_CUBIC)
    found = []
    for key in _detector(low * FINER, high * FINER).detect(fine):
        x, y = ((v + 0.5) / FINER - 0.5 for v in key.pt)
        found.append(_measured(contrast, x, y, key.size / FINER))
    strong = [spot for spot in found if spot.contrast >= LEAST_CONTRAST]
    strong.sort(key=lambda spot: (-spot.contrast, spot.y_lm_px, spot.x_lm_px))
    return strong[: max(0, most)]


def _contrast(plane: NDArray[Any], widest_px: float) -> NDArray[np.float32]:
    """Over the local background, in robust standard deviations."""
    grey = np.nan_to_num(np.asarray(plane, np.float32))
    wide = max(3.0, widest_px)
    background = cv2.GaussianBlur(cv2.medianBlur(grey, 5), (0, 0), wide)
    over = cv2.GaussianBlur(grey, (0, 0), 0.7) - background
    middle = float(np.median(over))
    sigma = 1.4826 * float(np.median(np.abs(over - middle)))
    return np.asarray((over - middle) / max(sigma, 1e-6), np.float32)


def _detector(low_px: float, high_px: float) -> Any:
    settings = cv2.SimpleBlobDetector.Params()
    step = 255 / _TOP_SIGMAS
    settings.minThreshold, settings.maxThreshold = LEAST_CONTRAST * step * 0.6, 255.0
    settings.thresholdStep = 2 * step
    settings.minRepeatability = 2
    settings.minDistBetweenBlobs = low_px
    settings.filterByColor, settings.blobColor = True, 255
    settings.filterByArea = True
    settings.minArea, settings.maxArea = np.pi * low_px**2 / 4, np.pi * high_px**2 / 4
    settings.filterByCircularity, settings.minCircularity = True, 0.5
    settings.filterByConvexity, settings.filterByInertia = False, False
    return cv2.SimpleBlobDetector.create(settings)


def _measured(
    contrast: NDArray[np.float32], x: float, y: float, diameter_px: float
) -> Spot:
    """Peak nearby, and the centre of what is above half of it."""
    height, width = contrast.shape
    r = max(2, round(diameter_px / 2) + 1)
    x0, y0 = max(0, round(x) - r), max(0, round(y) - r)
    part = contrast[y0 : min(height, y0 + 2 * r + 1), x0 : min(width, x0 + 2 * r + 1)]
    peak = float(part.max())
    weights = np.clip(part - peak / 2, 0, None)
    total = float(weights.sum())
    if total > 0:
        rows, columns = np.mgrid[: part.shape[0], : part.shape[1]]
        x = x0 + float((weights * columns).sum()) / total
        y = y0 + float((weights * rows).sum()) / total
    return Spot(x_lm_px=x, y_lm_px=y, diameter_px=diameter_px, contrast=peak)
