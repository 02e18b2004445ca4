"""From stored pixels to what an engine registers.

The EM image is averaged down to about the light microscope's resolution while it
streams past, so an 11,000 px image never stands in memory as floats. Contrast is
equalised locally (CLAHE), which needs no assumption about what is bright.
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

from ._checks import Words, check_planes
from ._masks import camera_field, content_mask, strips
from ._rims import find_rims

WORKING_SIDE_PX = 2048
"""Longest side prepared when nothing is known about the resolution."""
LEAST_SIDE_PX = 24
_IMAGE = Words(image="image", planes="channels", pixels="px", least=LEAST_SIDE_PX)
LEAST_CONTENT = 0.05
"""Share of an image that must be specimen."""
ONE_GREY = 0.998
"""Share of exactly equal px above which nothing can be told from the rest."""
STRIP_BYTES = 32 << 20


def prepare(
    planes: Sequence[NDArray[Any]],
    *,
    reduction: float | None = None,
    info_bar_rows: int = 0,
    label: str = "",
    content_key: str = "",
    merge: bool = False,
) -> PreparedImage:
    """Mask, average down and equalise the planes of one image.

    `planes` are (height, width) arrays of any real type (memory maps are read once,
    strip by strip). `reduction` is how many stored px make one working px; None
    brings the longest side to at most 2048 px. `merge` makes one layer of all planes,
    their mean (a grey picture stored in colours).

    Raises:
        RegistrationRefusedError: too small, constant, empty, or not numbers.
    """
    height, width = check_planes(planes, _IMAGE)
    bin_px = _bin_size(height, width, reduction)
    layers: list[FloatImage] = []
    masks: list[BoolImage] = []
    wide: list[BoolImage] = []
    for group in [planes] if merge else [[plane] for plane in planes]:
        small, valid = _average(group, bin_px)
        rims = find_rims(group[0][: height - info_bar_rows]).binned(bin_px)
        mask = content_mask(small, -(-info_bar_rows // bin_px), rims) & valid
        grey = _stretch(small, mask)
        if grey is None:
            continue
        wide.append(mask)
        masks.append(camera_field(np.where(mask, grey, _middle(grey, mask)), mask))
        layers.append(_equalise(grey))
    if not layers:
        raise RegistrationRefusedError(
            "the image is constant (empty or saturated): nothing to register; check "
            "detector, gain and blanking"
        )
    mask, wide_mask = _all(masks), _all(wide)
    if mask.mean() < LEAST_CONTENT:
        mask = wide_mask
    if mask.mean() < LEAST_CONTENT:
        raise RegistrationRefusedError(
            f"only {100 * mask.mean():.0f} % of the image is specimen: "
            "the rest is border, bar or not a number"
        )
    return PreparedImage(
        layers=tuple(layers),
        mask=mask,
        wide_mask=wide_mask if bool((wide_mask & ~mask).mean() > 0.03) else None,
        from_full=binning(bin_px),
        full_shape=(height, width),
        label=label,
        content_key=content_key,
    )


def working_px(height: int, width: int, reduction: float | None) -> int:
    """Px of one layer that `prepare` makes of an image of this size."""
    bin_px = _bin_size(max(height, 1), max(width, 1), reduction)
    return (height // bin_px) * (width // bin_px)


def _bin_size(height: int, width: int, reduction: float | None) -> int:
    """Whole px per working px; never so coarse that too little is left."""
    if reduction is None:
        reduction = max(height, width) / WORKING_SIDE_PX
    most = min(height, width) // LEAST_SIDE_PX
    return int(max(1, min(np.floor(max(reduction, 1.0)), most)))


def _average(
    planes: Sequence[NDArray[Any]], bin_px: int
) -> tuple[FloatImage, BoolImage]:
    """Block means over all `planes`, (height // bin, width // bin); where numbers."""
    height, width = planes[0].shape
    rows, columns = height // bin_px, width // bin_px
    small = np.empty((rows, columns), np.float32)
    per_strip = max(1, STRIP_BYTES // max(1, width * 4 * bin_px))
    for start, stop in strips(rows, per_strip):
        part = _mean_of(planes, np.s_[start * bin_px : stop * bin_px], columns * bin_px)
        small[start:stop] = (
            part
            if bin_px == 1
            else cv2.resize(part, (columns, stop - start), interpolation=cv2.INTER_AREA)
        )
    valid = np.isfinite(small)
    small[~valid] = 0.0
    return small, valid


def _mean_of(planes: Sequence[NDArray[Any]], rows: slice, columns: int) -> FloatImage:
    part = np.array(planes[0][rows, :columns], np.float32)  # a copy: may be a map
    for plane in planes[1:]:
        part += plane[rows, :columns]
    if len(planes) > 1:
        part /= len(planes)
    part[~np.isfinite(part)] = np.nan
    return part


def _stretch(small: FloatImage, mask: BoolImage) -> NDArray[np.uint8] | None:
    """8-bit between the 0.5 and 99.5 percentile of the specimen; None if constant."""
    inside = small[mask]
    if inside.size < 64:
        return None
    low, high = np.percentile(inside[:: max(1, inside.size // 200_000)], [0.5, 99.5])
    if not high > low:
        low, high = float(inside.min()), float(inside.max())
    if not high > low or _is_one_grey(inside):
        return None
    scaled = np.clip((small - low) / (high - low), 0, 1)
    return np.asarray(np.round(255 * scaled), np.uint8)


def _is_one_grey(inside: FloatImage) -> bool:
    """Is all but a trace of the specimen exactly one grey (saturated, blanked)?"""
    edge = float(np.median(inside))
    return bool((inside == edge).mean() > ONE_GREY)


def _middle(grey: NDArray[np.uint8], mask: BoolImage) -> np.uint8:
    return np.uint8(np.median(grey[mask][::7]))


def _equalise(grey: NDArray[np.uint8]) -> FloatImage:
    """Local contrast equalisation, float32 0..1 (CLAHE, Zuiderveld 1994)."""
    equal = cv2.createCLAHE(3.0, (8, 8)).apply(grey)
    return np.asarray(equal, np.float32) / np.float32(255)


def _all(masks: Sequence[BoolImage]) -> BoolImage:
    return np.asarray(np.logical_and.reduce(list(masks)))
