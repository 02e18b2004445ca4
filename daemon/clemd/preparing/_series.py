"""An energy series on its way into an engine: every band, its greys left as they are.

Spectra are compared, so nothing is equalised; the bands are only averaged down to
about the other side's resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import binning
from clemd.model import FloatImage, PreparedImage

from ._masks import content_mask

LEAST_SIDE_PX = 24


def prepare_series(
    planes: Sequence[NDArray[Any]],
    axis: Sequence[float],
    *,
    reduction: float | None = None,
    info_bar_rows: int = 0,
    content_key: str = "",
) -> PreparedImage:
    """The bands as float32 layers with their axis.

    `planes` are (height, width) arrays of one real type; `axis` has one value for
    each. `reduction` is how many stored px make one working px (None = 1).

    Raises:
        RegistrationRefusedError: no bands, unlike bands, or too small ones.
    """
    if not planes:
        raise RegistrationRefusedError("the series has no bands to register")
    height, width = planes[0].shape
    if any(plane.shape != (height, width) for plane in planes):
        raise RegistrationRefusedError("the bands of the series differ in size")
    if any(plane.dtype.kind not in "uifb" for plane in planes):
        raise RegistrationRefusedError(
            f"pixels must be real numbers, got {planes[0].dtype}"
        )
    if min(height, width) < LEAST_SIDE_PX:
        raise RegistrationRefusedError(
            f"the series is {width} x {height} px: at least {LEAST_SIDE_PX} px a side "
            "are needed"
        )
    most = min(height, width) // LEAST_SIDE_PX
    bin_px = int(max(1, min(np.floor(max(reduction or 1.0, 1.0)), most)))
    rows, columns = height // bin_px, width // bin_px
    bands = np.empty((len(planes), rows, columns), np.float32)
    for band, plane in zip(bands, planes, strict=True):
        band[:] = _averaged(plane, rows, columns, bin_px)
    finite = np.ones((rows, columns), bool)
    if planes[0].dtype.kind == "f":
        finite = np.asarray(np.isfinite(bands).all(0))
        if not finite.all() and finite.any():
            # a level of its own in every band: no edge where nothing is known
            bands[:, ~finite] = bands[:, finite].mean(1, keepdims=True)
        elif not finite.all():
            bands[:] = 0.0
    mean = bands[:: max(1, len(bands) // 8)].mean(0)
    mask = content_mask(mean, -(-info_bar_rows // bin_px)) & finite
    return PreparedImage(
        layers=tuple(bands),
        mask=mask,
        from_full=binning(bin_px),
        full_shape=(height, width),
        label="all bands",
        content_key=content_key,
        axis=tuple(axis),
    )


def _averaged(plane: NDArray[Any], rows: int, columns: int, bin_px: int) -> FloatImage:
    part = np.asarray(plane[: rows * bin_px, : columns * bin_px], np.float32)
    if bin_px == 1:
        return part
    return np.asarray(
        cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA), np.float32
    )
