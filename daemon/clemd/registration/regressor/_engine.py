"""`regressor`: predict, refine, and have it judged like every other answer."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import torch

from clemd.geometry import apply, as_rows, middle_of
from clemd.model import (
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    Verdict,
)
from clemd.registration._engine import EngineContext
from clemd.registration._finding import CHECK, find, narrowed
from clemd.registration._images import Images, Pose
from clemd.registration._judging import (
    NO_PLACE,
    Rivals,
    judged,
    nowhere,
    registration_of,
)
from clemd.registration._limits import keeping_limits
from clemd.registration._sharpening import Sharp, finest, sharpen

from ._predicting import Prediction, outside, predict
from ._weights import trained

NORMAL_95 = 1.96


class RegressorEngine:
    """A network says where to look; pixels and witnesses say whether it is so."""

    name = "regressor"
    version = "1"

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay `em` on `lm`: see the package's text.

        A pair of a kind that the network was not trained for comes back rejected, and
        says so.

        Raises:
            RegistrationRefusedError: a limit is reached.
            UsageError: the weights are not those of this version.
        """
        began = time.perf_counter()
        context = keeping_limits(context)
        context.breathe("search")
        why = outside(em, lm, prior)
        said = None if why else predict(trained(), em, lm, prior)
        predicted = time.perf_counter()
        if said is None:
            why = why or NO_PLACE
            spent = Timing(search=predicted - began, total=predicted - began)
            return nowhere(self, context, spent, why)
        images = Images(em, lm, torch.device(context.device))
        known = replace(prior, expected=as_rows(said.matrix))
        with torch.inference_mode():
            poses, candidates, seconds = find(
                images, narrowed(known, em.full_shape), CHECK, context
            )
            sharp = _refined(images, poses, prior, context)
        refined = time.perf_counter()
        seen = judged(
            images,
            sharp.matrix,
            prior,
            context,
            model=sharp.model,
            rivals=Rivals(poses, candidates),
        )
        moved = _moved_lm_px(said, sharp, em)
        seen = replace(seen, evidence=seen.evidence | _evidence(said, moved))
        search_s = predicted - began + seconds["search"]
        spent = Timing(
            search=search_s,
            refine=refined - began - search_s,
            total=time.perf_counter() - began,
        )
        found = registration_of(seen, images, self, context, spent)
        if found.verdict is Verdict.REJECTED:
            return found
        return replace(found, reasons=(*found.reasons, _in_words(said, moved)))


def _refined(
    images: Images, poses: list[Pose], prior: PosePrior, context: EngineContext
) -> Sharp:
    """The predicted place, to a fraction of a px; the others stay rivals."""
    own = next(pose for pose in poses if pose.candidate.score == 0.0)  # not searched
    return finest(images, sharpen(images, [own], prior)[0].matrix, context)


def _moved_lm_px(said: Prediction, sharp: Sharp, em: PreparedImage) -> float:
    """How far the refinement has moved the middle of the EM field."""
    x, y = apply(sharp.matrix, [middle_of(em.full_shape)])[0]
    return math.hypot(x - said.centre_lm_px[0], y - said.centre_lm_px[1])


def _evidence(said: Prediction, moved_lm_px: float) -> dict[str, float]:
    """For the report; the verdict does not hear it."""
    x, y, turn, grow = said.deviations
    return {
        "regressor_rotation_deg": said.rotation_deg,
        "regressor_ratio": 1 / said.scale,
        "regressor_x_lm_px": said.centre_lm_px[0],
        "regressor_y_lm_px": said.centre_lm_px[1],
        "regressor_sd_rotation_deg": turn,
        "regressor_sd_ratio": grow / said.scale,
        "regressor_sd_x_lm_px": x,
        "regressor_sd_y_lm_px": y,
        "regressor_log_odds": said.log_odds,
        "regressor_moved_lm_px": moved_lm_px,
    }


def _in_words(said: Prediction, moved_lm_px: float) -> str:
    x, y, turn, grow = (NORMAL_95 * one for one in said.deviations)
    place = math.hypot(x, y) / math.sqrt(2)
    return (
        f"the network had said: rotation {said.rotation_deg:.1f} deg within "
        f"{turn:.1f}, ratio {1 / said.scale:.3f} within {100 * grow:.1f} "
        f"%, place within {place:.1f} LM px (95 %); the pixels moved it by "
        f"{moved_lm_px:.1f} LM px"
    )
