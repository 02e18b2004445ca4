"""Real pairs thrown into known random poses.

A pair with landmarks is turned, mirrored, cropped, re-scaled, disturbed by a known
amount, so that many trials come of few pairs and the truth of each is exact up to the
landmarks. Truth is only ever a known transform or landmarks.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, invert, similarity, translation
from clemd.model import Matrix

TIERS = ("mild", "session", "wild")


@dataclass(frozen=True, slots=True, kw_only=True)
class RealPair:
    """Two images of one object and what is known of their relation."""

    name: str
    kind: str
    em: NDArray[Any]
    lm: NDArray[Any]
    em_points: NDArray[np.float64]
    """(n, 2) landmarks in EM px."""
    lm_points: NDArray[np.float64]
    affine: Matrix
    """Best affine through the landmarks, or the known matrix."""
    floor_px: float
    """RMS distance of the landmarks from that affine, LM px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One thrown pair."""

    pair: str
    kind: str
    tier: str
    seed: int
    em: NDArray[Any]
    lm: NDArray[Any]
    ratio_prior: float | None
    em_to_lm: Matrix | None
    """Truth (affine through the landmarks); None for a negative."""
    floor_px: float = 0.0

    @property
    def width_lm_px(self) -> float:
        """Width of the EM field in LM px, by the truth."""
        if self.em_to_lm is None:
            return math.nan
        scale = math.sqrt(abs(float(np.linalg.det(self.em_to_lm[:2, :2]))))
        return float(self.em.shape[1] * scale)

    def error(self, matrix: Matrix) -> float:
        """Mean corner error as a fraction of the EM field width."""
        if self.em_to_lm is None:
            return math.inf
        h, w = self.em.shape[:2]
        rim = np.array([[0, 0], [w - 1, 0], [w - 1, h - 1], [0, h - 1]], float)
        gap = np.linalg.norm(apply(matrix, rim) - apply(self.em_to_lm, rim), axis=1)
        return float(gap.mean()) / self.width_lm_px


def load_pairs(folder: Path) -> list[RealPair]:
    """Every 2-D pair below `folder` that has landmarks or a matrix."""
    return [
        pair
        for path in sorted(folder.rglob("pair*.json"))
        if (pair := _load(path)) is not None
    ]


def _load(path: Path) -> RealPair | None:
    facts = json.loads(path.read_text())
    if facts.get("dimensions") == 3:
        return None
    em_name = facts.get("em") or facts.get("fixed")
    lm_name = facts.get("lm") or facts.get("moving")
    marks = np.array(facts.get("landmarks") or np.zeros((0, 4)), float)
    matrix = facts.get("matrix_em_to_lm")
    if len(marks) < 4 and matrix is None:
        return None
    if len(marks) >= 4:
        src, dst = marks[:, :2], marks[:, 2:]
        a = np.c_[src, np.ones(len(src))]
        fit = np.linalg.lstsq(a, dst, rcond=None)[0].T
        affine = np.vstack([fit, [0, 0, 1]])
        floor = float(np.sqrt(((apply(affine, src) - dst) ** 2).sum(1).mean()))
    else:
        affine, floor = np.array(matrix, float), 0.0
        src = dst = np.zeros((0, 2))
    stem = path.parent.name
    return RealPair(
        name=stem if path.stem == "pair" else f"{stem}/{path.stem}",
        kind=stem.split("_")[0],
        em=_grey(path.parent / em_name),
        lm=_grey(path.parent / lm_name),
        em_points=src,
        lm_points=dst,
        affine=affine,
        floor_px=floor,
    )


def _grey(path: Path) -> NDArray[Any]:
    if path.suffix.lower() in {".tif", ".tiff"}:
        import tifffile

        image = tifffile.imread(path, is_ome=False)
    else:
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    if image.ndim == 3:
        image = image[..., :3].mean(2)
    grey = np.nan_to_num(image.astype(np.float32))
    low, high = np.percentile(grey, [0.1, 99.9])
    scaled = 255 * np.clip((grey - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.round(scaled).astype(np.uint8))


def throw(
    pair: RealPair, tier: str, seed: int, *, lm_from: RealPair | None = None
) -> Trial:
    """One trial of `tier`; with `lm_from` the LM of another pair: a negative."""
    rng = np.random.default_rng([seed, TIERS.index(tier), sum(pair.name.encode())])
    em, to_source = _crop(pair, tier, rng)
    turn = rng.uniform(-10, 10) if tier == "mild" else rng.uniform(-180, 180)
    mirrored = bool(tier == "wild" and rng.random() < 0.5)
    stretch = math.exp(rng.uniform(0, math.log(1.8)))
    em, thrown = _resample(em, turn, mirrored, stretch)
    em_to_source = compose(to_source, invert(thrown))
    if tier == "wild":
        em = _disturb(em, rng)
        em, shift = _frame(em, rng)
        em_to_source = compose(em_to_source, shift)
    other = lm_from or pair
    truth = None if lm_from else compose(pair.affine, em_to_source)
    scale = math.sqrt(
        abs(float(np.linalg.det(compose(pair.affine, em_to_source)[:2, :2])))
    )
    wrong = rng.uniform(-0.01, 0.01) if tier == "mild" else rng.uniform(-0.1, 0.1)
    return Trial(
        pair=pair.name,
        kind=pair.kind if lm_from is None else f"negative {other.kind}",
        tier=tier,
        seed=seed,
        em=em,
        lm=other.lm,
        ratio_prior=(1 / scale) * (1 + wrong),
        em_to_lm=truth,
        floor_px=pair.floor_px,
    )


def _crop(
    pair: RealPair, tier: str, rng: np.random.Generator
) -> tuple[NDArray[Any], Matrix]:
    """A part of the EM image that lies as far on the LM as can be had."""
    h, w = pair.em.shape
    share = rng.uniform(0.8, 1.0) if tier == "mild" else rng.uniform(0.35, 1.0)
    side = math.sqrt(share)
    ch, cw = max(96, int(h * side)), max(96, int(w * side))
    ch, cw = min(ch, h), min(cw, w)
    best = (-1.0, 0, 0)
    for _ in range(12):
        y0, x0 = int(rng.integers(0, h - ch + 1)), int(rng.integers(0, w - cw + 1))
        rim = apply(
            pair.affine,
            [
                [x0 + u * cw, y0 + v * ch]
                for u in (0.05, 0.5, 0.95)
                for v in (0.05, 0.5, 0.95)
            ],
        )
        lh, lw = pair.lm.shape
        inside = ((rim >= 0) & (rim < [lw, lh])).all(1).mean()
        if inside > best[0]:
            best = (float(inside), x0, y0)
    _, x0, y0 = best
    crop = pair.em[y0 : y0 + ch, x0 : x0 + cw]
    return crop, translation(x0, y0)


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
        about=((w - 1) / 2, (h - 1) / 2),
        onto=((out_w - 1) / 2, (out_h - 1) / 2),
    )
    out = cv2.warpAffine(
        image,
        matrix[:2],
        (out_w, out_h),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return out, matrix


def _disturb(image: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    values: NDArray[Any] = image.astype(np.float32)
    if rng.random() < 0.5:
        values = 255 - values
    values = 255 * (np.clip(values, 0, 255) / 255) ** rng.uniform(0.6, 1.6)
    noisy = values + rng.normal(0, rng.uniform(2, 18), values.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def _frame(
    image: NDArray[Any], rng: np.random.Generator
) -> tuple[NDArray[Any], Matrix]:
    """Sometimes a black border, sometimes an info bar."""
    shift = translation(0, 0)
    if rng.random() < 0.5:
        b = int(rng.integers(4, 24))
        image = cv2.copyMakeBorder(image, b, b, b, b, cv2.BORDER_CONSTANT, value=0)
        shift = translation(-b, -b)
    if rng.random() < 0.5:
        rows = max(12, image.shape[0] // 14)
        bar = np.zeros((rows, image.shape[1]), np.uint8)
        cv2.putText(bar, "10 um  EHT 5 kV", (8, rows - 4), 0, rows / 32, 255, 1)
        image = np.vstack([image, bar])
    return image, shift
