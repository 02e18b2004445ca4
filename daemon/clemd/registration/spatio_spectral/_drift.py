"""How far the specimen crept while the bands of one series were taken.

Each band is compared with the mean of those already laid on each other, from the
brightest (all electrons, most signal) down; bands too dark to know are drawn to
their neighbours by a smooth curve. The paper leaves drift uncorrected.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import BoolImage, FloatImage

from ._cube import Bands

WINDOW_PX = (320, 448)
"""(height, width) of the middle that is looked at: drift is one for the whole image."""
COARSE_PX, FINE_PX = 3.0, 1.3
"""Smoothing of the first step, which reaches far, and of the others."""
BACKGROUND_PX = 8.0
MEMORY = 0.8
"""Share of the old mean when a band is added: contrast changes with energy."""
FARTHEST_PX = 20.0
LEAST_PX = 2000
INNER = np.s_[24:-24, 24:-24]
STEADY_PX, SLOW_PX = 0.1, 0.5
"""Deviation of the curve's second and first difference: drift is smooth and slow."""
SMALL_PX = 0.3
"""A step below this needs no other."""
LARGE_PX = 1.0
"""A step above this may have lost its way: then it is begun with smoother images."""


def drift_of(
    bands: Bands, reference: int, mask: BoolImage | None = None
) -> NDArray[np.float64]:
    """(bands, 2) px: a point of the reference band lies here + drift in each band.

    `mask` is True on specimen; what is none stands still and must not be asked.
    """
    window = _window(bands.shape[1:])
    asked = None if mask is None or mask[window].all() else _asked(mask[window])
    count = len(bands)
    measured = np.zeros((count, 2))
    weight = np.zeros(count)
    mean = _ready(bands[-1][window], FINE_PX)
    coarse = _ready(bands[-1][window], COARSE_PX)
    weight[-1] = 1e6
    for index in range(count - 2, -1, -1):
        near = _ready(bands[index][window], FINE_PX)
        before = measured[index + 1]
        guess, sigma = _step(mean, near, before, asked)
        if np.abs(guess - before).max() > LARGE_PX:
            guess, _ = _step(
                coarse, _ready(bands[index][window], COARSE_PX), before, asked
            )
            guess, sigma = _step(mean, near, guess, asked)
        if np.abs(guess - before).max() > SMALL_PX:
            guess, sigma = _step(mean, near, guess, asked)
        if not np.isfinite(sigma) or np.abs(guess).max() > FARTHEST_PX or sigma > 0.5:
            measured[index] = measured[index + 1]
            continue
        measured[index], weight[index] = guess, 1 / (sigma**2 + 1e-4)
        mean = MEMORY * mean + (1 - MEMORY) * _moved(near, guess)
    drift = _smooth(measured, weight)
    return np.asarray(drift - drift[reference])


def _asked(mask: BoolImage) -> BoolImage:
    """Inner px that smoothing and background bring nothing foreign into."""
    side = int(2 * BACKGROUND_PX) | 1
    whole = cv2.erode(mask.astype(np.uint8), np.ones((side, side), np.uint8)) > 0
    return np.asarray(whole)[INNER].ravel()


def _window(shape: tuple[int, ...]) -> tuple[slice, slice]:
    half = [min(side, most) // 2 for side, most in zip(shape, WINDOW_PX, strict=True)]
    return (
        slice(shape[0] // 2 - half[0], shape[0] // 2 + half[0]),
        slice(shape[1] // 2 - half[1], shape[1] // 2 + half[1]),
    )


def _ready(band: FloatImage, sigma_px: float) -> FloatImage:
    """Structure only, of unit deviation."""
    smooth = np.asarray(cv2.GaussianBlur(band, (0, 0), sigma_px))
    side = int(4 * BACKGROUND_PX) | 1
    smooth = smooth - np.asarray(cv2.blur(smooth, (side, side)))
    return np.asarray(smooth / max(float(smooth.std()), 1e-9), np.float32)


def _moved(band: FloatImage, by: NDArray[np.float64]) -> FloatImage:
    """`band` so that its content at x + by comes to x."""
    shift = np.array([[1.0, 0, by[0]], [0, 1.0, by[1]]])
    return np.asarray(
        cv2.warpAffine(
            band,
            shift,
            band.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
    )


def _step(
    mean: FloatImage,
    band: FloatImage,
    guess: NDArray[np.float64],
    asked: BoolImage | None,
) -> tuple[NDArray[np.float64], float]:
    """One Gauss-Newton step of the shift, and the deviation of what it found."""
    here = _moved(band, guess)
    along = cv2.Sobel(here, cv2.CV_32F, 1, 0, scale=1 / 8)[INNER].ravel()
    down = cv2.Sobel(here, cv2.CV_32F, 0, 1, scale=1 / 8)[INNER].ravel()
    target, seen = mean[INNER].ravel(), here[INNER].ravel()
    columns = np.stack([along, down, seen])
    if asked is not None:
        columns, target = columns[:, asked], target[asked]
        if len(target) < LEAST_PX:
            return guess, float("inf")
    normal = (columns @ columns.T).astype(np.float64)
    right = (columns @ target).astype(np.float64)
    try:
        # target = gain · band(x + guess + step): the step is the slope's over the gain
        solved = np.linalg.solve(normal, right)
        inverse = np.linalg.inv(normal)
    except np.linalg.LinAlgError:
        return guess, float("inf")
    gain = solved[2]
    if gain <= 0.02:
        return guess, float("inf")
    left = float((target @ target) - right @ solved) / len(target)
    # smoothed noise is alike over about 4 π sigma² px
    alike = 4 * np.pi * FINE_PX**2
    sigma = np.sqrt(max(left, 0.0) * alike * max(inverse[0, 0], inverse[1, 1])) / gain
    step = np.clip(solved[:2] / gain, -2.0, 2.0)
    return guess + step, float(sigma)


def _smooth(
    measured: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The curve nearest to what was measured whose bends are those of drift."""
    count = len(measured)
    bend = np.diff(np.eye(count), 2, axis=0)
    slope = np.diff(np.eye(count), axis=0)
    normal = np.diag(weight) + bend.T @ bend / STEADY_PX**2
    normal += slope.T @ slope / SLOW_PX**2
    return np.asarray(np.linalg.solve(normal, weight[:, None] * measured))
