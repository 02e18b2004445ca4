"""What in an image is specimen, and what is border, bar, padding or surround."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import BoolImage

MOST_BORDER = 0.7
"""An image emptier than this is taken as content: nearly all black is a dark field."""
SURROUND_LEVEL = 0.08
"""A surround is darker (or brighter) than this share of the grey range."""
SOLID = 0.95
"""A camera field is convex: its area over its hull's."""
PADDED_SOLID = 0.9
"""A padded picture fills at least this share of its hull."""
BEYOND_BAR = 0.3
"""Most of an equal block beyond a bar that may have the bar's own two values."""
_KERNEL = np.ones((5, 5), np.uint8)


def content_mask(image: NDArray[Any], info_bar_rows: int = 0) -> BoolImage:
    """True on specimen.

    False on values that are not numbers, the `info_bar_rows` at the bottom, exactly
    flat areas that touch the rim (padding, borders), and rows at the top or bottom
    made of two grey values (a bar the metadata do not mention).

    `image` is (height, width) of any real type.
    """
    height = image.shape[0]
    mask = np.isfinite(image) if image.dtype.kind == "f" else np.ones(image.shape, bool)
    if info_bar_rows:
        mask[height - info_bar_rows :] = False
    body = image[: height - info_bar_rows] if info_bar_rows else image
    keep = mask[: body.shape[0]]
    keep &= ~_flat_rim(body)
    top, bottom = _bar_rows(body)
    keep[:top] = False
    keep[body.shape[0] - bottom :] = False
    return mask


def _flat_rim(image: NDArray[Any]) -> BoolImage:
    values = np.nan_to_num(image.astype(np.float32))
    flat = cv2.dilate(values, _KERNEL) == cv2.erode(values, _KERNEL)
    if flat.mean() < 0.002:
        return np.zeros(image.shape, bool)
    touching = _touching_rim(flat)
    grown = cv2.dilate(touching.astype(np.uint8), _KERNEL) > 0
    is_padding = grown.mean() < MOST_BORDER and _is_solid(~touching)
    return grown if is_padding else np.zeros(image.shape, bool)


def _is_solid(content: BoolImage) -> bool:
    """Does `content` fill its convex hull?

    A picture in a frame does, turned or not; objects on an even background that
    happens to be exactly flat (clipped fluorescence) do not.
    """
    points = np.argwhere(content)[:, ::-1].astype(np.int32)
    if len(points) < 3:
        return False
    hull_area = cv2.contourArea(cv2.convexHull(points))
    return bool(len(points) > PADDED_SOLID * hull_area)


def _touching_rim(region: BoolImage) -> BoolImage:
    """The parts of `region` connected to the image's rim."""
    _, labels = cv2.connectedComponents(region.astype(np.uint8))
    rim = np.unique(np.r_[labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.asarray(np.isin(labels, rim[rim > 0]))


def _bar_rows(image: NDArray[Any]) -> tuple[int, int]:
    """Rows of a two-valued bar at the top and at the bottom (0 = none)."""
    height = image.shape[0]
    found = []
    for rows in (range(height), range(height - 1, -1, -1)):
        inside, misses = 0, 0
        for y in rows:
            if inside + misses > 0.35 * height:
                break
            if _is_two_valued(image[y]):
                inside, misses = inside + 1 + misses, 0
            else:
                misses += 1
                if misses > 2:
                    break
        bar = inside + 1 if 8 <= inside <= 0.3 * height else 0
        found.append(bar if bar and _stands_out(image, rows, bar) else 0)
    return found[0], found[1]


def _stands_out(image: NDArray[Any], rows: range, bar: int) -> bool:
    """The bar's two values are rare beyond it; else it is just an even background."""
    values, counts = np.unique(image[list(rows[:bar])], return_counts=True)
    common = values[np.argsort(counts)[-2:]]
    beyond = image[list(rows[bar + 2 : 2 * bar + 2])]
    return bool(np.isin(beyond, common).mean() < BEYOND_BAR)


def _is_two_valued(row: NDArray[Any]) -> bool:
    counts = np.sort(np.unique(row, return_counts=True)[1])
    return len(counts) == 1 or counts[-2:].sum() > 0.7 * len(row)


def camera_field(grey: NDArray[np.uint8], mask: BoolImage) -> BoolImage:
    """`mask` cut to one big convex lit region with an even surround, if there is one.

    Round camera fields put the strongest edge of the image where there is no
    specimen. `grey` is the stretched 8-bit image.
    """
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows) or not len(columns):
        return mask
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inside = _lit_region(grey[box])
    if inside is None:
        return mask
    cut = mask.copy()
    cut[box] &= inside
    return cut


def _lit_region(grey: NDArray[np.uint8]) -> BoolImage | None:
    height, width = grey.shape
    step = max(1, min(height, width) // 160)
    size = (max(8, width // step), max(8, height // step))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 2.0)
    for image in (small, 255 - small):
        surround = _touching_rim(image < 255 * SURROUND_LEVEL)
        if not 0.01 < surround.mean() < 0.6:
            continue
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (~surround).astype(np.uint8)
        )
        if count < 2:
            continue
        largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
        outline = max(
            cv2.findContours(
                (labels == largest).astype(np.uint8),
                cv2.RETR_EXTERNAL,
                cv2.CHAIN_APPROX_NONE,
            )[0],
            key=len,
        )
        hull = cv2.convexHull(outline)
        area = cv2.contourArea(hull)
        if cv2.contourArea(outline) > SOLID * max(area, 1) and area > 0.35 * image.size:
            field = cv2.fillConvexPoly(np.zeros(image.shape, np.uint8), hull, 1)
            field = cv2.erode(field, _KERNEL, borderValue=1)
            whole = cv2.resize(field, (width, height), interpolation=cv2.INTER_NEAREST)
            return np.asarray(whole > 0)
    return None


def strips(height: int, rows: int) -> list[tuple[int, int]]:
    """(start, stop) of consecutive strips of at most `rows` rows."""
    edges = [*range(0, height, rows), height]
    return list(pairwise(edges))
