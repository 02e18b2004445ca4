"""The default engine: from no idea to a fraction of a pixel, and a verdict.

search   every rotation, scale, mirror and shift (`_search`)
refine   the best basins, by sums of tile correlation surfaces (`_surfaces`)
rank     after refinement, when right poses have become sharp
sharpen  the winner on finer levels; affine where held-out tiles agree
judge    by witnesses the search did not maximise (`_witnesses`, `_verdict`)
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from clemd.geometry import (
    PoseParts,
    apply,
    as_rows,
    compose,
    corner_errors,
    decompose,
    invert,
    similarity,
)
from clemd.model import (
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    TransformModel,
    Verdict,
)

from ._engine import EngineContext
from ._fields import Field, field_of
from ._movement import MovementFit
from ._search import Candidate, Grid, distinct, search
from ._surfaces import Surfaces, tile_surfaces
from ._uncertainty import bootstrap
from ._witnesses import field_witnesses, mind_witness
from .verdict import judge

SEARCH_EM_PX, SEARCH_LM_PX, SEARCH_LM_LEAST_PX = 128, 288, 176
RANK_EM_PX, RANK_LM_PX = 220, 420
FINE_EM_PX = (450, 900)
ROTATION_STEP_DEG, SCALE_STEP = 5.0, 0.03
BASINS, FINALISTS = 20, 3
STIFFNESS = 0.01
SECOND_SMOOTHING = 2.0
AFFINE_GAIN = 0.005
"""Held-out tiles must gain this fraction before an affine is believed."""


@dataclass(slots=True)
class Pose:
    """One basin on its way through the engine."""

    matrix: Matrix
    """EM px -> LM px, images as stored."""
    candidate: Candidate
    ratio: float
    """EM px per LM px of the band it was searched in."""
    score: float = 0.0
    merit: float = 0.0


class Images:
    """Both images at whatever resolution is asked for, each made once."""

    def __init__(
        self, em: PreparedImage, lm: PreparedImage, device: torch.device
    ) -> None:
        self.em, self.lm, self.device = em, lm, device
        self._fields: dict[tuple[str, float, float], Field] = {}

    def reduction(self, ratio: float, em_px: float, lm_px: float) -> float:
        """LM px per working px so that the EM is ~em_px wide, the LM <= lm_px."""
        em_side = math.sqrt(self.em.full_shape[0] * self.em.full_shape[1]) / ratio
        return max(1.0, em_side / em_px, max(self.lm.full_shape) / lm_px)

    def variants(self) -> list[Images]:
        """These images, and once more without the camera-field cut if there is one."""
        if self.em.wide_mask is None and self.lm.wide_mask is None:
            return [self]
        wide = [
            image if image.wide_mask is None else replace(image, mask=image.wide_mask)
            for image in (self.em, self.lm)
        ]
        return [self, Images(wide[0], wide[1], self.device)]

    def at(
        self, ratio: float, reduction: float, smooth: float = 1.0
    ) -> tuple[Field, Field]:
        """(EM field, LM field), both sampled at `reduction` LM px."""
        return (
            self._field("em", self.em, ratio * reduction, smooth),
            self._field("lm", self.lm, reduction, smooth),
        )

    def _field(
        self, side: str, image: PreparedImage, reduction: float, smooth: float
    ) -> Field:
        key = (side, round(reduction, 6), smooth)
        if key not in self._fields:
            self._fields[key] = field_of(image, reduction, self.device, smooth)
        return self._fields[key]


def between(em: Field, lm: Field, matrices: list[Matrix]) -> torch.Tensor:
    """Full-image matrices as EM field px -> LM field px, (n, 3, 3) float64."""
    back = invert(em.from_full)
    stack = np.stack([compose(lm.from_full, m, back) for m in matrices])
    return torch.from_numpy(stack).to(em.z.device)


def outward(em: Field, lm: Field, matrices: torch.Tensor) -> list[Matrix]:
    """The inverse of `between`."""
    forth = invert(lm.from_full)
    return [compose(forth, m, em.from_full) for m in matrices.cpu().numpy()]


def refine(
    em: Field,
    lm: Field,
    matrices: list[Matrix],
    *,
    tiles: int,
    reach_px: int,
    rounds: int,
    affine: bool = False,
    capture: bool = False,
) -> tuple[list[Matrix], Surfaces]:
    """Move every matrix to the nearest maximum of its summed tile surfaces."""
    inner = between(em, lm, matrices)
    for turn in range(rounds):
        seen = tile_surfaces(em.z, lm.z, inner, tiles, reach_px)
        fit = MovementFit(seen, em.shape)
        if affine:
            moved = fit.affine(stiffness=STIFFNESS)
        else:
            moved = fit.similarity(capture=capture and turn == 0)
        inner = inner @ moved.matrices
        if float(moved.largest_px.max()) < 0.02:
            break
    seen = tile_surfaces(em.z, lm.z, inner, tiles, reach_px)
    return outward(em, lm, inner), seen


UNKNOWN_COVERAGE = (0.15, 1.2)
"""EM field / LM field searched when nothing is known of the scale."""
BAND = 0.15
"""Half-width, in log scale, of one band of an unknown scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """One stretch of scale, searched with one sampling."""

    ratio: float
    half_width: float
    rotation_step_deg: float
    scale_step: float
    keep: int


