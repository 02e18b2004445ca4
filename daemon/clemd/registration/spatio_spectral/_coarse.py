"""The published procedure: from two series to the pose that their matches share.

`look` and `paired` are its steps as printed. `coarse` runs them on a grid that is as
coarse as the EM series allows, where noise is lower and everything is quicker, and
goes finer only where too few matches are found.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clemd.geometry import compose, invert, resizing
from clemd.model import Matrix, PosePrior

from ._cube import (
    Cube,
    best_band,
    chosen_grey,
    entropies,
    shrunk,
    smoothed,
    smoothed_band,
)
from ._features import Features, find_features
from ._matching import ALIKE, Matches, cosines, match
from ._voting import Vote, vote

EM_SIDES_PX = (450, 900, 1800)
"""EM widths that are tried, one after the other."""
ENOUGH = 24
"""Matches that agree with the pose; with fewer a finer grid is asked."""
MOST_FEATURES = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One series as the procedure sees it."""

    band: int
    """Of maximum entropy."""
    features: Features
    from_cube: Matrix


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarse:
    """A pose by matches."""

    matrix: Matrix
    """EM cube px -> LM cube px."""
    em: Seen
    lm: Seen
    matches: Matches
    vote: Vote
    alike: float
    """Mean cosine between the spectra of the matches that agree."""
    pitch_lm_px: float
    """LM cube px per px of the grid it was found on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """No pose, and what there was to find one by, on the grid that had most of it."""

    alike: int
    """Pairs of features that look alike."""
    kept: int
    """Of those, the ones that have the same spectrum as well."""

    def in_words(self) -> str:
        """One sentence for who has to decide what to do."""
        pairs = f"{self.alike} pairs of features look alike"
        if self.alike == self.kept:
            return f"no pose gathers enough features: {pairs}, none was refused"
        return (
            f"no pose gathers enough features: {pairs}, {self.alike - self.kept} of "
            "them were refused because their spectra differ"
        )


def look(cube: Cube) -> Seen:
    """The steps as printed: smooth everything, choose the band, find its features."""
    smooth = smoothed(cube.bands)
    chosen = int(entropies(smooth, cube.mask).argmax())
    grey = chosen_grey(smooth[chosen], cube.mask)
    return Seen(
        band=chosen,
        features=find_features(grey, smooth, cube.energies_ev, cube.mask),
        from_cube=np.eye(3),
    )


def paired(
    em: Seen,
    lm: Seen,
    *,
    scale: tuple[float, float],
    alike: float = ALIKE,
    by_tree: bool = False,
) -> Coarse | None:
    """Match and vote; None where no pose gathers enough matches."""
    matches = match(em.features, lm.features, alike=alike, by_tree=by_tree)
    return voted(em, lm, matches, scale=scale)


def voted(
    em: Seen, lm: Seen, matches: Matches, *, scale: tuple[float, float]
) -> Coarse | None:
    """The pose that most of the matches share; None where too few do."""
    found = vote(
        em.features.points[matches.em], lm.features.points[matches.lm], scale=scale
    )
    if found is None:
        return None
    spectra = cosines(
        em.features.spectral[matches.em[found.inliers]],
        lm.features.spectral[matches.lm[found.inliers]],
    )
    return Coarse(
        matrix=compose(invert(lm.from_cube), found.matrix, em.from_cube),
        em=em,
        lm=lm,
        matches=matches,
        vote=found,
        alike=float(spectra.mean()),
        pitch_lm_px=1 / math.sqrt(float(np.linalg.det(lm.from_cube[:2, :2]))),
    )


def coarse(em: Cube, lm: Cube, prior: PosePrior) -> Coarse | Missed:
    """The pose that most matches share, on the coarsest grid that settles it."""
    best: Coarse | None = None
    missed = Missed(alike=0, kept=0)
    bands: tuple[int, int] | None = None
    for side in EM_SIDES_PX:
        em_scale, lm_scale, allowed = _scales(em, lm, prior, side)
        em_seen = _looked(em, em_scale, None if bands is None else bands[0])
        lm_seen = _looked(lm, lm_scale, None if bands is None else bands[1])
        bands = (em_seen.band, lm_seen.band)
        matches = match(em_seen.features, lm_seen.features)
        if matches.proposed >= missed.alike:
            missed = Missed(alike=matches.proposed, kept=len(matches))
        found = voted(em_seen, lm_seen, matches, scale=allowed)
        if found and (best is None or len(found.vote.inliers) > len(best.vote.inliers)):
            best = found
        if best and len(best.vote.inliers) >= ENOUGH:
            break
        if em_scale == 1.0 and lm_scale == 1.0:
            break
    return best or missed


def _scales(
    em: Cube, lm: Cube, prior: PosePrior, em_side_px: int
) -> tuple[float, float, tuple[float, float]]:
    """How much smaller either cube is made, and the scale then left between them."""
    if prior.pixel_size_ratio is None:
        shrink = min(1.0, em_side_px / max(em.shape))
        return shrink, min(1.0, 2 * shrink), (1 / 6, 6.0)
    em_bin = 1 / math.sqrt(abs(float(np.linalg.det(em.from_full[:2, :2]))))
    lm_bin = 1 / math.sqrt(abs(float(np.linalg.det(lm.from_full[:2, :2]))))
    scale = em_bin / (lm_bin * prior.pixel_size_ratio)  # LM cube px per EM cube px
    lm_scale = min(1.0, em_side_px / (scale * max(em.shape)))
    em_scale = min(1.0, scale * lm_scale)
    left = scale * lm_scale / em_scale
    room = 1 + prior.scale_tolerance + 0.02
    return em_scale, lm_scale, (left / room, left * room)


def _looked(cube: Cube, scale: float, band: int | None) -> Seen:
    """The same on a grid `scale` times as fine, smoothing only what is used."""
    bands, mask, grid = cube.bands, cube.mask, np.eye(3)
    if scale < 1.0:
        height, width = cube.shape
        size = max(16, round(width * scale)), max(16, round(height * scale))
        bands = np.stack([shrunk(one, size) for one in cube.bands])
        mask = shrunk(cube.mask.astype(np.float32), size) > 0.99
        grid = resizing(cube.shape, (size[1], size[0]))
    chosen = best_band(bands, mask) if band is None else band
    grey = chosen_grey(smoothed_band(bands, chosen), mask)
    features = find_features(
        grey,
        bands,
        cube.energies_ev,
        mask,
        most=MOST_FEATURES,
        smooth=True,
        centred=True,
    )
    return Seen(band=chosen, features=features, from_cube=grid)
