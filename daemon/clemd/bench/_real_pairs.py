"""Real pairs of images with landmarks, or with a known matrix."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import apply, compose, invert, resizing, translation
from clemd.model import Matrix

RELATED = ("histology", "ebsd")
"""Pairs of one specimen: never negatives of each other."""
SMALL_LM_PX = 640
"""Longest side of a map at the `small` size."""
REPLICAS = 64
"""Times that landmarks are drawn again to learn how sure their fit is."""


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
    doubted: tuple[Matrix, ...] = ()
    """What `affine` could as well be, by what is known of it: equally likely ones."""

    def reduced(self, longest_lm_px: int) -> RealPair:
        """Both images smaller by one factor, so that the map is not longer."""
        factor = longest_lm_px / max(self.lm.shape)
        if factor >= 1:
            return self
        em, em_matrix = _shrink(self.em, factor)
        lm, lm_matrix = _shrink(self.lm, factor)
        return replace(
            self,
            em=em,
            lm=lm,
            em_points=_moved(em_matrix, self.em_points),
            lm_points=_moved(lm_matrix, self.lm_points),
            affine=compose(lm_matrix, self.affine, invert(em_matrix)),
            floor_px=self.floor_px * factor,
            doubted=tuple(
                compose(lm_matrix, one, invert(em_matrix)) for one in self.doubted
            ),
        )


def _shrink(image: NDArray[Any], factor: float) -> tuple[NDArray[Any], Matrix]:
    """A smaller image, and old px -> new px."""
    height, width = image.shape
    shape = max(1, round(height * factor)), max(1, round(width * factor))
    small = cv2.resize(image, shape[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(small), resizing((height, width), shape)


def _moved(matrix: Matrix, points: NDArray[np.float64]) -> NDArray[np.float64]:
    return apply(matrix, points) if len(points) else points


def are_related(a: RealPair, b: RealPair) -> bool:
    """May the map of one show what the other shows?"""
    return a.name == b.name or (a.kind == b.kind and a.kind in RELATED)


def pairs_in(data: Path | None) -> list[RealPair]:
    """Real pairs with truth; none where no folder is given.

    Raises:
        UsageError: no such folder, or no pair with a truth in it.
    """
    if data is None:
        return []
    if not data.is_dir():
        raise UsageError("no such folder", str(data), "check --data")
    pairs = load_pairs(data)
    if not pairs:
        raise UsageError(
            "no pair*.json with landmarks or a matrix", str(data), "check --data"
        )
    return pairs


def load_pairs(folder: Path) -> list[RealPair]:
    """Every 2-D pair below `folder` that has landmarks or a matrix."""
    return [
        pair
        for path in sorted(folder.rglob("pair*.json"))
        if (pair := _load(path)) is not None
    ]


def _load(path: Path) -> RealPair | None:
    facts = json.loads(path.read_text("utf-8"))
    if facts.get("dimensions") == 3:
        return None
    marks = np.array(facts.get("landmarks") or np.zeros((0, 4)), float)
    matrix = facts.get("matrix_em_to_lm")
    if len(marks) < 4 and matrix is None:
        return None
    if len(marks) >= 4:
        source, target = marks[:, :2], marks[:, 2:]
        affine = _affine(source, target)
        miss = apply(affine, source) - target
        floor = float(np.sqrt((miss**2).sum(1).mean()))
        doubted = _refitted(source, target)
    else:
        affine, floor = np.array(matrix, float), 0.0
        source = target = np.zeros((0, 2))
        doubted = _shifted(affine, str(facts.get("truth", "")))
    stem = path.parent.name
    return RealPair(
        name=stem if path.stem == "pair" else f"{stem}/{path.stem}",
        kind=stem.split("_")[0],
        em=_grey(path.parent / (facts.get("em") or facts.get("fixed"))),
        lm=_grey(path.parent / (facts.get("lm") or facts.get("moving"))),
        em_points=source,
        lm_points=target,
        affine=affine,
        floor_px=floor,
        doubted=doubted,
    )


def _refitted(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[Matrix, ...]:
    """Affines through landmarks drawn again with replacement (bootstrap, Efron 1979).

    Fewer than four different landmarks decide nothing and are not drawn.
    """
    rng = np.random.default_rng(0)
    drawn = (rng.integers(0, len(source), len(source)) for _ in range(REPLICAS))
    return tuple(_affine(source[i], target[i]) for i in drawn if len(set(i)) >= 4)


def _shifted(affine: Matrix, truth: str) -> tuple[Matrix, ...]:
    """Shifts as large as a derived truth says of itself: "about ±3 px"."""
    said = re.search(r"±\s*([0-9.]+)\s*px", truth)
    if said is None:
        return ()
    far = float(said[1])
    return tuple(
        compose(translation(far * math.cos(t), far * math.sin(t)), affine)
        for t in np.linspace(0, 2 * math.pi, 8, endpoint=False)
    )


def _affine(source: NDArray[np.float64], target: NDArray[np.float64]) -> Matrix:
    """Least squares."""
    lifted = np.c_[source, np.ones(len(source))]
    fit = np.linalg.lstsq(lifted, target, rcond=None)[0].T
    return np.vstack([fit, [0, 0, 1]])


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
