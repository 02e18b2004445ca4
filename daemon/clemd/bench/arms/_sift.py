"""OpenCV SIFT, ratio test, RANSAC affine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose
from clemd.model import Matrix

from ._arm import ArmResult, Image
from ._start import at_lm_pixels, opencv_threads

FEATURES = 4000
NEAREST_RATIO = 0.75
INLIER_PX = 3.0
FEWEST_INLIERS = 6
"""Three points make any affine agree with itself: half of these is chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiftArm:
    """SIFT knows scale by itself: without a ratio the EM image is taken as it is."""

    name: str = "sift"
    package: str | None = None
    summary: str = (
        f"SIFT, {FEATURES} features an image, ratio test {NEAREST_RATIO}, RANSAC "
        f"affine within {INLIER_PX:g} LM px, at least {FEWEST_INLIERS} inliers"
    )

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """See `Arm.register`; OpenCV's RANSAC has its own fixed seed."""
        began = time.perf_counter()
        with opencv_threads(threads):
            matrix, note = _match(em, lm, 1.0 if ratio is None else ratio)
        return ArmResult(
            em_to_lm=matrix, seconds=time.perf_counter() - began, note=note
        )


def _match(em: Image, lm: Image, ratio: float) -> tuple[Matrix | None, str]:
    small, small_from_em = at_lm_pixels(em, ratio)
    here, there = _matched_points(_as_bytes(small), lm)
    if len(here) < FEWEST_INLIERS:
        return None, f"{len(here)} matches: too few"
    affine: Any
    kept: Any  # OpenCV's stubs do not know that both may be None
    affine, kept = cv2.estimateAffine2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX
    )
    inliers = 0 if kept is None else int(kept.sum())
    if affine is None or inliers < FEWEST_INLIERS:
        return None, f"{inliers} of {len(here)} matches agree: too few"
    matrix = np.vstack([affine, [0.0, 0.0, 1.0]])
    return compose(matrix, small_from_em), f"{inliers} of {len(here)} matches agree"


def _matched_points(
    em: Image, lm: Image
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, 2) places in `em` and the places in `lm` that look alike."""
    sift = cv2.SIFT.create(nfeatures=FEATURES)
    em_words: Any
    lm_words: Any  # None where there is no key point
    em_keys, em_words = sift.detectAndCompute(em, None)
    lm_keys, lm_words = sift.detectAndCompute(lm, None)
    pairs = []
    if em_words is not None and lm_words is not None and len(lm_keys) > 1:
        for best, second in cv2.BFMatcher().knnMatch(em_words, lm_words, k=2):
            if best.distance < NEAREST_RATIO * second.distance:
                pairs.append((em_keys[best.queryIdx].pt, lm_keys[best.trainIdx].pt))
    points = np.asarray(pairs, np.float32).reshape(-1, 2, 2).transpose(1, 0, 2)
    here, there = np.ascontiguousarray(points)
    return here, there


def _as_bytes(image: NDArray[np.float32]) -> Image:
    return np.asarray(np.clip(np.rint(image), 0, 255), np.uint8)
