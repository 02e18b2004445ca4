"""The thesis's pre-processing as one call: two images of one shape and pixel size.

ratio      LM pixel size / EM pixel size: given, or measured by a search (the thesis
           takes it by hand, between landmarks, and leaves the rest open)
template   the EM image at the LM's pixel size
match      where on the map the template fits best, to a fraction of a pixel
crop       that part of every channel, exactly as wide as the EM field
resize     onto the EM image's pixels; what lies beyond the map is filled with grey

What published code does otherwise: it matches greys without taking out their mean,
which draws the answer to bright places, and rounds the ratio and the place to whole
pixels. Here edges are matched, with the mean taken out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import (
    binning,
    compose,
    decompose,
    invert,
    middle_of,
    resizing,
    translation,
)
from clemd.model import FloatImage, Matrix, PosePrior, PreparedImage
from clemd.registration._engine import EngineContext
from clemd.registration._finding import QUICK, find
from clemd.registration._images import Images

SMOOTH_PX = 1.5
LEAST_SCORE = 0.1
"""As published: below, the template has not been found."""
LEAST_SIDE_PX = 24
MOST_BEYOND = 0.5
"""Share of the template's side that may lie beyond the map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagePair:
    """What the published registration starts from."""

    em: FloatImage
    lm: tuple[FloatImage, ...]
    """Every channel on the EM image's pixels."""
    lm_from_pair: Matrix
    """Px of the pair (and of the EM image as stored) -> LM px as stored."""
    ratio: float
    score: float
    """Correlation of the edges at the place found, -1..1."""
    covered: float
    """Share of the pair that is map, and not padding."""


def image_pair(
    em: NDArray[Any],
    lm: Sequence[NDArray[Any]],
    *,
    ratio: float | None = None,
    reference: int = 0,
    padding: Literal["grey", "zero"] = "grey",
) -> ImagePair:
    """Cut the EM field out of every channel of the map, at the EM's pixel size.

    `ratio` is LM pixel size / EM pixel size; None has it measured. `reference` is the
    channel that is matched. The EM image must not be turned against the map by more
    than template matching forgives, some degrees.

    Raises:
        RegistrationRefusedError: no such channel, too small, constant, or nowhere on
            the map.
    """
    if not 0 <= reference < len(lm):
        raise RegistrationRefusedError(
            f"channel {reference} is to be matched and the map has {len(lm)}: give "
            "the map's planes, and one of their numbers, from zero"
        )
    seen = _grey(lm[reference])
    template = _grey(em)
    used = measured_ratio(template, seen) if ratio is None else float(ratio)
    shape = (round(em.shape[0] / used), round(em.shape[1] / used))
    if min(shape) < LEAST_SIDE_PX:
        raise RegistrationRefusedError(
            f"at a pixel-size ratio of {used:g} the EM field is {shape[1]} x "
            f"{shape[0]} px on the map; {LEAST_SIDE_PX} px a side are needed: check "
            "the ratio"
        )
    small = cv2.resize(template, shape[::-1], interpolation=cv2.INTER_AREA)
    place, score = _matched(np.asarray(small), seen)
    if score < LEAST_SCORE:
        raise RegistrationRefusedError(
            f"the EM field is nowhere on the map (correlation {score:.2f}, "
            f"{LEAST_SCORE:g} needed): check ratio, rotation and channel"
        )
    # exact: the field keeps its centre, whatever the template was rounded to
    corner = translation((shape[1] - 1) / 2 + place[0], (shape[0] - 1) / 2 + place[1])
    middle = middle_of(template.shape[:2])
    lm_from_pair = compose(
        corner, np.diag([1 / used, 1 / used, 1.0]), translation(-middle[0], -middle[1])
    )
    return ImagePair(
        em=template,
        lm=tuple(_cut(one, lm_from_pair, template.shape, padding) for one in lm),
        lm_from_pair=lm_from_pair,
        ratio=used,
        score=score,
        covered=_covered(seen.shape, lm_from_pair, template.shape),
    )


