"""Everything the verdict may look at, gathered in one place."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from clemd.geometry import PoseParts, corner_errors, decompose, middle_of
from clemd.model import Matrix, PosePrior, TileVotes

from ._finding import lead
from ._images import Images, Pose, between
from ._lanes import lanes_on
from ._movement import MovementFit
from ._search import Candidate
from ._sharpening import Sharp
from ._witnesses import coarse_witnesses, mind_witness, tile_votes, tile_witnesses

JUDGE_EM_PX, JUDGE_LM_PX = 320, 900
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
    middle = middle_of(images.em.full_shape)
    parts = decompose(sharp.matrix, middle)
    ratio = 1 / parts.scale
    r = images.reduction(ratio, JUDGE_EM_PX, JUDGE_LM_PX)
    half = max(1.0, r) * 1.5
    images.make(ratio, (r, 1.0), (half, 1.0))
    em, lm = images.at(ratio, r)
    inner = between(em, lm, [sharp.matrix])[0]
    em_half, lm_half = images.at(ratio, half)
    pieces: list[Callable[[], dict[str, float]]] = [
        partial(tile_witnesses, em.z, lm.z, inner),
        partial(coarse_witnesses, em.z, lm.z, inner),
        partial(
            mind_witness,
            images.em,
            images.lm,
            em_half.shape,
            lm_half.shape,
            between(em_half, lm_half, [sharp.matrix])[0],
            images.device,
        ),
    ]
    seen = {
        k: v for found in lanes_on(images.device).run(pieces) for k, v in found.items()
    }
    width_lm = images.em.full_shape[1] * parts.scale
    prior_error = (
        0.0
        if prior.pixel_size_ratio is None
        else math.log(ratio / prior.pixel_size_ratio)
    )
    return {
        **seen,
        "asked_lm_px": seen["asked_px"] * r,
        "spread_lm_px": seen["spread_px"] * r,
        "halves_lm_px": seen["halves_px"] * r,
        "model_lm_px": _model_doubt(sharp) * sharp.pitch_lm_px,
        "bootstrap_lm_px": sharp.noise_px * sharp.pitch_lm_px,
        "opinions_lm_px": sharp.opinion.apart_lm_px,
        "information_bits": sharp.opinion.bits,
        "information_z": sharp.opinion.standing,
        "pitch_lm_px": sharp.pitch_lm_px,
        "judged_pitch_lm_px": r,
        "width_lm_px": width_lm,
        "working_px": math.sqrt(em.shape[0] * em.shape[1]),
        "anisotropy": parts.anisotropy,
        "shear_deg": abs(parts.shear_deg),
        "affine_gain": sharp.affine_gain,
        "prior_log_error": prior_error,
        "basin_ratio": lead(poses, sharp.matrix, images.em.full_shape),
        "null_ratio": _null_ratio(candidates, parts),
    }


def gather_votes(images: Images, matrix: Matrix) -> TileVotes:
    """The tile vote behind `hits`, for the eye; looks at the grids judged on."""
    ratio = 1 / decompose(matrix, middle_of(images.em.full_shape)).scale
    em, lm = images.at(ratio, images.reduction(ratio, JUDGE_EM_PX, JUDGE_LM_PX))
    return tile_votes(em, lm, between(em, lm, [matrix])[0])


def _model_doubt(sharp: Sharp) -> float:
    """How far a free affine would move the corners, root mean square, field px."""
    free = MovementFit(sharp.surfaces, sharp.em.shape).affine(stiffness=1e-4)
    still = np.eye(3)
    moved = corner_errors(free.matrices[0].cpu().numpy(), still, sharp.em.shape)
    return float(np.sqrt(np.mean(moved**2)))


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
