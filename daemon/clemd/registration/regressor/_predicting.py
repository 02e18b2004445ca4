"""From two images to a pose with a variance: propose, look, look again."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clemd.geometry import compose, decompose, invert, middle_of
from clemd.model import Matrix, PosePrior, PreparedImage

from ._looking import Said, em_on_grid, lm_on_grid, said_of
from ._network import EM_PX, TwoHeads
from ._proposing import propose
from ._seeing import View, view_of
from ._weights import Trained

PROPOSED = 3
LOOKS = 2
"""Looks at the place that was chosen, the last of which is believed."""
SURE = 2.0
"""Log odds at which the first proposal is taken without hearing the others."""
COVERAGE = (0.26, 1.05)
"""Side of the EM field / side of the map (square roots of areas) that it was trained
for, with a margin for the ratio."""
LEAST_EM_LM_PX = 40.0
"""Side of the EM field below which the map has nothing to show."""
MOST_SCALE_TOLERANCE = 0.12


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A pose, and how far it may be off."""

    matrix: Matrix
    """EM px -> LM px, images as stored."""
    rotation_deg: float
    scale: float
    """LM px per EM px."""
    centre_lm_px: tuple[float, float]
    """Where the middle of the EM image lies on the map."""
    mirrored: bool
    deviations: tuple[float, float, float, float]
    """Standard deviations: x and y of that middle (LM px), rotation (degrees), scale
    (as a fraction)."""
    log_odds: float
    """That it is the right place at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A pair as the network looks at it."""

    em: Tensor
    """(1, 3, side, side)."""
    lm: Tensor
    """(3, height, width), the whole map at the same pitch."""
    em_view: View
    lm_view: View
    to_grid: Matrix
    """Px of the EM view -> px of the grid."""

    def inner(self, matrix: Matrix) -> Matrix:
        """EM px -> LM px as stored, told between the grid and the LM view."""
        em = compose(self.to_grid, self.em_view.from_full)
        return compose(self.lm_view.from_full, matrix, invert(em))

    def outer(self, guess: Matrix) -> Matrix:
        """The inverse of `inner`."""
        em = compose(self.to_grid, self.em_view.from_full)
        return compose(invert(self.lm_view.from_full), guess, em)


def outside(em: PreparedImage, lm: PreparedImage, prior: PosePrior) -> str:
    """Why the network cannot be asked about this pair; empty if it can."""
    if prior.pixel_size_ratio is None:
        return (
            "the regressor needs the pixel sizes of both images: state the ratio "
            "(--pixel-ratio), or use multimodal, which searches it"
        )
    if prior.scale_tolerance > MOST_SCALE_TOLERANCE:
        return (
            f"the regressor was trained for a pixel-size ratio within 10 %, not "
            f"{100 * prior.scale_tolerance:g} %: use multimodal"
        )
    side = math.sqrt(em.full_shape[0] * em.full_shape[1]) / prior.pixel_size_ratio
    share = side / math.sqrt(lm.full_shape[0] * lm.full_shape[1])
    if not COVERAGE[0] <= share <= COVERAGE[1]:
        return (
            f"the EM field is {100 * share:.0f} % as wide as the map; the regressor "
            f"was trained for {100 * COVERAGE[0]:.0f} to {100 * COVERAGE[1]:.0f} %: "
            "use multimodal"
        )
    if side < LEAST_EM_LM_PX:
        return (
            f"the EM field is only {side:.0f} px wide on the map; the regressor needs "
            f"{LEAST_EM_LM_PX:.0f}: use multimodal"
        )
    return ""


def sight_of(em: PreparedImage, lm: PreparedImage, ratio: float) -> Sight:
    """Both images at the pitch at which the EM field is `EM_PX` px wide."""
    side = math.sqrt(em.full_shape[0] * em.full_shape[1]) / ratio
    pitch = side / EM_PX
    em_view, lm_view = view_of(em, pitch * ratio), view_of(lm, pitch)
    laid, to_grid = em_on_grid(em_view)
    return Sight(
        em=laid, lm=lm_view.z, em_view=em_view, lm_view=lm_view, to_grid=to_grid
    )


def guesses_of(sight: Sight, prior: PosePrior, count: int) -> list[Matrix]:
    """Places that the correlation proposes, EM grid px -> LM view px."""
    mirrors = (False, True) if prior.mirror is None else (prior.mirror,)
    proposed = propose(
        sight.em_view,
        sight.lm_view,
        count,
        mirrors=mirrors,
        rotation_deg=prior.rotation_deg,
    )
    back = invert(sight.to_grid)
    return [compose(one, back) for one in proposed]


def _looked(
    network: TwoHeads, sight: Sight, cells: Tensor, guesses: list[Matrix]
) -> list[Said]:
    """What the network says of every guess; `cells` are those of the EM field."""
    return said_of(network.read(sight.em, cells, lm_on_grid(sight.lm, guesses)))


def predict(
    trained: Trained, em: PreparedImage, lm: PreparedImage, prior: PosePrior
) -> Prediction | None:
    """The pose that the network sees; None where nothing can be proposed.

    Without a ratio nothing can be (`outside` says what else must hold).
    """
    if prior.pixel_size_ratio is None:
        return None
    network = trained.network
    with torch.inference_mode():
        sight = sight_of(em, lm, prior.pixel_size_ratio)
        guesses = guesses_of(sight, prior, PROPOSED)
        if not guesses:
            return None
        cells = network.cells_of(sight.em)
        # one look is dear: the others are asked about only where the first is doubted
        said = _looked(network, sight, cells, guesses[:1])
        if said[0].log_odds < SURE and guesses[1:]:
            said += _looked(network, sight, cells, guesses[1:])
        best = max(range(len(said)), key=lambda i: said[i].log_odds)
        guess, last = guesses[best], said[best]
        for _ in range(LOOKS - 1):
            guess = compose(guess, last.step)
            (last,) = _looked(network, sight, cells, [guess])
    return _told(sight, compose(guess, last.step), last, trained.calibration, em)


def _told(
    sight: Sight,
    found: Matrix,
    said: Said,
    calibration: tuple[float, ...],
    em: PreparedImage,
) -> Prediction:
    matrix = sight.outer(found)
    middle = np.array([*middle_of(em.full_shape), 1.0])
    parts = decompose(matrix)
    x, y, _ = matrix @ middle
    # the deviations of the shifts are those of the EM grid's axes
    to_lm = (found[:2, :2] / np.linalg.det(sight.lm_view.from_full[:2, :2]) ** 0.5) ** 2
    dx, dy, turn, grow = (
        a * b for a, b in zip(said.deviations, calibration, strict=True)
    )
    sx, sy = np.sqrt(to_lm @ np.array([dx * dx, dy * dy]))
    return Prediction(
        matrix=matrix,
        rotation_deg=parts.rotation_deg,
        scale=parts.scale,
        centre_lm_px=(float(x), float(y)),
        mirrored=parts.mirrored,
        deviations=(float(sx), float(sy), math.degrees(turn), grow),
        log_odds=said.log_odds,
    )
