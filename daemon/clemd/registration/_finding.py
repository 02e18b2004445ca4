"""From no idea to a ranked list of poses: search, refine, rank.

The order after refinement is what counts: right poses become sharp by it, wrong ones
hardly change, so the search may be coarse as long as the right basin is among its best.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from clemd.geometry import apply, as_matrix, corner_errors, decompose, middle_of
from clemd.model import Matrix, Matrix3, PosePrior, PreparedImage

from ._engine import EngineContext
from ._fields import Field
from ._halving import in_halves
from ._images import Images, Pose, between, refine
from ._lanes import lanes_on
from ._search import Candidate, Grid, distinct, search
from ._surfaces import agreement

CATCH_EM_PX, CATCH_LM_PX = 110, 210
"""Every basin is first caught at this size."""
RANK_EM_PX, RANK_LM_PX = 220, 420
RANKED = 10
"""Basins refined once more at the ranking's size."""
SECOND_SMOOTHING = 2.0
"""Ranking also looks at a smoother field, less at the mercy of noise."""
UNKNOWN_COVERAGE = (0.15, 1.2)
"""EM field / LM field searched when nothing is known of the scale."""
BAND = 0.15
"""Half-width, in log scale, of one band of an unknown scale."""
OTHER_PLACE = 0.05
"""A pose is another place when its corners differ by this share of the EM width."""
LEAST_MERIT = 0.075
"""A rival is never taken as weaker than this."""
MOST_POSES = 24
"""Poses refined when the scale is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How finely poses are searched."""

    em_px: float
    """Side of the EM template."""
    lm_px: float
    """Longest side of the map."""
    lm_least_px: float
    """A small EM field in a large map must not shrink the map below this."""
    finer: float
    """The fields are made this much finer, then pooled."""
    rotation_step_deg: float
    scale_step: float
    basins: int
    """Distinct poses that are refined."""


QUICK = Effort(
    em_px=64,
    lm_px=144,
    lm_least_px=90,
    finer=4.0,
    rotation_step_deg=7.5,
    scale_step=0.045,
    basins=24,
)
"""Finds nearly everything in a third of the time."""
THOROUGH = Effort(
    em_px=96,
    lm_px=216,
    lm_least_px=132,
    finer=3.0,
    rotation_step_deg=6.0,
    scale_step=0.036,
    basins=24,
)
"""For what the quick search left in doubt."""
CHECK = replace(QUICK, basins=6)
"""For a pose that something else foretold: enough rivals to judge it by."""
CHECKED_SCALE = 0.01
"""A foretold scale is this sure; the rivals need no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One stretch of scale, searched with one sampling."""

    ratio: float
    half_width: float
    rotation_step_deg: float
    scale_step: float
    keep: int


def bands(
    em: PreparedImage, lm: PreparedImage, prior: PosePrior, effort: Effort
) -> list[Band]:
    """One band around a known ratio, or a ladder over the unknown."""
    if prior.pixel_size_ratio is not None:
        width = math.log1p(prior.scale_tolerance) + 0.02
        return [
            Band(
                ratio=prior.pixel_size_ratio,
                half_width=width,
                rotation_step_deg=effort.rotation_step_deg,
                scale_step=effort.scale_step,
                keep=effort.basins,
            )
        ]
    # the EM field as wide as the LM field: EM px per LM px is the ratio of widths
    equal = max(a / b for a, b in zip(em.full_shape, lm.full_shape, strict=True))
    low, high = (math.log(c) for c in UNKNOWN_COVERAGE)
    middles = np.arange(low + BAND, high + BAND, 2 * BAND)
    return [
        Band(
            ratio=equal / math.exp(middle),
            half_width=BAND,
            rotation_step_deg=effort.rotation_step_deg + 1.0,
            scale_step=effort.scale_step + 0.02,
            keep=8,
        )
        for middle in middles
    ]


def find(
    images: Images, prior: PosePrior, effort: Effort, context: EngineContext
) -> tuple[list[Pose], list[Candidate], dict[str, float]]:
    """Search, refine and rank; poses best first, all search candidates.

    What the prior rules out is searched as well: it cannot win, but the verdict must
    hear of it if it fits better.
    """
    t0 = time.perf_counter()
    foretold = [] if prior.expected is None else [_foretold(images, prior.expected)]
    poses: list[Pose] = []
    everything: list[Candidate] = []
    for band in bands(images.em, images.lm, prior, effort):
        for masks in images.variants():
            found = search_band(masks, band, effort, context)
            keep = band.keep if masks is images else band.keep // 2
            allowed = [c for c in found if _is_allowed(c, prior)]
            poses += [Pose(c.matrix, c, band.ratio) for c in distinct(allowed, keep)]
            everything += found
    if prior.pixel_size_ratio is None:
        poses = sorted(poses, key=lambda p: -p.candidate.score)[:MOST_POSES]
    poses = foretold + poses
    t1 = time.perf_counter()
    for ratio in sorted({p.ratio for p in poses}):
        context.breathe("rank")
        rank(images, [p for p in poses if p.ratio == ratio], prior)
    poses.sort(key=lambda p: -p.merit)
    t2 = time.perf_counter()
    return poses, everything, {"search": t1 - t0, "rank": t2 - t1}


def narrowed(prior: PosePrior, shape: tuple[int, int]) -> PosePrior:
    """The prior about the pose that was foretold; `shape` of the EM image."""
    if prior.expected is None:
        return prior
    scale = decompose(as_matrix(prior.expected), middle_of(shape)).scale
    return replace(prior, pixel_size_ratio=1 / scale, scale_tolerance=CHECKED_SCALE)


