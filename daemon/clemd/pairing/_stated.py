"""Where a file itself says that one of its images lies in another."""

from __future__ import annotations

import numpy as np

from clemd.geometry import as_rows, compose, invert, middle_of, pixel_to_um, translation
from clemd.model import Frame, Matrix, Matrix3

PLANE = "plane"
"""Key of the id that only images of one stage and one convention of axes share; its
last words are `y down` or `y up`."""


def stated_place(em: Frame, lm: Frame) -> Matrix3 | None:
    """EM px -> LM px as the device believes; None where it does not say.

    Stage positions of two instruments cannot be compared like this: signs and origins
    are theirs. Two images that one device wrote into one file name one plane.
    """
    plane = em.ids.get(PLANE)
    if not plane or plane != lm.ids.get(PLANE):
        return None
    sign = -1.0 if plane.endswith("y up") else 1.0
    from_em, from_lm = _to_stage(em, sign), _to_stage(lm, sign)
    if from_em is None or from_lm is None:
        return None
    return as_rows(compose(invert(from_lm), from_em))


def _to_stage(frame: Frame, sign: float) -> Matrix | None:
    """Px -> µm on the stage."""
    pose, size = frame.stage, frame.pixel_size
    if pose is None or size is None or pose.x_um is None or pose.y_um is None:
        return None
    x_px, y_px = middle_of(frame.shape)
    middle = translation(-x_px, -y_px)
    flipped = np.diag([1.0, sign, 1.0])
    scaled = pixel_to_um((size.x_um, size.y_um))
    return compose(translation(pose.x_um, pose.y_um), flipped, scaled, middle)
