"""A registration whose answer is known: asked of a device before it is trusted.

The EM image is a part of the map, mirrored left to right: whole pixels, so the true
matrix has no error of its own. The whole engine runs, from the search to the
verdict. Beside the matrix, the witnesses' numbers must be those of the first time: one
device gives the same bits at every run.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import WrongResultError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import Matrix, PosePrior, PreparedImage, Registration, Verdict

from ._engine import EngineContext
from .multimodal import MultimodalEngine

SIDE_PX, TOP_PX, LEFT_PX = 240, 40, 20
SHAPE = (120, 160)
TOLERANCE_LM_PX = 0.05
TRUE: Matrix = np.array(
    [[-1.0, 0.0, LEFT_PX + SHAPE[1] - 1.0], [0.0, 1.0, TOP_PX], [0.0, 0.0, 1.0]]
)
"""EM px -> map px of the pair: mirrored left to right."""
_first: dict[str, Registration] = {}
"""Device -> what it said at first, in this process."""


def check_known_answer(context: EngineContext) -> Registration:
    """Register the known pair on a device and look at the answer.

    Raises:
        WrongResultError: it is not the right one, or not the one of the first time.
    """
    em, lm = _pair()
    prior = PosePrior(pixel_size_ratio=1.0, scale_tolerance=0.05)
    where = f"{context.device} has failed the known-answer registration"
    try:
        found = MultimodalEngine().register(em, lm, prior, context)
    except WrongResultError as wrong:
        raise WrongResultError(f"{where}: {wrong}") from wrong
    if found.verdict is not Verdict.ACCEPTED or found.em_to_lm is None:
        raise WrongResultError(f"{where}: {found.verdict.value} instead of accepted")
    error_px = float(corner_errors(as_matrix(found.em_to_lm), TRUE, SHAPE).max())
    if not error_px <= TOLERANCE_LM_PX:
        raise WrongResultError(
            f"{where}: {error_px:.3f} px beside the place, {TOLERANCE_LM_PX} allowed"
        )
    first = _first.setdefault(context.device, found)
    same = first.evidence.keys() == found.evidence.keys() and all(
        math.isclose(value, found.evidence[name], rel_tol=1e-6, abs_tol=1e-9)
        for name, value in first.evidence.items()
    )
    if not same or first.em_to_lm != found.em_to_lm:
        raise WrongResultError(f"{where}: another answer than at its first time")
    return found


def _pair() -> tuple[PreparedImage, PreparedImage]:
    noise = np.random.default_rng(20_221).normal(size=(2, SIDE_PX, SIDE_PX))
    grey = 6.0 * cv2.GaussianBlur(noise[0], (0, 0), 6.0)
    grey = grey + 2.5 * cv2.GaussianBlur(noise[1], (0, 0), 2.5)
    lm = np.asarray(np.clip(0.5 + 0.35 * grey, 0, 1), np.float32)
    part = lm[TOP_PX : TOP_PX + SHAPE[0], LEFT_PX : LEFT_PX + SHAPE[1]]
    return _image(np.ascontiguousarray(part[:, ::-1])), _image(lm)


def _image(grey: NDArray[np.float32]) -> PreparedImage:
    shape = (int(grey.shape[0]), int(grey.shape[1]))
    return PreparedImage(
        layers=(grey,),
        mask=np.ones(shape, bool),
        from_full=np.eye(3),
        full_shape=shape,
    )
