"""Big planes of any sample type made small and grey, with the matrix that did it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import binning
from clemd.model import BoolImage, Matrix

from ._context import Plane

GreyImage = NDArray[np.uint8]
_SAMPLES = 400_000
"""Pixels looked at for percentiles: enough for 0.1 %, cheap on any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binned:
    """A plane after averaging blocks of `factor` x `factor` px."""

    plane: Plane
    factor: int
    from_full: Matrix
    """Px of the full plane -> px of `plane`."""


def bin_plane(plane: Plane, factor: int) -> Binned:
    """Average whole blocks; rows and columns that fill no block are left out."""
    if factor <= 1:
        return Binned(plane=as_drawable(plane), factor=1, from_full=np.eye(3))
    height, width = plane.shape[0] // factor, plane.shape[1] // factor
    if height == 0 or width == 0:
        raise ValueError(f"{plane.shape} px cannot be binned by {factor}")
    whole = as_drawable(plane[: height * factor, : width * factor])
    small = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return Binned(plane=small, factor=factor, from_full=binning(factor))


def factor_for(shape: tuple[int, int], max_side: int) -> int:
    """The smallest whole factor that brings both sides to `max_side` px or less."""
    return max(1, math.ceil(max(shape) / max_side))


def as_drawable(plane: Plane) -> Plane:
    """The plane in a sample type that OpenCV resamples: u8, u16, i16 or f32."""
    if plane.dtype == np.bool_:
        return np.asarray(plane, np.uint8) * np.uint8(255)
    kept = (np.uint8, np.uint16, np.int16, np.float32)
    if plane.dtype.isnative and plane.dtype.type in kept:
        return plane
    if plane.dtype.type in kept:
        return plane.astype(plane.dtype.newbyteorder("="))
    return np.asarray(plane, np.float32)


def percentiles(
    plane: Plane, low: float, high: float, mask: BoolImage | None = None
) -> tuple[float, float]:
    """Grey values below which `low` % and `high` % of the (masked) pixels lie."""
    step = max(1, math.isqrt(plane.size // _SAMPLES))
    looked_at: NDArray[Any] = plane[::step, ::step]
    kept = np.isfinite(looked_at)
    if mask is not None:
        kept &= mask[::step, ::step]
    values = looked_at[kept]
    if values.size == 0:
        return 0.0, 1.0
    bottom, top = (float(v) for v in np.percentile(values, (low, high)))
    return bottom, top if top > bottom else bottom + 1.0


def stretch(plane: Plane, bottom: float, top: float) -> GreyImage:
    """`bottom` becomes black, `top` white; not-a-number becomes black."""
    scale = 255.0 / (top - bottom)
    if plane.dtype == np.uint8:
        ramp = (np.arange(256) - bottom) * scale
        table = np.clip(np.rint(ramp), 0, 255).astype(np.uint8)
        return np.asarray(cv2.LUT(plane, table), np.uint8)
    grey = np.nan_to_num((plane.astype(np.float32) - bottom) * scale, copy=False)
    return np.asarray(np.clip(np.rint(grey), 0, 255), np.uint8)