def bands(em: PreparedImage, lm: PreparedImage, prior: PosePrior) -> list[Band]:
    """One band around a known ratio, or a ladder over the unknown."""
    if prior.pixel_size_ratio is not None:
        width = math.log1p(prior.scale_tolerance) + 0.02
        step = SCALE_STEP
        return [
            Band(
                ratio=prior.pixel_size_ratio,
                half_width=width,
                rotation_step_deg=ROTATION_STEP_DEG,
                scale_step=step,
                keep=BASINS,
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
            rotation_step_deg=6.0,
            scale_step=0.05,
            keep=8,
        )
        for middle in middles
    ]


def find(
    images: Images, prior: PosePrior, context: EngineContext
) -> tuple[list[Pose], list[Candidate], dict[str, float]]:
    """Search, refine and rank; poses best first, all search candidates."""
    t0 = time.perf_counter()
    poses: list[Pose] = []
    everything: list[Candidate] = []
    for band in bands(images.em, images.lm, prior):
        for masks in images.variants():
            found = search_band(masks, band, prior, context)
            keep = band.keep if masks is images else band.keep // 2
            poses += [Pose(c.matrix, c, band.ratio) for c in distinct(found, keep)]
            everything += found
    if prior.pixel_size_ratio is None:
        poses = sorted(poses, key=lambda p: -p.candidate.score)[:24]
    t1 = time.perf_counter()
    for ratio in sorted({p.ratio for p in poses}):
        context.breathe("rank")
        rank(images, [p for p in poses if p.ratio == ratio], prior)
    poses.sort(key=lambda p: -p.merit)
    t2 = time.perf_counter()
    return poses, everything, {"search": t1 - t0, "rank": t2 - t1}


def search_band(
    images: Images, band: Band, prior: PosePrior, context: EngineContext
) -> list[Candidate]:
    """Every pose of one band."""
    r = images.reduction(band.ratio, SEARCH_EM_PX, SEARCH_LM_PX)
    r = min(r, max(1.0, max(images.lm.full_shape) / SEARCH_LM_LEAST_PX))
    em, lm = images.at(band.ratio, r)
    steps = np.linspace(
        -band.half_width,
        band.half_width,
        1 + 2 * math.ceil(band.half_width / band.scale_step),
    )
    low, high = prior.rotation_deg
    turns = np.arange(0.0, 180.0, band.rotation_step_deg)
    grid = Grid(
        rotations_deg=tuple(turns),
        scales=tuple(np.exp(steps)),
        mirrors=(False, True) if prior.mirror is None else (prior.mirror,),
    )
    found = search(em, lm, grid, context.breathe)
    if high - low >= 360:
        return found
    return [c for c in found if _within(c.rotation_deg, low, high)]