def _foretold(images: Images, expected: Matrix3) -> Pose:
    """A pose that nobody searched for; it has to win like every other."""
    matrix = as_matrix(expected)
    middle = middle_of(images.em.full_shape)
    parts = decompose(matrix, middle)
    x, y = apply(matrix, [middle])[0] / max(images.lm.full_shape)
    candidate = Candidate(
        place=lambda: matrix,
        score=0.0,
        rotation_deg=parts.rotation_deg,
        log_scale=math.log(parts.scale),
        mirrored=parts.mirrored,
        centre=(float(x), float(y)),
    )
    return Pose(matrix, candidate, 1 / parts.scale)


def search_band(
    images: Images, band: Band, effort: Effort, context: EngineContext
) -> list[Candidate]:
    """Every pose of one band."""
    em, lm = _as_searched(images, band.ratio, effort)
    steps = np.linspace(
        -band.half_width,
        band.half_width,
        1 + 2 * math.ceil(band.half_width / band.scale_step),
    )
    grid = Grid(
        rotations_deg=tuple(np.arange(0.0, 180.0, band.rotation_step_deg)),
        scales=tuple(np.exp(steps)),
        mirrors=(False, True),
    )
    return search(em, lm, grid, context.breathe)


def _as_searched(images: Images, ratio: float, effort: Effort) -> tuple[Field, Field]:
    """Fine edges on the coarse grid of an effort."""
    coarse = images.reduction(ratio, effort.em_px, effort.lm_px)
    coarse = min(coarse, max(1.0, max(images.lm.full_shape) / effort.lm_least_px))
    return images.pooled_at(ratio, coarse, effort.finer)


def _is_allowed(candidate: Candidate, prior: PosePrior) -> bool:
    low, high = prior.rotation_deg
    turned = high - low >= 360 or (candidate.rotation_deg - low) % 360 <= high - low
    return turned and prior.mirror in (None, candidate.mirrored)


def rank(images: Images, poses: list[Pose], prior: PosePrior) -> None:
    """Refine every pose of one band and score what they reach.

    All are caught coarsely; the best of them are refined once more.
    """
    ratio = poses[0].ratio
    coarse = images.reduction(ratio, CATCH_EM_PX, CATCH_LM_PX)
    fine = images.reduction(ratio, RANK_EM_PX, RANK_LM_PX)
    images.make(ratio, (coarse, 1.0), (fine, 1.0), (fine, SECOND_SMOOTHING))
    score_poses(images, poses, fine, prior)
    _move(images, poses, coarse, fine, prior, reach_px=10)
    best = sorted(poses, key=lambda p: -p.merit)[:RANKED]
    _move(images, best, fine, fine, prior, reach_px=8)


def _move(
    images: Images,
    poses: list[Pose],
    reduction: float,
    judged: float,
    prior: PosePrior,
    *,
    reach_px: int,
) -> None:
    """Refine at one reduction; a pose that lost merit at `judged` stays where it was.

    Where little is shared, strong edges near by can draw a right pose away.
    """
    em, lm = images.at(poses[0].ratio, reduction)
    before = [(p.matrix, p.score, p.merit) for p in poses]

    def moved(some: Sequence[Pose]) -> list[Matrix]:
        matrices, _ = refine(
            em,
            lm,
            [p.matrix for p in some],
            tiles=6,
            reach_px=reach_px,
            rounds=2,
            capture=True,
        )
        return matrices

    halves = [half for half in (poses[0::2], poses[1::2]) if half]
    lanes = lanes_on(images.device)
    found = lanes.run([partial(in_halves, moved, half) for half in halves])
    for half, matrices in zip(halves, found, strict=True):
        for pose, matrix in zip(half, matrices, strict=True):
            pose.matrix = matrix
    score_poses(images, poses, judged, prior)
    for pose, old in zip(poses, before, strict=True):
        if pose.merit < old[2]:
            pose.matrix, pose.score, pose.merit = old


def score_poses(
    images: Images, poses: list[Pose], reduction: float, prior: PosePrior
) -> None:
    """Merit: correlation of the fields, of smoother ones, and of pooled fine ones.

    Wrong places that strong edges share (the rim of a sample, of an aperture) agree
    with the first two; hardly ever do the fine edges between agree as well.
    """
    ratio = poses[0].ratio
    matrices = [p.matrix for p in poses]
    seen = [
        images.at(ratio, reduction),
        images.at(ratio, reduction, SECOND_SMOOTHING),
        _as_searched(images, ratio, QUICK),
    ]

    def agreements(em: Field, lm: Field) -> list[float]:
        def some(part: Sequence[Matrix]) -> list[float]:
            return agreement(em.z, lm.z, between(em, lm, list(part))).tolist()

        return in_halves(some, matrices)

    lanes = lanes_on(images.device)
    sharp, smooth, fine = lanes.run([partial(agreements, em, lm) for em, lm in seen])
    # with the scale unknown a small field can match by luck: area counts
    known = prior.pixel_size_ratio is not None
    area = 1.0 if known else math.sqrt(float(seen[0][0].z[2].sum()))
    scores = zip(poses, sharp, smooth, fine, strict=True)
    for pose, a, b, c in scores:
        pose.score, pose.merit = a, (a + b + c) * area


def lead(poses: list[Pose], matrix: Matrix, shape: tuple[int, int]) -> float:
    """Merit at the place of `matrix` against the best other place.

    `shape` is the EM image's (height, width) as stored.
    """
    width = shape[1] * decompose(matrix, middle_of(shape)).scale
    here = there = 0.0
    for pose in poses:
        gap = float(corner_errors(pose.matrix, matrix, shape).mean()) / width
        if gap < OTHER_PLACE:
            here = max(here, pose.merit)
        else:
            there = max(there, pose.merit)
    return here / max(there, LEAST_MERIT)
