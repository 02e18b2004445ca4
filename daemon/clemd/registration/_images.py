"""Both images at any resolution, and matrices on their way between the grids."""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from clemd.geometry import compose, invert
from clemd.model import Matrix, PreparedImage, TransformModel

from ._fields import Field, field_of, pooled
from ._keeping import LM_FIELDS, key_of
from ._lanes import lanes_on
from ._movement import MovementFit
from ._search import Candidate
from ._surfaces import Surfaces, tile_surfaces

STIFFNESS = 0.01
"""Price of leaving the similarities, per px² at the image's edge."""


@dataclass(slots=True)
class Pose:
    """One basin on its way through the engine."""

    matrix: Matrix
    """EM px -> LM px, images as stored."""
    candidate: Candidate
    ratio: float
    """EM px per LM px of the band it was searched in."""
    score: float = 0.0
    merit: float = 0.0


class _Which(NamedTuple):
    """Names one field of a pair."""

    side: str
    reduction: float
    """Px of the full image per px of the field."""
    smooth: float

    @classmethod
    def of(cls, side: str, reduction: float, smooth: float) -> _Which:
        """Nearly equal reductions are one."""
        return cls(side, round(reduction, 6), smooth)


class Images:
    """Both images at whatever resolution is asked for, each made once."""

    def __init__(
        self, em: PreparedImage, lm: PreparedImage, device: torch.device
    ) -> None:
        self.em, self.lm, self.device = em, lm, device
        self._fields: dict[_Which, Field] = {}
        self._pooled: dict[tuple[float, float, float], tuple[Field, Field]] = {}
        self._lm_key = key_of(lm)

    def reduction(self, ratio: float, em_px: float, lm_px: float) -> float:
        """LM px per working px so that the EM is ~em_px wide, the LM <= lm_px."""
        em_side = math.sqrt(self.em.full_shape[0] * self.em.full_shape[1]) / ratio
        return max(1.0, em_side / em_px, max(self.lm.full_shape) / lm_px)

    def variants(self) -> list[Images]:
        """These images, and once more without the camera-field cut if there is one."""
        if self.em.wide_mask is None and self.lm.wide_mask is None:
            return [self]
        wide = [
            image if image.wide_mask is None else replace(image, mask=image.wide_mask)
            for image in (self.em, self.lm)
        ]
        return [self, Images(wide[0], wide[1], self.device)]

    def at(
        self, ratio: float, reduction: float, smooth: float = 1.0
    ) -> tuple[Field, Field]:
        """(EM field, LM field), both sampled at `reduction` LM px."""
        self.make(ratio, (reduction, smooth))
        return (
            self._fields[_Which.of("em", ratio * reduction, smooth)],
            self._fields[_Which.of("lm", reduction, smooth)],
        )

    def make(self, ratio: float, *levels: tuple[float, float]) -> None:
        """Make what `at` will be asked for, side by side; (reduction, smooth) each."""
        wanted = [
            which
            for reduction, smooth in levels
            for which in (
                _Which.of("em", ratio * reduction, smooth),
                _Which.of("lm", reduction, smooth),
            )
        ]
        missing = [w for w in dict.fromkeys(wanted) if not self._has(w)]
        made = lanes_on(self.device).run(
            [partial(self._made, which) for which in missing]
        )
        for which, field in zip(missing, made, strict=True):
            self._fields[which] = field
            if which.side == "lm" and self._lm_key:
                LM_FIELDS.put(self._kept_as(which), field)

    def _has(self, which: _Which) -> bool:
        if which not in self._fields and which.side == "lm" and self._lm_key:
            kept = LM_FIELDS.get(self._kept_as(which))
            if kept is not None:
                self._fields[which] = kept
        return which in self._fields

    def _made(self, which: _Which) -> Field:
        image = self.em if which.side == "em" else self.lm
        return field_of(image, which.reduction, self.device, which.smooth)

    def _kept_as(self, which: _Which) -> Hashable:
        return self._lm_key, str(self.device), which

    def pooled_at(
        self, ratio: float, reduction: float, finer: float
    ) -> tuple[Field, Field]:
        """Both fields at `reduction`, their edges found `finer` times finer."""
        fine = max(1.0, reduction / finer)
        key = round(reduction, 6), finer, round(ratio, 9)
        if key not in self._pooled:
            em, lm = self.at(ratio, fine)
            by = reduction / fine
            self._pooled[key] = pooled(em, by), pooled(lm, by)
        return self._pooled[key]


def between(em: Field, lm: Field, matrices: list[Matrix]) -> torch.Tensor:
    """Full-image matrices as EM field px -> LM field px, (n, 3, 3) float64."""
    back = invert(em.from_full)
    stack = np.stack([compose(lm.from_full, m, back) for m in matrices])
    return torch.from_numpy(stack).to(em.z.device)


def outward(em: Field, lm: Field, matrices: torch.Tensor) -> list[Matrix]:
    """The inverse of `between`."""
    forth = invert(lm.from_full)
    return [compose(forth, m, em.from_full) for m in matrices.cpu().numpy()]


def refine(
    em: Field,
    lm: Field,
    matrices: list[Matrix],
    *,
    tiles: int,
    reach_px: int,
    rounds: int,
    model: TransformModel = TransformModel.SIMILARITY,
    capture: bool = False,
) -> tuple[list[Matrix], Surfaces]:
    """Move every matrix to the nearest maximum of its summed tile surfaces.

    `capture` searches the whole reach in the first round (similarities only).
    """
    inner = between(em, lm, matrices)
    for turn in range(rounds):
        seen = tile_surfaces(em.z, lm.z, inner, tiles, reach_px)
        fit = MovementFit(seen, em.shape)
        if capture and turn == 0:
            moved = fit.similarity(capture=True)
        else:
            moved = fit.fit(model, stiffness=STIFFNESS)
        inner = inner @ moved.matrices
        if float(moved.largest_px.max()) < 0.02:
            break
    seen = tile_surfaces(em.z, lm.z, inner, tiles, reach_px)
    return outward(em, lm, inner), seen
