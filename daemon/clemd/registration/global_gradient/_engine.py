"""The engine: search on what the cube holds, place by global gradients, be judged.

Where the device states where the map lies, its neighbourhood is searched first; the
whole guide only if the witnesses do not accept what is found there.
"""

from __future__ import annotations

import time
from dataclasses import replace

import torch

from clemd.model import (
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    TransformModel,
    Verdict,
)
from clemd.registration._engine import EngineContext
from clemd.registration._finding import CHECK, QUICK, find, narrowed
from clemd.registration._images import Images, Pose
from clemd.registration._judging import (
    NO_PLACE,
    Rivals,
    judged,
    nowhere,
    registration_of,
)
from clemd.registration._limits import keeping_limits
from clemd.registration._search import Candidate
from clemd.registration._sharpening import sharpen

from ._checking import check_cube, check_guide
from ._cleaning import CleanCube, clean
from ._components import components_image
from ._doubting import doubted
from ._refining import GradientPair, scale_of
from ._scene import Scene, around, check_size, whole
from ._telling import evidence_of, in_words

_RANKS = {Verdict.ACCEPTED: 2, Verdict.REVIEW: 1, Verdict.REJECTED: 0}


class GlobalGradientEngine:
    """A spectral map on the brightfield image that guided it."""

    name = "global-gradient"
    version = "1"

    def as_seen(self, em: PreparedImage) -> PreparedImage:
        """The cube as the few images that the witnesses look at.

        Raises:
            RegistrationRefusedError: not a cube that can be worked on.
        """
        check_cube(em)
        return components_image(em, clean(em.layers, em.axis, em.mask))

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay the map `em` (its layers are bands) on the guide `lm`.

        `prior.expected` is where the device placed the map.

        Raises:
            RegistrationRefusedError: no cube, no usable axis, or an empty guide.
        """
        started = time.perf_counter()
        context = keeping_limits(context)
        check_cube(em)
        check_guide(lm)
        near = around(lm, prior, em.full_shape)
        if near is None:
            check_size(prior, em.full_shape)
        context.breathe("clean")
        cube = clean(em.layers, em.axis, em.mask)
        answers = [] if near is None else [self._on(near, em, cube, context)]
        if self._must_go_on(answers, near, prior):
            answers.append(self._on(whole(lm, prior), em, cube, context))
        # where neither is sure, the device's word counts
        best = max(answers, key=lambda one: _RANKS[one.verdict])
        total = time.perf_counter() - started
        return replace(best, seconds=replace(best.seconds, total=total))

    def _must_go_on(
        self, answers: list[Registration], near: Scene | None, prior: PosePrior
    ) -> bool:
        """Is the whole guide to be searched as well?"""
        if near is None or not answers:
            return True
        settled = answers[0].verdict is Verdict.ACCEPTED or prior.only_expected
        return not settled and near.enlarged <= 1

    def _on(
        self, scene: Scene, em: PreparedImage, cube: CleanCube, context: EngineContext
    ) -> Registration:
        """One search, from nothing to a verdict, on one part of the guide."""
        started = time.perf_counter()
        device = torch.device(context.device)
        images = Images(components_image(em, cube), scene.guide, device)
        poses, candidates, start = self._searched(images, scene.prior, context)
        searched = time.perf_counter() - started
        if start is None:
            return nowhere(self, context, Timing(search=searched), NO_PLACE)
        context.breathe("gradients")
        laid = GradientPair(em, cube, scene.guide, scale_of(start, em.full_shape))
        context.breathe("refine")
        refined = laid.refined(start)
        refining = time.perf_counter() - started - searched
        found = judged(
            images,
            refined.matrix,
            scene.prior,
            context,
            model=TransformModel.AFFINE,
            rivals=Rivals(poses, candidates),
        )
        spent = Timing(search=searched, refine=refining)
        answer = doubted(registration_of(found, images, self, context, spent))
        told = replace(
            answer,
            evidence=answer.evidence | evidence_of(refined, cube),
            reasons=(*answer.reasons, in_words(refined, cube)),
        )
        return scene.outward(told)

    def _searched(
        self, images: Images, prior: PosePrior, context: EngineContext
    ) -> tuple[list[Pose], list[Candidate], Matrix | None]:
        """Every place that the prior allows; the best, and its rivals."""
        known, effort = prior, QUICK
        if prior.only_expected:
            known, effort = narrowed(prior, images.em.full_shape), CHECK
        with torch.inference_mode():
            poses, candidates, _ = find(images, known, effort, context)
            if not poses:
                return poses, candidates, None
            best = sharpen(images, poses, known)[0]
        return poses, candidates, best.matrix
