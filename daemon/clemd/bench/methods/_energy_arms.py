"""Five ways of laying one energy series on another.

ours: the engine `spatio-spectral`, its verdict included. published: the procedure as
printed. SIFT only: without the spectral gate. HSI-ORB and HSI-KAZE: re-implemented
from what the paper says of them, with OpenCV's detectors at the keypoint counts it
prints; the originals have no public code.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import Matrix, PosePrior, PreparedImage
from clemd.preparing import prepare_series
from clemd.registration import EngineContext
from clemd.registration.spatio_spectral import (
    Cube,
    Features,
    Seen,
    SpatioSpectralEngine,
    chosen_grey,
    cube_of,
    entropies,
    look,
    paired,
    smoothed,
    spectra_at,
    spectral_descriptors,
    tile_px,
)

MOST_ORB = 20_000
"""Keypoints in the paper's tables III and IV."""
RATIO = 0.7
RANSAC_PX = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one arm made of one pair."""

    matrix: Matrix | None
    """EM px -> LM px between the bands below; None where it found nothing."""
    em_band: int
    lm_band: int
    keypoints: tuple[int, int]
    matches: int
    inlier_px: float
    """The paper's registration error, over the matches that made the pose."""
    wall_s: float
    cpu_s: float
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class _Made:
    """Something and what it cost."""

    value: Any
    wall_s: float
    cpu_s: float


def _timed(make: Callable[[], Any]) -> _Made:
    wall, cpu = time.perf_counter(), time.process_time()
    value = make()
    return _Made(value, time.perf_counter() - wall, time.process_time() - cpu)


class Side:
    """One series; what arms make of it alone is made once, and its cost kept."""

    def __init__(self, series: Any) -> None:
        self.series = series
        self._made: dict[str, _Made] = {}

    def prepared(self, reduction: float) -> PreparedImage:
        """As the pipeline gives it to the engine."""
        series = self.series
        return prepare_series(
            tuple(series.bands), tuple(series.energies_ev), reduction=reduction
        )

    def made(self, kind: str) -> _Made:
        """`sift`, `orb` or `kaze` of the band of maximum entropy, at full size."""
        if kind not in self._made:
            makers = {"sift": _sift, "orb": _orb, "kaze": _kaze}
            cube = cube_of(self.prepared(1.0), "series")
            self._made[kind] = _timed(lambda: makers[kind](cube))
        return self._made[kind]


def _sift(cube: Cube) -> Seen:
    return look(cube)


def _best_band(cube: Cube) -> tuple[int, NDArray[np.uint8], NDArray[np.float32]]:
    smooth = smoothed(cube.bands)
    band = int(entropies(smooth, cube.mask).argmax())
    return band, chosen_grey(smooth[band], cube.mask), smooth


def _orb(cube: Cube) -> tuple[int, NDArray[np.float64], NDArray[np.uint8]]:
    band, grey, _ = _best_band(cube)
    keys, descriptors = cv2.ORB.create(nfeatures=MOST_ORB).detectAndCompute(grey, None)
    points = np.array([key.pt for key in keys], np.float64).reshape(-1, 2)
    return band, points, np.asarray(descriptors, np.uint8)


def _kaze(cube: Cube) -> Seen:
    band, grey, smooth = _best_band(cube)
    keys, descriptors = cv2.KAZE.create().detectAndCompute(grey, None)
    points = np.array([key.pt for key in keys], np.float64).reshape(-1, 2)
    sizes = np.array([key.size for key in keys])
    spectra = spectra_at(smooth, points, tile_px(sizes))
    features = Features(
        points=points,
        sizes=sizes,
        angles_deg=np.array([key.angle for key in keys]),
        spatial=np.asarray(descriptors, np.float32),
        spectral=spectral_descriptors(spectra, cube.energies_ev),
    )
    return Seen(band=band, features=features, from_cube=np.eye(3))


