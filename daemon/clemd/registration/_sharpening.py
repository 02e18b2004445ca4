"""From the right basin to a fraction of a pixel, and no freer a model than earned."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch

from clemd.geometry import apply, decompose, invert, middle_of, similarity
from clemd.model import Matrix, PosePrior, TransformModel

from ._engine import EngineContext
from ._fields import Field
from ._finding import RANK_EM_PX, RANK_LM_PX, score_poses
from ._images import STIFFNESS, Images, Pose, between, refine
from ._lanes import lanes_on
from ._movement import MovementFit
from ._opinion import Opinion, second_opinion
from ._surfaces import Surfaces, tile_surfaces
from ._uncertainty import bootstrap

FINE_EM_PX = (450, 900)
"""EM sides of the finer levels."""
FINALISTS = 3
AFFINE_GAIN = 0.005
"""Held-out tiles must gain this fraction before an affine is believed."""
HOMOGRAPHY_GAIN = 0.02
"""And this much more before perspective is."""
CRISP = 0.45
"""Smoothing of the crispest fields."""


def sharpen(images: Images, poses: list[Pose], prior: PosePrior) -> list[Pose]:
    """The best few, allowed a little affine; best first."""
    finalists = poses[:FINALISTS]
    for pose in finalists:
        r = images.reduction(pose.ratio, RANK_EM_PX, RANK_LM_PX)
        em, lm = images.at(pose.ratio, r)
        matrices, _ = refine(
            em,
            lm,
            [pose.matrix],
            tiles=6,
            reach_px=8,
            rounds=2,
            model=TransformModel.AFFINE,
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
    edges: Matrix
    """What the edges alone say, before the second opinion."""
    model: TransformModel
    em: Field
    lm: Field
    smooth: float
    """Smoothing of the two fields."""
    surfaces: Surfaces
    """Of the two fields at `edges`."""
    pitch_lm_px: float
    """LM px per px of the finest level."""
    noise_px: float
    """Root mean square corner movement over resampled tiles, px of that level."""
    affine_gain: float
    """What held-out tiles gain by the affine, as a fraction."""
    opinion: Opinion
    """What mutual information says of it."""


def finest(images: Images, matrix: Matrix, context: EngineContext) -> Sharp:
    """Refine on ever finer levels, in a model no freer than held-out tiles ask for."""
    ratio = 1 / decompose(matrix, middle_of(images.em.full_shape)).scale
    coarse = images.reduction(ratio, RANK_EM_PX, RANK_LM_PX)
    levels = [coarse]
    for side in FINE_EM_PX:
        r = images.reduction(ratio, side, 2 * side)
        if r < 0.8 * levels[-1]:
            levels.append(r)
    images.make(ratio, *((r, 1.0) for r in levels), (levels[-1], CRISP))
    # the affine of `sharpen` guides; each level decides again
    for r in levels:
        context.breathe("refine")
        em, lm = images.at(ratio, r)
        model, gain = earned_model(em, lm, matrix)
        if model is TransformModel.SIMILARITY:
            matrix = nearest_similarity(matrix, middle_of(images.em.full_shape))
        (matrix,), seen = refine(
            em, lm, [matrix], tiles=8, reach_px=6, rounds=3, model=model
        )
    context.breathe("refine")
    # where the images are clean, edges found at their full sharpness say more
    em_crisp, lm_crisp = images.at(ratio, levels[-1], CRISP)

    def crisper() -> tuple[Matrix, Surfaces, float]:
        (moved,), seen = refine(
            em_crisp, lm_crisp, [matrix], tiles=8, reach_px=6, rounds=2, model=model
        )
        return moved, seen, _noise(seen, em_crisp, model, context.seed)

    def as_it_is() -> tuple[Matrix, Surfaces, float]:
        return matrix, seen, _noise(seen, em, model, context.seed)

    plain, crisp = lanes_on(images.device).run([as_it_is, crisper])
    is_crisp = crisp[2] < plain[2]
    if is_crisp:
        em, lm = em_crisp, lm_crisp
    matrix, seen, noise = min(plain, crisp, key=lambda one: one[2])
    opinion = second_opinion(images, em, lm, matrix, noise)
    return Sharp(
        matrix=opinion.matrix,
        edges=matrix,
        model=model,
        em=em,
        lm=lm,
        smooth=CRISP if is_crisp else 1.0,
        surfaces=seen,
        pitch_lm_px=levels[-1],
        noise_px=noise,
        affine_gain=gain,
        opinion=opinion,
    )


def _noise(seen: Surfaces, em: Field, model: TransformModel, seed: int) -> float:
    return bootstrap(seen, em.shape, model=model, stiffness=STIFFNESS, seed=seed).rms_px


def earned_model(em: Field, lm: Field, matrix: Matrix) -> tuple[TransformModel, float]:
    """The freest model that tiles which were not fitted gain from.

    Similarity, affine or homography; also what the affine gained, as a fraction of the
    similarity's value.
    """
    middle = apply(invert(em.from_full), [middle_of(em.shape)])[0]
    start = nearest_similarity(matrix, (float(middle[0]), float(middle[1])))
    stiff, soft, free = _held_out(em, lm, start)
    if stiff <= 0:  # nothing agrees, so nothing can be earned
        return TransformModel.SIMILARITY, 0.0
    gain = (soft - stiff) / stiff
    # a keystone about the middle is one that no affine gains from
    if (free - max(stiff, soft)) / stiff > HOMOGRAPHY_GAIN:
        return TransformModel.HOMOGRAPHY, gain
    if gain <= AFFINE_GAIN:
        return TransformModel.SIMILARITY, gain
    # perspective is judged where the affine no longer hides it
    (bent,), _ = refine(
        em, lm, [start], tiles=8, reach_px=8, rounds=1, model=TransformModel.AFFINE
    )
    _, soft, free = _held_out(em, lm, bent)
    if (free - soft) / stiff > HOMOGRAPHY_GAIN:
        return TransformModel.HOMOGRAPHY, gain
    return TransformModel.AFFINE, gain


def _held_out(em: Field, lm: Field, start: Matrix) -> list[float]:
    """Agreement of the tiles of one colour, moved as those of the other ask.

    On a chequerboard, both ways; one value per model, from stiff to free.
    """
    seen = tile_surfaces(em.z, lm.z, between(em, lm, [start]), 8, 8)
    rows, columns = (torch.arange(n, device=em.z.device) for n in seen.grid)
    colour = (rows[:, None] + columns[None, :]).flatten() % 2

    def gains(fold: int) -> list[float]:
        fitted = (colour == fold).double()[None]
        held = MovementFit(seen, em.shape, 1 - fitted)
        fit = MovementFit(seen, em.shape, fitted)
        moved = (
            fit.similarity(capture=True)
            if model is TransformModel.SIMILARITY
            else fit.fit(model, stiffness=STIFFNESS)
            for model in TransformModel
        )
        return [float(held.gain_of(one.matrices)[0]) for one in moved]

    one, other = lanes_on(em.z.device).run([partial(gains, fold) for fold in (0, 1)])
    return [a + b for a, b in zip(one, other, strict=True)]


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
