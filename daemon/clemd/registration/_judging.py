"""The witnesses of `multimodal`, for a matrix that any engine has found.

An engine never vouches for its own answer. What it found is looked at as it is,
without being moved: by the tile vote, MIND, the halves, mutual information and the
rivals of a search over everything the prior leaves open. A wrong matrix gains nothing
by having been found by another method.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from clemd.geometry import as_rows, corner_errors, decompose, middle_of
from clemd.model import (
    Matrix,
    PosePrior,
    Registration,
    TileVotes,
    Timing,
    TransformModel,
    Verdict,
)

from ._engine import Engine, EngineContext
from ._evidence import gather_evidence, gather_votes
from ._finding import CHECK, OTHER_PLACE, QUICK, find, narrowed
from ._images import STIFFNESS, Images, Pose, between
from ._opinion import second_opinion
from ._search import Candidate
from ._sharpening import FINE_EM_PX, Sharp, earned_model
from ._surfaces import tile_surfaces
from ._uncertainty import bootstrap
from .verdict import Judgement, judge

FINEST_EM_PX = max(FINE_EM_PX)
"""EM side at which a matrix's own noise is measured."""
VOTE_TILES, VOTE_REACH_PX = 8, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the witnesses made of a matrix."""

    matrix: Matrix
    """EM px -> LM px as stored; the one that was handed in."""
    model: TransformModel
    judgement: Judgement
    evidence: dict[str, float]
    votes: TileVotes
    seconds: float


@dataclass(frozen=True, slots=True)
class Rivals:
    """Places that a search of the engine itself has already found."""

    poses: Sequence[Pose]
    """Refined and scored."""
    candidates: Sequence[Candidate]
    """All that was tried."""


def judged(
    images: Images,
    matrix: Matrix,
    prior: PosePrior,
    context: EngineContext,
    *,
    model: TransformModel = TransformModel.AFFINE,
    rivals: Rivals | None = None,
) -> Judged:
    """Let the witnesses look at `matrix`, EM px -> LM px as stored.

    `prior` is what the files promise. `model` is the family that the matrix was
    fitted in. Unless `rivals` has a pose at this place already, places that fit as
    well are searched: without any, wherever the prior allows.

    Raises:
        RegistrationRefusedError: the time limit is reached.
    """
    started = time.perf_counter()
    with torch.inference_mode():
        poses, candidates = _rivals_of(images, matrix, prior, context, rivals)
        context.breathe("verdict")
        sharp = as_it_is(images, matrix, model, context.seed)
        seen = gather_evidence(images, sharp, poses, candidates, prior, context.seed)
        votes = gather_votes(images, matrix)
    return Judged(
        matrix=matrix,
        model=model,
        judgement=judge(seen, tolerance=context.tolerance),
        evidence=seen,
        votes=votes,
        seconds=time.perf_counter() - started,
    )


def _rivals_of(
    images: Images,
    matrix: Matrix,
    prior: PosePrior,
    context: EngineContext,
    given: Rivals | None,
) -> tuple[list[Pose], list[Candidate]]:
    """Places that fit, this one among them."""
    known = replace(prior, expected=as_rows(matrix))
    if given is None:
        poses, candidates, _ = find(images, known, QUICK, context)
        return poses, candidates
    shape = images.em.full_shape
    width = shape[1] * decompose(matrix, middle_of(shape)).scale
    gaps = (corner_errors(p.matrix, matrix, shape).mean() for p in given.poses)
    if any(gap < OTHER_PLACE * width for gap in gaps):
        return list(given.poses), list(given.candidates)
    poses, candidates, _ = find(images, narrowed(known, shape), CHECK, context)
    return [*poses, *given.poses], [*candidates, *given.candidates]


def as_it_is(images: Images, matrix: Matrix, model: TransformModel, seed: int) -> Sharp:
    """What `_sharpening` would say of a matrix, had it come to this very one."""
    ratio = 1 / decompose(matrix, middle_of(images.em.full_shape)).scale
    pitch = images.reduction(ratio, FINEST_EM_PX, 2 * FINEST_EM_PX)
    em, lm = images.at(ratio, pitch)
    seen = tile_surfaces(
        em.z, lm.z, between(em, lm, [matrix]), VOTE_TILES, VOTE_REACH_PX
    )
    noise = bootstrap(seen, em.shape, model=model, stiffness=STIFFNESS, seed=seed)
    _, gain = earned_model(em, lm, matrix)
    opinion = second_opinion(images, em, lm, matrix, noise.rms_px)
    return Sharp(
        matrix=matrix,
        edges=matrix,
        model=model,
        em=em,
        lm=lm,
        smooth=1.0,
        surfaces=seen,
        pitch_lm_px=pitch,
        noise_px=noise.rms_px,
        affine_gain=gain,
        opinion=opinion,
    )


def registration_of(
    found: Judged, images: Images, engine: Engine, context: EngineContext, spent: Timing
) -> Registration:
    """The answer of an engine whose matrix has been judged; no matrix if rejected.

    `spent` holds the seconds of search and refinement; the verdict's are known.
    """
    parts = decompose(found.matrix, middle_of(images.em.full_shape))
    heard = found.judgement
    is_shown = heard.verdict is not Verdict.REJECTED
    return Registration(
        verdict=heard.verdict,
        confidence=heard.confidence,
        em_to_lm=as_rows(found.matrix) if is_shown else None,
        best_guess=as_rows(found.matrix),
        model=found.model,
        pixel_size_ratio=1 / parts.scale,
        rotation_deg=parts.rotation_deg,
        mirrored=parts.mirrored,
        error_lm_px=heard.radius_lm_px if is_shown else None,
        engine=engine.name,
        engine_version=engine.version,
        device=context.device,
        seed=context.seed,
        seconds=replace(spent, verdict=found.seconds),
        reasons=heard.reasons,
        evidence=found.evidence,
        votes=found.votes,
        channel=images.lm.label,
    )


NO_PLACE = "no placement with enough overlap has any structure in common"
"""Why a search ends with nothing."""


def nowhere(
    engine: Engine, context: EngineContext, spent: Timing, reason: str
) -> Registration:
    """The answer of an engine that has found no place at all."""
    return Registration(
        verdict=Verdict.REJECTED,
        confidence=0.01,
        em_to_lm=None,
        engine=engine.name,
        engine_version=engine.version,
        device=context.device,
        seed=context.seed,
        seconds=spent,
        reasons=(reason,),
    )
