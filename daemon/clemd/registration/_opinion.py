"""What mutual information makes of a matrix that edges have found.

Two measures that err for different reasons: where the edges are noisy the mean of both
is nearer than either; where they are sharp they need no help. How far apart they are
is evidence in itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clemd.geometry import corner_errors
from clemd.model import Matrix

from ._fields import Field
from ._images import Images, between, outward
from ._information import Information
from ._witnesses import grey_and_valid

SHARP_LM_PX, NOISY_LM_PX = 0.2, 0.5
"""Below the first noise edges decide alone, above the second both weigh the same."""
AGREEING = 3.0
"""Opinions further apart than this many times the noise are not averaged."""
LARGEST_PX = 450.0
"""Side at which it is asked: mutual information needs no finer one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """The matrix after the second opinion was heard."""

    matrix: Matrix
    apart_lm_px: float
    """How far the two measures are apart at the corners; root mean square."""
    bits: float
    """Mutual information at its own maximum."""
    standing: float
    """How far it stands out from places near by, in deviations."""
    weight: float
    """Its share in the matrix, 0..0.5."""


def second_opinion(
    images: Images, em: Field, lm: Field, matrix: Matrix, noise_px: float
) -> Opinion:
    """Ask mutual information from `matrix` on; `noise_px` in px of `em`."""
    pitch = _pitch(lm)
    silent = Opinion(matrix=matrix, apart_lm_px=0.0, bits=0.0, standing=0.0, weight=0.0)
    inner = between(em, lm, [matrix])[0]
    e = grey_and_valid(images.em, em.shape, images.device)
    m = grey_and_valid(images.lm, lm.shape, images.device)
    asked = Information(e[0], m[0], _whole(e[1]), _whole(m[1]), inner)
    if not asked.is_answerable:
        return silent
    polished = asked.polish()
    own = outward(em, lm, (inner @ polished.movement)[None])[0]
    gaps = corner_errors(own, matrix, images.em.full_shape)
    apart = float(np.sqrt(np.mean(gaps**2)))
    noise = noise_px * pitch
    doubt = (noise - SHARP_LM_PX) / (NOISY_LM_PX - SHARP_LM_PX)
    weight = 0.5 * min(max(doubt, 0.0), 1.0) if apart <= AGREEING * noise else 0.0
    return Opinion(
        matrix=(1 - weight) * matrix + weight * own,
        apart_lm_px=apart,
        bits=polished.after_bits,
        standing=polished.standing,
        weight=weight,
    )


def _whole(share: Tensor) -> Tensor:
    return (share > 0.99).float()


def _pitch(lm: Field) -> float:
    """LM px per field px."""
    linear = torch.from_numpy(lm.from_full[:2, :2])
    return float(torch.linalg.det(linear).abs() ** -0.5)
