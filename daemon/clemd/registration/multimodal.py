"""The default engine: from no idea to a fraction of a pixel, and a verdict.

search   every rotation, scale, mirror and shift (`_search`)
refine   the best basins, by sums of tile surfaces (`_surfaces`, `_movement`)
rank     after refinement, when right poses have become sharp (`_finding`)
sharpen  the winner on finer levels; affine where held-out tiles agree (`_sharpening`)
judge    by witnesses the search did not maximise (`_evidence`, `verdict`)

A pose that a session foretells is checked first, against a few rivals. Then comes a
quick search; only what it leaves in doubt is searched thoroughly.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from clemd.model import (
    PosePrior,
    PreparedImage,
    Registration,
    TileVotes,
    Timing,
    Verdict,
)

from ._engine import EngineContext
from ._evidence import gather_evidence, gather_votes
from ._finding import CHECK, QUICK, THOROUGH, Effort, find, lead, narrowed
from ._halving import device_full
from ._images import Images, Pose
from ._integrity import check_result
from ._judging import NO_PLACE, Judged, nowhere, registration_of
from ._limits import keeping_limits
from ._sharpening import Sharp, finest, sharpen
from .verdict import Judgement, judge

CLEAR_LEAD = 1.1
"""With less between the best two places the quick search has not decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What one effort came to."""

    sharp: Sharp
    evidence: dict[str, float]
    judged: Judgement
    votes: TileVotes


def _efforts(
    prior: PosePrior, shape: tuple[int, int]
) -> Iterator[tuple[Effort, PosePrior]]:
    """What is tried, one after the other, until an answer is accepted."""
    if prior.expected is not None:
        yield CHECK, narrowed(prior, shape)
        if prior.only_expected:
            return
    free = replace(prior, expected=None)
    yield QUICK, free
    yield THOROUGH, free


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
            WrongResultError: the device has computed something that is not so.
            DeviceFullError: its memory does not suffice.
        """
        try:
            return self._register(em, lm, prior, context)
        except torch.OutOfMemoryError as full:
            raise device_full(full) from full

    def _register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        started = time.perf_counter()
        context = keeping_limits(context)
        images = Images(em, lm, torch.device(context.device))
        spent: defaultdict[str, float] = defaultdict(float)
        poses: list[Pose] = []
        answer: _Answer | None = None
        with torch.inference_mode():
            for effort, known in _efforts(prior, em.full_shape):
                answer = self._try(images, prior, known, effort, context, poses, spent)
                if answer and answer.judged.verdict is Verdict.ACCEPTED:
                    break
        if answer is None:
            return nowhere(self, context, _timing(spent, started), NO_PLACE)
        if answer.judged.verdict is not Verdict.REJECTED:
            context.breathe("check")
            with torch.inference_mode():
                check_result(images, answer.sharp, context.seed)
        found = Judged(
            matrix=answer.sharp.matrix,
            model=answer.sharp.model,
            judgement=answer.judged,
            evidence=answer.evidence,
            votes=answer.votes,
            seconds=spent["verdict"],
        )
        return registration_of(found, images, self, context, _timing(spent, started))

    def _try(
        self,
        images: Images,
        promised: PosePrior,
        prior: PosePrior,
        effort: Effort,
        context: EngineContext,
        poses: list[Pose],
        spent: defaultdict[str, float],
    ) -> _Answer | None:
        """One search; `poses` collects over the efforts, so nothing found is lost.

        `prior` is what this effort searches, `promised` what the files promise: the
        verdict must not hear that a scale agrees which was taken from the answer.
        """
        found, candidates, seconds = find(images, prior, effort, context)
        spent["search"] += seconds["search"]
        poses += found
        poses.sort(key=lambda p: -p.merit)
        spent["refine"] += seconds["rank"]
        if not poses:
            return None
        ahead = lead(poses, poses[0].matrix, images.em.full_shape)
        if effort is QUICK and ahead < CLEAR_LEAD:
            return None
        t0 = time.perf_counter()
        best = sharpen(images, poses, prior)[0]
        sharp = finest(images, best.matrix, context)
        t1 = time.perf_counter()
        context.breathe("verdict")
        seen = gather_evidence(images, sharp, poses, candidates, promised, context.seed)
        judged = judge(seen, tolerance=context.tolerance)
        votes = gather_votes(images, sharp.matrix)
        spent["refine"] += t1 - t0
        spent["verdict"] += time.perf_counter() - t1
        return _Answer(sharp=sharp, evidence=seen, judged=judged, votes=votes)


def _timing(spent: dict[str, float], started_s: float) -> Timing:
    return Timing(
        search=spent["search"],
        refine=spent["refine"],
        verdict=spent["verdict"],
        total=time.perf_counter() - started_s,
    )