def ours(em: Side, lm: Side) -> Outcome:
    """The engine, told the pixel sizes that the files state."""
    ratio = lm.series.pixel_um / em.series.pixel_um
    wall, cpu = time.perf_counter(), time.process_time()
    found = SpatioSpectralEngine().register(
        em.prepared(ratio),
        lm.prepared(1.0),
        PosePrior(pixel_size_ratio=ratio),
        EngineContext(),
    )
    spent = time.perf_counter() - wall, time.process_time() - cpu
    seen = found.evidence
    bands = [
        int(np.abs(side.series.energies_ev - seen.get(key, 99.0)).argmin())
        for side, key in ((em, "em_band_ev"), (lm, "lm_band_ev"))
    ]
    return Outcome(
        matrix=None if found.best_guess is None else np.array(found.best_guess),
        em_band=bands[0],
        lm_band=bands[1],
        keypoints=(int(seen.get("em_features", 0)), int(seen.get("lm_features", 0))),
        matches=int(seen.get("matches", 0)),
        inlier_px=seen.get("inlier_error_lm_px", float("nan")),
        wall_s=spent[0],
        cpu_s=spent[1],
        verdict=found.verdict.value,
    )


def published(em: Side, lm: Side) -> Outcome:
    """As printed, at full size, the scale unknown."""
    return _by_votes(em, lm, "sift", alike=0.90)


def sift_only(em: Side, lm: Side) -> Outcome:
    """Without the spectral gate."""
    return _by_votes(em, lm, "sift", alike=-2.0)


def hsi_kaze(em: Side, lm: Side) -> Outcome:
    """KAZE with the spectra, after Ordonez et al."""
    return _by_votes(em, lm, "kaze", alike=0.90)


def hsi_orb(em: Side, lm: Side) -> Outcome:
    """ORB on the best band, a similarity by RANSAC, after Liu et al."""
    a, b = em.made("orb"), lm.made("orb")
    joined = _timed(lambda: _orb_pose(a.value, b.value))
    matrix, matches, error = joined.value
    return Outcome(
        matrix=matrix,
        em_band=a.value[0],
        lm_band=b.value[0],
        keypoints=(len(a.value[1]), len(b.value[1])),
        matches=matches,
        inlier_px=error,
        wall_s=a.wall_s + b.wall_s + joined.wall_s,
        cpu_s=a.cpu_s + b.cpu_s + joined.cpu_s,
    )


def _orb_pose(em: Any, lm: Any) -> tuple[Matrix | None, int, float]:
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING)
    good = [
        pair[0]
        for pair in matcher.knnMatch(em[2], lm[2], k=2)
        if len(pair) == 2 and pair[0].distance < RATIO * pair[1].distance
    ]
    if len(good) < 6:
        return None, len(good), float("nan")
    a = em[1][[m.queryIdx for m in good]]
    b = lm[1][[m.trainIdx for m in good]]
    cv2.setRNGSeed(0)
    half, used = cv2.estimateAffinePartial2D(
        a, b, method=cv2.RANSAC, ransacReprojThreshold=RANSAC_PX, maxIters=5000
    )
    if half is None:
        return None, len(good), float("nan")
    matrix = np.vstack([half, [0, 0, 1]])
    kept = used.ravel() > 0
    moved = a[kept] @ matrix[:2, :2].T + matrix[:2, 2]
    error = float(np.linalg.norm(moved - b[kept], axis=1).mean())
    return matrix, int(kept.sum()), error


def _by_votes(em: Side, lm: Side, kind: str, *, alike: float) -> Outcome:
    a, b = em.made(kind), lm.made(kind)
    joined = _timed(lambda: paired(a.value, b.value, scale=(1 / 6, 6.0), alike=alike))
    found = joined.value
    return Outcome(
        matrix=None if found is None else found.matrix,
        em_band=a.value.band,
        lm_band=b.value.band,
        keypoints=(len(a.value.features), len(b.value.features)),
        matches=0 if found is None else len(found.vote.inliers),
        inlier_px=float("nan") if found is None else found.vote.error_px,
        wall_s=a.wall_s + b.wall_s + joined.wall_s,
        cpu_s=a.cpu_s + b.cpu_s + joined.cpu_s,
    )


ARMS: dict[str, Callable[[Side, Side], Outcome]] = {
    "ours": ours,
    "published": published,
    "SIFT only": sift_only,
    "HSI-ORB": hsi_orb,
    "HSI-KAZE": hsi_kaze,
}
