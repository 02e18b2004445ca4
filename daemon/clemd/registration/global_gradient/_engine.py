"""The engine: search on what the cube holds, place by global gradients, be judged."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import torch


from clemd.model import (
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    TransformModel,
)

from .._engine import EngineContext
from .._finding import QUICK, find
from .._images import Images, Pose
from .._judging import Rivals, judged, nowhere, registration_of
from .._limits import keeping_limits
from .._search import Candidate
from .._sharpening import sharpen
from ._checking import check_cube, check_guide
from ._cleaning import CleanCube, clean
from ._components import components_image
from ._gradients import Stack
from ._refining import Bench, Refined, scale_of
from ._telling import evidence_of, in_words


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
        return components_image(em, self._cleaned(em))

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay the map `em` (its layers are bands) on the guide `lm`.

        `prior.expected` is where the device placed the map; it is looked at first
        and searched around.

        Raises:
            RegistrationRefusedError: no cube, no usable axis, or an empty guide.
        """
        started = time.perf_counter()
        context = keeping_limits(context)
        check_cube(em)
        check_guide(lm)
        context.breathe("clean")
        cube = self._cleaned(em)
        images = Images(components_image(em, cube), lm, torch.device(context.device))
        poses, candidates, start = self._searched(images, prior, context)
        searched = time.perf_counter()
        if start is None:
            spent = Timing(search=searched - started, total=searched - started)
            reason = "no placement with enough overlap has any structure in common"
            return nowhere(self, context, spent, reason)
        context.breathe("gradients")
        bench = Bench(em, cube, lm, scale_of(start, em.full_shape))
        context.breathe("refine")
        refined = bench.refined(start)
        spent = Timing(
            search=searched - started, refine=time.perf_counter() - searched
        )
        found = judged(
            images,
            refined.matrix,
            prior,
            context,
            model=TransformModel.AFFINE,
            rivals=Rivals(poses, candidates),
        )
        answer = registration_of(found, images, self, context, spent)
        return self._told(answer, refined, cube, started)

    def _cleaned(self, em: PreparedImage) -> CleanCube:
        stack: Stack = np.stack(em.layers)
        return clean(stack, em.axis, em.mask)

    def _searched(
        self, images: Images, prior: PosePrior, context: EngineContext
    ) -> tuple[list[Pose], list[Candidate], Matrix | None]:
        """Every place that the prior allows; the best, and its rivals."""
        with torch.inference_mode():
            poses, candidates, _ = find(images, prior, QUICK, context)
            if not poses:
                return poses, candidates, None
            best = sharpen(images, poses, prior)[0]
        return poses, candidates, best.matrix

    def _told(
        self, answer: Registration, refined: Refined, cube: CleanCube, started: float
    ) -> Registration:
        """The weights go with the answer, so that they can be audited."""
        total = time.perf_counter() - started
        return replace(
            answer,
            evidence=answer.evidence | evidence_of(refined, cube),
            reasons=(*answer.reasons, in_words(refined, cube)),
            seconds=replace(answer.seconds, total=total),
        )