def _within(angle: float, low: float, high: float) -> bool:
    return (angle - low) % 360 <= high - low


def rank(images: Images, poses: list[Pose], prior: PosePrior) -> None:
    """Refine every pose of one band and score what they reach."""
    ratio = poses[0].ratio
    r = images.reduction(ratio, RANK_EM_PX, RANK_LM_PX)
    em, lm = images.at(ratio, r)
    start = [p.matrix for p in poses]
    matrices, _ = refine(em, lm, start, tiles=6, reach_px=12, rounds=2, capture=True)
    for pose, matrix in zip(poses, matrices, strict=True):
        pose.matrix = matrix
    score_poses(images, poses, r, prior)


def score_poses(
    images: Images, poses: list[Pose], reduction: float, prior: PosePrior
) -> None:
    """Merit: correlation of the fields plus that of smoother ones."""
    ratio = poses[0].ratio
    matrices = [p.matrix for p in poses]
    em, lm = images.at(ratio, reduction)
    sharp = tile_surfaces(em.z, lm.z, between(em, lm, matrices), 6, 2).score
    em2, lm2 = images.at(ratio, reduction, SECOND_SMOOTHING)
    smooth = tile_surfaces(em2.z, lm2.z, between(em2, lm2, matrices), 6, 2).score
    # with the scale unknown a small field can match by luck: area counts
    known = prior.pixel_size_ratio is not None
    area = 1.0 if known else math.sqrt(float(em.z[2].sum()))
    for pose, a, b in zip(poses, sharp.tolist(), smooth.tolist(), strict=True):
        pose.score, pose.merit = a, (a + b) * area