def measured_ratio(em: FloatImage, lm: FloatImage) -> float:
    """LM pixel size / EM pixel size by the search of `multimodal`, nothing told.

    Raises:
        RegistrationRefusedError: the images have no structure in common.
    """
    images = Images(_prepared(em), _prepared(lm), torch.device("cpu"))
    with torch.inference_mode():
        poses, _, _ = find(images, PosePrior(), QUICK, EngineContext())
    if not poses:
        raise RegistrationRefusedError(
            "the pixel-size ratio cannot be measured: the images have no structure in "
            "common; state it"
        )
    return 1 / decompose(poses[0].matrix, middle_of(images.em.full_shape)).scale


def _prepared(grey: FloatImage, side_px: int = 1024) -> PreparedImage:
    bin_px = max(1, max(grey.shape) // side_px)
    height, width = grey.shape[0] // bin_px, grey.shape[1] // bin_px
    kept = grey[: height * bin_px, : width * bin_px]
    small = cv2.resize(kept, (width, height), interpolation=cv2.INTER_AREA)
    return PreparedImage(
        layers=(np.asarray(small, np.float32),),
        mask=np.ones((height, width), np.bool_),
        from_full=binning(bin_px),
        full_shape=(int(grey.shape[0]), int(grey.shape[1])),
    )


def _grey(image: NDArray[Any]) -> FloatImage:
    """Float, 0..1 between its 0.5 and 99.5 percentile; not a number reads 0.5."""
    if image.ndim != 2:
        raise RegistrationRefusedError(f"a plane must be 2-D, got {image.shape}")
    grey = np.array(image, np.float32)
    known = np.isfinite(grey)
    low, high = np.percentile(grey[known], [0.5, 99.5]) if known.any() else (0.0, 0.0)
    if not high > low:
        raise RegistrationRefusedError(
            "an image is constant (empty or saturated): nothing to register"
        )
    grey = np.clip((grey - low) / (high - low), 0, 1).astype(np.float32)
    grey[~known] = 0.5
    return np.asarray(grey)


def _matched(template: FloatImage, lm: FloatImage) -> tuple[tuple[float, float], float]:
    """Place of the template's first pixel on the map, px, and its correlation."""
    beyond = [int(MOST_BEYOND * side) for side in template.shape]
    around = (beyond[0], beyond[0], beyond[1], beyond[1])
    padded = cv2.copyMakeBorder(_edges(lm), *around, cv2.BORDER_CONSTANT, value=0.0)
    scores = cv2.matchTemplate(padded, _edges(template), cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    dx = _peak(scores[y, max(0, x - 1) : x + 2])
    dy = _peak(scores[max(0, y - 1) : y + 2, x])
    return (x + dx - beyond[1], y + dy - beyond[0]), float(best)


def _peak(three: NDArray[Any]) -> float:
    """Where a parabola through three neighbours is highest, -0.5..0.5."""
    if len(three) < 3:
        return 0.0
    left, middle, right = (float(value) for value in three)
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _edges(grey: FloatImage) -> FloatImage:
    """Strength of edges: what two modalities share whatever their contrast."""
    smooth = cv2.GaussianBlur(grey, (0, 0), SMOOTH_PX)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
    return np.asarray(np.hypot(gx, gy), np.float32)


def _cut(
    channel: NDArray[Any],
    lm_from_pair: Matrix,
    shape: tuple[int, ...],
    padding: Literal["grey", "zero"],
) -> FloatImage:
    grey = np.asarray(channel, np.float32)
    fill = float(np.nanmean(grey)) if padding == "grey" else 0.0
    seen = cv2.warpAffine(
        grey,
        lm_from_pair[:2],
        (shape[1], shape[0]),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=fill,
    )
    return np.asarray(seen, np.float32)


def _covered(
    lm_shape: tuple[int, ...], lm_from_pair: Matrix, shape: tuple[int, ...]
) -> float:
    """Share of the pair's pixels that lie on the map."""
    small = (max(1, shape[0] // 8), max(1, shape[1] // 8))
    at = compose(lm_from_pair, invert(resizing((shape[0], shape[1]), small)))
    on = cv2.warpAffine(
        np.ones(lm_shape, np.float32),
        at[:2],
        small[::-1],
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderValue=0.0,
    )
    return float(on.mean())
