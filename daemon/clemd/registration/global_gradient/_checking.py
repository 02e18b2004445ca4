"""What this engine cannot work on, refused in words before anything is computed."""

from __future__ import annotations

import math

import cv2
import numpy as np

from clemd.errors import RegistrationRefusedError
from clemd.model import BoolImage, FloatImage, PreparedImage

from ._gradients import LEAST_TOP_PX, LEVELS
from ._grids import MOST_FINER

LEAST_BANDS = 3
LEAST_SIDE = math.ceil(LEAST_TOP_PX * 2 ** (LEVELS - 1) / MOST_FINER)
"""Points of the map's shorter side."""
BLUR_PX = 1.5
NOISE_FACTOR = 5.0
LEAST_STRUCTURE = 0.003
"""Share of the guide whose gradient must rise above what its noise can make."""


def check_cube(cube: PreparedImage) -> None:
    """Refuse a map without a usable spectrum in each point.

    Raises:
        RegistrationRefusedError: says what is wrong with it.
    """
    bands, axis = len(cube.layers), cube.axis
    if not axis:
        raise RegistrationRefusedError(
            f"the map has {bands} layers and no spectral axis: global-gradient needs "
            "the position of each band; choose the engine multimodal for plain images"
        )
    if len(axis) != bands:
        raise RegistrationRefusedError(
            f"the map has {bands} bands and a spectral axis of {len(axis)} values: "
            "export the cube again, with one value for each band"
        )
    if bands < LEAST_BANDS:
        raise RegistrationRefusedError(
            f"the map has {bands} bands: at least {LEAST_BANDS} are needed to weigh "
            "them against each other; choose the engine multimodal"
        )
    check_axis(axis)
    height, width = cube.mask.shape
    if min(height, width) < LEAST_SIDE:
        raise RegistrationRefusedError(
            f"the map has {width} x {height} points, too few for a pyramid of "
            f"{LEVELS} levels: at least {LEAST_SIDE} a side are needed"
        )


def check_axis(axis: tuple[float, ...]) -> None:
    """Refuse an axis that does not run one way.

    Raises:
        RegistrationRefusedError: names the first band that turns back.
    """
    values = np.asarray(axis, np.float64)
    if not np.isfinite(values).all():
        raise RegistrationRefusedError(
            "the spectral axis holds values that are not numbers: export it again"
        )
    steps = np.diff(values)
    turned = np.flatnonzero(steps * np.sign(np.median(steps)) <= 0)
    if len(turned):
        at = int(turned[0])
        raise RegistrationRefusedError(
            f"the spectral axis does not run one way: band {at + 1} lies at "
            f"{values[at]:g}, band {at + 2} at {values[at + 1]:g}; sort the bands"
        )


def check_guide(guide: PreparedImage) -> None:
    """Refuse a guide that shows nothing but noise.

    Raises:
        RegistrationRefusedError: too little of it has an edge.
    """
    share = structure(np.asarray(np.mean(guide.layers, axis=0)), guide.mask)
    if share < LEAST_STRUCTURE:
        raise RegistrationRefusedError(
            f"the guide image has no structure ({100 * share:.1f} % of it rises above "
            "noise): choose another brightfield image, or focus and light it better"
        )


def structure(grey: FloatImage, mask: BoolImage) -> float:
    """Share of the px at which a smoothed edge is steeper than noise can make it."""
    grey = np.asarray(grey, np.float32)
    # what differs between a px and its diagonal neighbours, whatever their slope
    mixed = grey[1:, 1:] - grey[1:, :-1] - grey[:-1, 1:] + grey[:-1, :-1]
    noise = 1.4826 * float(np.median(np.abs(mixed[mask[1:, 1:]]))) / 2
    soft = cv2.GaussianBlur(grey, (0, 0), BLUR_PX)
    slope = np.hypot(
        cv2.Sobel(soft, cv2.CV_32F, 1, 0, scale=1 / 8),
        cv2.Sobel(soft, cv2.CV_32F, 0, 1, scale=1 / 8),
    )
    # slope of smoothed white noise: deviation noise / (sqrt(8 pi) blur²)
    expected = max(noise / (math.sqrt(8 * math.pi) * BLUR_PX**2), 1e-6)
    reach = 2 * math.ceil(2 * BLUR_PX) + 1
    inside = cv2.erode(mask.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    if not inside.any():
        return 0.0
    return float((slope[inside] > NOISE_FACTOR * expected).mean())
