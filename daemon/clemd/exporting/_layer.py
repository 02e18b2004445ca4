"""One plane as an 8-bit picture for the operator's page."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np

from clemd.model import BoolImage

from ._atomic import write_bytes
from ._context import Plane
from ._contrast import GreyImage, bin_plane, factor_for, percentiles, stretch


class LayerFacts(TypedDict):
    """What the page needs to put the picture in its place."""

    file: str
    width: int
    """Size of the picture in px."""
    height: int
    factor: int
    """x_picture = (x_full + 0.5) / factor - 0.5, exactly."""
    low: float
    """Stored grey value shown as black."""
    high: float
    """Stored grey value shown as white."""
    full_width: int
    full_height: int


def write_layer(
    path: Path,
    plane: Plane,
    *,
    max_side: int = 2048,
    mask: BoolImage | None = None,
) -> LayerFacts:
    """Write `plane` as a stretched 8-bit PNG no larger than `max_side` px.

    `mask` (same shape) is True where pixels count for the contrast; the info bar
    would otherwise decide what is white.

    Raises:
        ValueError: not a 2-D plane, or it cannot be binned that far.
        OSError: the file cannot be written.
    """
    if plane.ndim != 2:
        raise ValueError(f"a plane has two axes, got shape {plane.shape}")
    binned = bin_plane(plane, factor_for(plane.shape, max_side))
    small = binned.plane
    low, high = percentiles(small, 0.1, 99.9, _bin_mask(mask, binned.factor))
    write_bytes(path, encode_png(stretch(small, low, high)))
    return LayerFacts(
        file=path.name,
        width=small.shape[1],
        height=small.shape[0],
        factor=binned.factor,
        low=low,
        high=high,
        full_width=plane.shape[1],
        full_height=plane.shape[0],
    )


def encode_png(picture: GreyImage) -> bytes:
    """Grey (h, w) or BGR (h, w, 3) as PNG; fast rather than smallest."""
    level = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    filtering = [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_SUB]
    written, encoded = cv2.imencode(".png", picture, level + filtering)
    if not written:
        raise OSError("the PNG encoder failed")
    return encoded.tobytes()


def _bin_mask(mask: BoolImage | None, factor: int) -> BoolImage | None:
    """The pixel nearest each block's middle speaks for the block."""
    if mask is None:
        return None
    height, width = mask.shape[0] // factor, mask.shape[1] // factor
    half = factor // 2
    picked = mask[half::factor, half::factor][:height, :width]
    return np.asarray(picked, np.bool_)
