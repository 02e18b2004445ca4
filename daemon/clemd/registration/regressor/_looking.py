"""Both images on the network's grid, and its answers as matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clemd.geometry import apply, compose, invert, similarity, translation
from clemd.model import Matrix
from clemd.registration._surfaces import map_in_em

from ._network import (
    ARM_PX,
    LEAST_LOG_VARIANCE,
    MOST_LOG_VARIANCE,
    REACH_PX,
    SIDE_PX,
)
from ._seeing import View

MIDDLE = ((SIDE_PX - 1) / 2, (SIDE_PX - 1) / 2)
"""About which the EM field is turned and scaled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer of the network about one guess."""

    step: Matrix
    """EM grid px -> EM grid px in which the guess was right: guess @ step is better."""
    deviations: tuple[float, float, float, float]
    """Of x, y, rotation and log scale; px of the grid, px, radians, 1."""
    log_odds: float
    """That the guess was at the right place."""


def em_on_grid(em: View) -> tuple[Tensor, Matrix]:
    """(1, 3, SIDE_PX, SIDE_PX) and view px -> grid px; what sticks out is cut off."""
    height, width = em.shape
    laid = torch.zeros(3, SIDE_PX, SIDE_PX)
    y, x = (SIDE_PX - height) // 2, (SIDE_PX - width) // 2
    part = em.z[:, max(-y, 0) : max(-y, 0) + SIDE_PX, max(-x, 0) : max(-x, 0) + SIDE_PX]
    top, left = max(y, 0), max(x, 0)
    laid[:, top : top + part.shape[1], left : left + part.shape[2]] = part
    return laid[None], translation(x, y)


def lm_on_grid(lm: Tensor, guesses: Sequence[Matrix]) -> Tensor:
    """The map around each guess (EM grid px -> LM view px), seen on the EM grid.

    `lm` is (3, height, width). Returns (n, 3, SIDE_PX + 2·REACH_PX, the same).
    """
    matrices = torch.from_numpy(np.stack(list(guesses)))
    return map_in_em(lm, matrices, (SIDE_PX, SIDE_PX), margin=REACH_PX)


def said_of(out: Tensor) -> list[Said]:
    """The network's numbers (n, OUTPUTS) in words."""
    answers = []
    for row in out.double().tolist():
        variances = [
            math.exp(min(max(v, LEAST_LOG_VARIANCE), MOST_LOG_VARIANCE))
            for v in row[4:8]
        ]
        x, y, turn, grow = (math.sqrt(v) for v in variances)
        answers.append(
            Said(
                step=step_of(row[:4]),
                deviations=(x, y, turn / ARM_PX, grow / ARM_PX),
                log_odds=row[8],
            )
        )
    return answers


def step_of(shifts: Sequence[float]) -> Matrix:
    """Four shifts in px -> the movement of the EM grid."""
    x, y, turn, grow = shifts
    return similarity(
        scale=math.exp(grow / ARM_PX),
        rotation_deg=math.degrees(turn / ARM_PX),
        about=MIDDLE,
        onto=(MIDDLE[0] + x, MIDDLE[1] + y),
    )


def shifts_of(guess: Matrix, true: Matrix) -> tuple[float, float, float, float]:
    """What the network should say of `guess`: the inverse of `step_of`."""
    step = compose(invert(guess), true)
    x, y = apply(step, [MIDDLE])[0] - MIDDLE
    turn = math.atan2(step[1, 0] - step[0, 1], step[0, 0] + step[1, 1])
    grow = 0.5 * math.log(abs(float(np.linalg.det(step[:2, :2]))))
    return float(x), float(y), ARM_PX * turn, ARM_PX * grow
