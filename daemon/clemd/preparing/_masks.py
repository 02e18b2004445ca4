"""What in an image is specimen, and what is border, bar, padding or surround."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import BoolImage

from ._rims import Rims, find_rims

MOST_BORDER = 0.7
"""An image emptier than this is taken as content: nearly all black is a dark field."""
SURROUND_LEVEL = 0.08
"""A surround is darker (or brighter) than this share of the grey range."""
SOLID = 0.95
"""A camera field is convex: its area over its hull's."""
PADDED_SOLID = 0.9
"""A padded picture fills at least this share of its hull."""
NEARLY_EVEN = 0.025
"""Padding after JPEG varies by less than this share of the grey range."""
IN_OUTLINE = 0.15
"""Most of what is taken for padding that may lie within the picture's outline."""
STRAIGHT = 0.004
"""How far an outline may leave its polygon, as a share of its length."""
_KERNEL = np.ones((5, 5), np.uint8)


def content_mask(
    image: NDArray[Any], info_bar_rows: int = 0, rims: Rims | None = None
) -> BoolImage:
    """True on specimen.

    False on values that are not numbers, the `info_bar_rows` at the bottom, bars and
    borders at the four sides (`rims`, found here if not given), and even areas that
    touch the rim and leave a picture with straight sides (padding, turned or not).

    `image` is (height, width) of any real type.
    """
    height = image.shape[0]
    mask = np.isfinite(image) if image.dtype.kind == "f" else np.ones(image.shape, bool)
    mask[height - info_bar_rows :] = False
    body = image[: height - info_bar_rows]
    if rims is None:
        rims = find_rims(body)
    keep = np.zeros(body.shape, bool)
    inner = rims.cut(body)
    rims.cut(keep)[:] = ~_flat_rim(inner) if inner.size else False
    mask[: body.shape[0]] &= keep
    return mask


def _flat_rim(image: NDArray[Any]) -> BoolImage:
    values = np.nan_to_num(image.astype(np.float32))
    spread = cv2.dilate(values, _KERNEL) - cv2.erode(values, _KERNEL)
    exact = _padding(spread <= 0, _is_solid)
    if exact.any():
        return exact
    low, high = np.percentile(values[::4, ::4], [1, 99])
    even = np.asarray(spread <= NEARLY_EVEN * (high - low))
    return _padding(even, _has_straight_sides) if high > low else exact


def _padding(flat: BoolImage, is_picture: Callable[[BoolImage], bool]) -> BoolImage:
    """The parts of `flat` at the rim, if what they leave is a picture."""
    if flat.mean() >= 0.002:
        touching = _touching_rim(flat)
        grown = cv2.dilate(touching.astype(np.uint8), _KERNEL) > 0
        if grown.any() and grown.mean() < MOST_BORDER and is_picture(~touching):
            return np.asarray(grown)
    return np.zeros(flat.shape, bool)


def _has_straight_sides(content: BoolImage) -> bool:
    """Is `content` a rectangle, turned or not, perhaps cut by the image's rim?

    Padding that is only nearly even (JPEG, noise near black) could be resin; but
    specimens have no straight sides.
    """
    smooth = cv2.morphologyEx(content.astype(np.uint8), cv2.MORPH_OPEN, _KERNEL)
    points = np.argwhere(smooth > 0)[:, ::-1].astype(np.int32)
    if len(points) < 3:
        return False
    hull = cv2.convexHull(points)
    corners = cv2.approxPolyDP(hull, STRAIGHT * cv2.arcLength(hull, True), True)
    area = cv2.contourArea(corners)
    # blank patches at the rim of a whole picture leave its outline as it is
    is_beyond = area - len(points) < IN_OUTLINE * (content.size - len(points))
    return bool(len(corners) <= 8 and len(points) > SOLID * area and is_beyond)


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
