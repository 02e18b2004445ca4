"""From the right basin to a fraction of a pixel, and no freer a model than earned."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from clemd.geometry import apply, decompose, invert, similarity
from clemd.model import Matrix, PosePrior, TransformModel

from ._engine import EngineContext
from ._fields import Field
from ._finding import RANK_EM_PX, RANK_LM_PX, score_poses
from ._images import STIFFNESS, Images, Pose, between, middle_of, refine
from ._movement import MovementFit
from ._surfaces import Surfaces, tile_surfaces

FINE_EM_PX = (450, 900)
"""EM sides of the finer levels."""
FINALISTS = 3
AFFINE_GAIN = 0.005
"""Held-out tiles must gain this fraction before an affine is believed."""


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
    ratio = 1 / decompose(matrix, middle_of(images.em.full_shape)).scale
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
            matrix = nearest_similarity(matrix, middle_of(images.em.full_shape))
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
    middle = apply(invert(em.from_full), [middle_of(em.shape)])[0]
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