def sharpen(images: Images, poses: list[Pose], prior: PosePrior) -> list[Pose]:
    """The best few, allowed a little affine; best first."""
    finalists = poses[:FINALISTS]
    for pose in finalists:
        r = images.reduction(pose.ratio, RANK_EM_PX, RANK_LM_PX)
        em, lm = images.at(pose.ratio, r)
        matrices, _ = refine(
            em, lm, [pose.matrix], tiles=6, reach_px=8, rounds=2, affine=True
        )
        before = Pose(pose.matrix, pose.candidate, pose.ratio, pose.score, pose.merit)
        pose.matrix = matrices[0]
        score_poses(images, [pose], r, prior)
        if pose.merit < before.merit:
            pose.matrix, pose.score, pose.merit = (
                before.matrix,
                before.score,
                before.merit,
            )
    return sorted(finalists, key=lambda p: -p.merit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sharp:
    """The winner on the finest level."""

    matrix: Matrix
    model: TransformModel
    em: Field
    lm: Field
    surfaces: Surfaces
    pitch_lm_px: float
    """LM px per px of the finest level."""
    affine_gain: float
    """What held-out tiles gain by the affine, as a fraction."""


def finest(images: Images, matrix: Matrix, context: EngineContext) -> Sharp:
    """Refine on ever finer levels; similarity unless held-out tiles ask for affine."""
    ratio = 1 / decompose(matrix, _middle(images.em.full_shape)).scale
    coarse = images.reduction(ratio, RANK_EM_PX, RANK_LM_PX)
    levels = [coarse]
    for side in FINE_EM_PX:
        r = images.reduction(ratio, side, 2 * side)
        if r < 0.8 * levels[-1]:
            levels.append(r)
    # the affine of `sharpen` guides; each level decides again
    model, gain = TransformModel.SIMILARITY, 0.0
    for r in levels:
        context.breathe("refine")
        em, lm = images.at(ratio, r)
        affine, gain = held_out_gain(em, lm, matrix)
        model = TransformModel.AFFINE if affine else TransformModel.SIMILARITY
        if not affine:
            matrix = nearest_similarity(matrix, _middle(images.em.full_shape))
        (matrix,), seen = refine(
            em, lm, [matrix], tiles=8, reach_px=6, rounds=3, affine=affine
        )
    return Sharp(
        matrix=matrix,
        model=model,
        em=em,
        lm=lm,
        surfaces=seen,
        pitch_lm_px=levels[-1],
        affine_gain=gain,
    )


def held_out_gain(em: Field, lm: Field, matrix: Matrix) -> tuple[bool, float]:
    """Do tiles that were not fitted prefer the affine? (yes, relative gain)."""
    middle = apply(invert(em.from_full), [_middle(em.shape)])[0]
    start = nearest_similarity(matrix, (float(middle[0]), float(middle[1])))
    inner = between(em, lm, [start])
    seen = tile_surfaces(em.z, lm.z, inner, 8, 8)
    rows, columns = seen.grid
    colour = (
        torch.arange(rows)[:, None] + torch.arange(columns)[None, :]
    ).flatten() % 2
    stiff = soft = 0.0
    for fold in (0, 1):
        fitted = (colour == fold).double().to(inner.device)[None]
        held = MovementFit(seen, em.shape, 1 - fitted)
        fit = MovementFit(seen, em.shape, fitted)
        turn = fit.similarity(capture=True).matrices
        stiff += float(held.gain_of(turn)[0])
        soft += float(held.gain_of(fit.affine(stiffness=STIFFNESS).matrices)[0])
    gain = (soft - stiff) / max(abs(stiff), 1e-9)
    return gain > AFFINE_GAIN, gain


def nearest_similarity(matrix: Matrix, at: tuple[float, float]) -> Matrix:
    """The similarity that moves the neighbourhood of `at` as `matrix` does."""
    parts = decompose(matrix, at)
    onto = apply(matrix, [at])[0]
    return similarity(
        scale=parts.scale,
        rotation_deg=parts.rotation_deg,
        mirrored=parts.mirrored,
        about=at,
        onto=(float(onto[0]), float(onto[1])),
    )


def _middle(shape: tuple[int, int]) -> tuple[float, float]:
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


JUDGE_EM_PX, JUDGE_LM_PX = 320, 900
OTHER_PLACE = 0.05
"""A pose is another place when its corners differ by this share of the EM width."""
OTHER_TURN_DEG = 25.0


def gather_evidence(
    images: Images,
    sharp: Sharp,
    poses: list[Pose],
    candidates: list[Candidate],
    prior: PosePrior,
    seed: int,
) -> dict[str, float]:
    """Everything the verdict may look at, as numbers; px are LM px."""
    middle = _middle(images.em.full_shape)
    parts = decompose(sharp.matrix, middle)
    ratio = 1 / parts.scale
    r = images.reduction(ratio, JUDGE_EM_PX, JUDGE_LM_PX)
    em, lm = images.at(ratio, r)
    inner = between(em, lm, [sharp.matrix])[0]
    seen = field_witnesses(em.z, lm.z, inner)
    half = max(1.0, r) * 1.5
    em_half, lm_half = images.at(ratio, half)
    mind = mind_witness(
        images.em,
        images.lm,
        em_half.shape,
        lm_half.shape,
        between(em_half, lm_half, [sharp.matrix])[0],
        images.device,
    )
    spread = bootstrap(
        sharp.surfaces,
        sharp.em.shape,
        affine=sharp.model is TransformModel.AFFINE,
        stiffness=STIFFNESS,
        seed=seed,
    )
    width_lm = images.em.full_shape[1] * parts.scale
    prior_error = (
        0.0
        if prior.pixel_size_ratio is None
        else math.log(ratio / prior.pixel_size_ratio)
    )
    return {
        **seen,
        **mind,
        "asked_lm_px": seen["asked_px"] * r,
        "spread_lm_px": seen["spread_px"] * r,
        "model_lm_px": _model_doubt(sharp) * sharp.pitch_lm_px,
        "bootstrap_lm_px": spread.rms_px * sharp.pitch_lm_px,
        "pitch_lm_px": sharp.pitch_lm_px,
        "judged_pitch_lm_px": r,
        "width_lm_px": width_lm,
        "working_px": math.sqrt(em.shape[0] * em.shape[1]),
        "anisotropy": parts.anisotropy,
        "shear_deg": abs(parts.shear_deg),
        "affine_gain": sharp.affine_gain,
        "prior_log_error": prior_error,
        "basin_ratio": _basin_ratio(poses, sharp.matrix, images.em.full_shape),
        "null_ratio": _null_ratio(candidates, parts),
    }


def _model_doubt(sharp: Sharp) -> float:
    """How far a free affine would move the corners, root mean square, field px."""
    free = MovementFit(sharp.surfaces, sharp.em.shape).affine(stiffness=1e-4)
    still = np.eye(3)
    moved = corner_errors(free.matrices[0].cpu().numpy(), still, sharp.em.shape)
    return float(np.sqrt(np.mean(moved**2)))


def _basin_ratio(poses: list[Pose], matrix: Matrix, shape: tuple[int, int]) -> float:
    """Merit at the winner's place against the best other place."""
    width = shape[1] * decompose(matrix, _middle(shape)).scale
    here = there = 0.0
    for pose in poses:
        gap = float(corner_errors(pose.matrix, matrix, shape).mean()) / width
        if gap < OTHER_PLACE:
            here = max(here, pose.merit)
        else:
            there = max(there, pose.merit)
    return here / max(there, 0.05)


def _null_ratio(candidates: list[Candidate], parts: PoseParts) -> float:
    """The best search score in the winner's orientation against all others."""
    here = there = 0.0
    for one in candidates:
        turn = abs((one.rotation_deg - parts.rotation_deg + 180) % 360 - 180)
        if one.mirrored == parts.mirrored and turn <= OTHER_TURN_DEG:
            here = max(here, one.score)
        else:
            there = max(there, one.score)
    return here / max(there, 1e-6)


class MultimodalEngine:
    """Structure against structure, whatever the contrast."""

    name = "multimodal"
    version = "1"

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay `em` on `lm`: see the module's text.

        Raises:
            RegistrationRefusedError: the inputs leave nothing to register.
        """
        started = time.perf_counter()
        images = Images(em, lm, torch.device(context.device))
        with torch.inference_mode():
            poses, candidates, spent = find(images, prior, context)
            if not poses:
                return self._nowhere(context, time.perf_counter() - started)
            t0 = time.perf_counter()
            best = sharpen(images, poses, prior)[0]
            sharp = finest(images, best.matrix, context)
            t1 = time.perf_counter()
            context.breathe("verdict")
            evidence = gather_evidence(
                images, sharp, poses, candidates, prior, context.seed
            )
        judged = judge(evidence, tolerance=context.tolerance)
        parts = decompose(sharp.matrix, _middle(em.full_shape))
        done = time.perf_counter()
        shown = judged.verdict is not Verdict.REJECTED
        return Registration(
            verdict=judged.verdict,
            confidence=judged.confidence,
            em_to_lm=as_rows(sharp.matrix) if shown else None,
            best_guess=as_rows(sharp.matrix),
            model=sharp.model,
            pixel_size_ratio=1 / parts.scale,
            rotation_deg=parts.rotation_deg,
            mirrored=parts.mirrored,
            error_lm_px=judged.radius_lm_px if shown else None,
            engine=self.name,
            engine_version=self.version,
            device=context.device,
            seed=context.seed,
            seconds=Timing(
                search=spent["search"],
                refine=spent["rank"] + t1 - t0,
                verdict=done - t1,
                total=done - started,
            ),
            reasons=judged.reasons,
            evidence=evidence,
            channel=lm.label,
        )

    def _nowhere(self, context: EngineContext, seconds: float) -> Registration:
        return Registration(
            verdict=Verdict.REJECTED,
            confidence=0.01,
            em_to_lm=None,
            engine=self.name,
            engine_version=self.version,
            device=context.device,
            seconds=Timing(search=seconds, total=seconds),
            reasons=("no placement with enough overlap has any structure in common",),
        )
