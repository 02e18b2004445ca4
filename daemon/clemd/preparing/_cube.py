"""A hypercube for an engine that works on spectra: bands as they were counted.

Nothing is equalised here: how bands compare with each other is what such an engine
reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import binning
from clemd.model import BoolImage, FloatImage, PreparedImage

LEAST_POINTS = 8
"""Points a side; below it there is no image, only spectra."""
LEAST_CONTENT = 0.25
"""Share of the points that must have a spectrum."""


def prepare_cube(
    planes: Sequence[NDArray[Any]],
    axis: Sequence[float],
    *,
    reduction: float | None = None,
    label: str = "",
    content_key: str = "",
) -> PreparedImage:
    """The bands as layers, with the spectral axis beside them.

    `planes` are (height, width) arrays of any real type, one for each value of
    `axis`. `reduction` is how many stored px make one working px; None or less than
    two leaves them as they are. A point counts where all bands are numbers.

    Raises:
        RegistrationRefusedError: too small, constant, empty, or not numbers.
    """
    height, width = _check(planes)
    most = max(1, min(height, width) // (4 * LEAST_POINTS))
    bin_px = int(max(1, min(np.floor(reduction or 1.0), most)))
    layers = [_binned(plane, bin_px) for plane in planes]
    mask: BoolImage = np.logical_and.reduce([np.isfinite(one) for one in layers])
    if mask.mean() < LEAST_CONTENT:
        raise RegistrationRefusedError(
            f"only {100 * mask.mean():.0f} % of the map has a spectrum: the rest is "
            "not a number; measure it again or crop it"
        )
    if not any(float(np.ptp(one[mask])) > 0 for one in layers):
        raise RegistrationRefusedError(
            "the map is constant in every band (empty or saturated): nothing to "
            "register; check laser, detector and shutter"
        )
    return PreparedImage(
        layers=tuple(np.where(mask, one, np.float32(0)) for one in layers),
        mask=mask,
        from_full=binning(bin_px),
        full_shape=(height, width),
        label=label,
        content_key=content_key,
        axis=tuple(float(value) for value in axis),
    )


def _check(planes: Sequence[NDArray[Any]]) -> tuple[int, int]:
    if not planes:
        raise RegistrationRefusedError("the map has no band to register")
    shape = planes[0].shape
    if len(shape) != 2 or any(plane.shape != shape for plane in planes):
        raise RegistrationRefusedError(f"bands must be 2-D and alike, got {shape}")
    if any(plane.dtype.kind not in "uifb" for plane in planes):
        raise RegistrationRefusedError(
            f"spectra must be real numbers, got {planes[0].dtype}"
        )
    height, width = int(shape[0]), int(shape[1])
    if min(height, width) < LEAST_POINTS:
        raise RegistrationRefusedError(
            f"the map has {width} x {height} points: at least {LEAST_POINTS} a side "
            "are needed"
        )
    return height, width


def _binned(plane: NDArray[Any], bin_px: int) -> FloatImage:
    """Means of whole blocks; not a number where a block holds one that is none."""
    height, width = plane.shape
    rows, columns = height // bin_px, width // bin_px
    part = np.array(plane[: rows * bin_px, : columns * bin_px], np.float32)
    part[~np.isfinite(part)] = np.nan
    if bin_px == 1:
        return part
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
