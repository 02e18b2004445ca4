"""Real pairs thrown into known random poses.

A pair with landmarks is turned, mirrored, cropped, re-scaled, disturbed by a known
amount, so that many trials come of few pairs and the truth of each is exact up to the
landmarks. Truth is only ever a known transform or landmarks.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, invert, middle_of, similarity, translation
from clemd.model import Matrix

from ._cutting import LEAST_SIDE_PX, Throw, crop_around, cut_off, largest_rest
from ._disturbing import disturb, frame
from ._real_pairs import RealPair
from ._trial import HANGING, HANGING_OVER, TIERS, Trial

MOST_EM_PX = 2400
"""Longest side of a thrown EM image."""


def throw(pair: RealPair, tier: str, seed: int) -> Trial:
    """A trial of `tier` whose right answer is known."""
    thrown = _throw(pair, tier, seed)
    lm, crop = pair.lm, translation(0, 0)
    if tier == "mild":
        lm, crop = crop_around(pair.lm, thrown)
    elif tier in HANGING and thrown.rng.random() < HANGING_OVER:
        lm, crop = cut_off(pair.lm, thrown, thrown.rng.uniform(0.54, 0.7))
    return Trial(
        em=thrown.em,
        lm=lm,
        em_to_lm=compose(crop, thrown.em_to_lm),
        doubted=tuple(
            compose(crop, one, invert(pair.affine), thrown.em_to_lm)
            for one in pair.doubted
        ),
        ratio=None if tier == "unknown" else _told(thrown, tier),
        floor_px=pair.floor_px,
    )


def throw_elsewhere(pair: RealPair, other: RealPair, tier: str, seed: int) -> Trial:
    """The EM image of one pair and the map of another."""
    thrown = _throw(pair, tier, seed)
    return Trial(
        em=thrown.em,
        lm=other.lm,
        em_to_lm=None,
        ratio=_told(thrown, tier),
        is_negative=True,
    )


def throw_beside(pair: RealPair, tier: str, seed: int) -> Trial | None:
    """A part of the EM image, and a part of the same map that does not show it.

    None where the map leaves no room beside it.
    """
    thrown = _throw(pair, tier, seed, share=(0.06, 0.2))
    rest = largest_rest(pair.lm, thrown)
    if rest is None:
        return None
    return Trial(
        em=thrown.em,
        lm=rest,
        em_to_lm=None,
        ratio=_told(thrown, tier),
        is_negative=True,
    )


def _throw(
    pair: RealPair, tier: str, seed: int, share: tuple[float, float] | None = None
) -> Throw:
    rng = np.random.default_rng([seed, TIERS.index(tier), sum(pair.name.encode())])
    shares = {"mild": (0.8, 1.0), "unknown": (0.1, 1.0)}
    em, to_source = _crop(pair, share or shares.get(tier, (0.35, 1.0)), rng)
    is_wild = tier in ("wild", "unknown")
    turn = rng.uniform(-10, 15) if tier == "mild" else rng.uniform(-180, 180)
    mirrored = bool(is_wild and rng.random() < 0.5)
    stretch = _stretch(pair, em, tier, rng)
    em, thrown = _resample(em, turn, mirrored, stretch)
    em_to_source = compose(to_source, invert(thrown))
    if is_wild:
        em = disturb(em, rng)
        em, shift = frame(em, rng)
        em_to_source = compose(em_to_source, shift)
    return Throw(em=em, em_to_lm=compose(pair.affine, em_to_source), rng=rng)


def _told(thrown: Throw, tier: str) -> float:
    """The ratio as the files would say: 1 % wrong at most if mild, else 10 %."""
    most = 0.01 if tier == "mild" else 0.1
    return thrown.ratio * (1 + float(thrown.rng.uniform(-most, most)))


def _stretch(
    pair: RealPair, em: NDArray[Any], tier: str, rng: np.random.Generator
) -> float:
    """Enlargement that brings the ratio to 1-2 if mild, else 1-10."""
    most = math.log(2.0 if tier == "mild" else 10.0)
    wanted = math.exp(rng.uniform(0, most))
    now = 1 / math.sqrt(abs(float(np.linalg.det(pair.affine[:2, :2]))))
    return float(min(wanted / now, MOST_EM_PX / max(em.shape)))


def _crop(
    pair: RealPair, share: tuple[float, float], rng: np.random.Generator
) -> tuple[NDArray[Any], Matrix]:
    """A part of the EM image that lies as far on the LM as can be had."""
    h, w = pair.em.shape
    side = math.sqrt(rng.uniform(*share))
    ch = min(max(LEAST_SIDE_PX, int(h * side)), h)
    cw = min(max(LEAST_SIDE_PX, int(w * side)), w)
    nine = np.array([[u, v] for u in (0.05, 0.5, 0.95) for v in (0.05, 0.5, 0.95)])
    best = (-1.0, 0, 0)
    for _ in range(12):
        y0, x0 = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
        at = apply(pair.affine, nine * [cw, ch] + [x0, y0])
        inside = ((at >= 0) & (at < pair.lm.shape[::-1])).all(1).mean()
        if inside > best[0]:
            best = (float(inside), x0, y0)
    _, x0, y0 = best
    return pair.em[y0 : y0 + ch, x0 : x0 + cw], translation(x0, y0)


def _resample(
    image: NDArray[Any], turn: float, mirrored: bool, stretch: float
) -> tuple[NDArray[Any], Matrix]:
    """Turned about its centre; only the largest inner rectangle is kept."""
    h, w = image.shape
    t = math.radians(turn)
    c, s = abs(math.cos(t)), abs(math.sin(t))
    # a rectangle of the same aspect that lies wholly inside the turned image
    k = min(w / (w * c + h * s), h / (w * s + h * c))
    out_w, out_h = int(w * k * stretch), int(h * k * stretch)
    matrix = similarity(
        scale=stretch,
        rotation_deg=turn,
        mirrored=mirrored,
        about=middle_of((h, w)),
        onto=middle_of((out_h, out_w)),
    )
    if stretch < 1:  # finer than the new pixels must average out
        image = cv2.GaussianBlur(image, (0, 0), 0.5 / stretch)
    out = cv2.warpAffine(
        image,
        matrix[:2],
        (out_w, out_h),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return np.asarray(out), matrix
