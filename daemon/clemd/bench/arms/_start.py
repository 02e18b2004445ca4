"""Where an arm begins: EM and LM at one pixel size, centre on centre."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, middle_of, mirroring, resizing, similarity
from clemd.model import Matrix

EQUAL_FIELDS = "ratio unknown: equal fields assumed"
Shape = tuple[int, ...]


def ratio_or_equal_fields(
    em_shape: Shape, lm_shape: Shape, ratio: float | None
) -> tuple[float, str]:
    """LM / EM pixel size to begin with, and what to say about it.

    Without a ratio both images are taken to show a field of the same area.
    """
    if ratio is not None:
        return ratio, ""
    return math.sqrt(math.prod(em_shape[:2]) / math.prod(lm_shape[:2])), EQUAL_FIELDS


def at_lm_pixels(
    em: NDArray[Any], ratio: float, *, mirrored: bool = False
) -> tuple[NDArray[np.float32], Matrix]:
    """The EM image at the LM's pixel size, and the matrix that took it there."""
    height, width = em.shape
    shape = (max(1, round(height / ratio)), max(1, round(width / ratio)))
    small, matrix = resized(em, shape)
    if mirrored:
        small = np.ascontiguousarray(small[:, ::-1])
        matrix = compose(mirroring(shape[1]), matrix)
    return small, matrix


def resized(
    image: NDArray[Any], shape: tuple[int, int]
) -> tuple[NDArray[np.float32], Matrix]:
    """The same field on (height, width) pixels: means of areas, or linear between."""
    height, width = image.shape
    shrinks = shape[0] <= height and shape[1] <= width
    resampled = cv2.resize(
        image.astype(np.float32),
        (shape[1], shape[0]),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.asarray(resampled, np.float32), resizing((height, width), shape)


def centre_on_centre(
    from_shape: Shape, onto_shape: Shape, rotation_deg: float = 0.0
) -> Matrix:
    """Same pixel size; the middle of one image on the middle of the other."""
    return similarity(
        scale=1.0,
        rotation_deg=rotation_deg,
        about=middle_of(from_shape),
        onto=middle_of(onto_shape),
    )


@contextmanager
def opencv_threads(threads: int) -> Iterator[None]:
    """OpenCV uses as many as it is told, and afterwards as many as before."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(threads)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
