"""Both images on the finest level of the pyramid, and where a climb begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from clemd.errors import RegistrationRefusedError
from clemd.geometry import (
    as_matrix,
    compose,
    decompose,
    invert,
    middle_of,
    resizing,
    similarity,
)
from clemd.model import Matrix, PosePrior, PreparedImage
from clemd.registration._images import Images
from clemd.registration._witnesses import grey_and_valid

from ._sampling import Level, Plane, Sampling, levels_of, unit_from_px

FINEST_EM_PX, FINEST_LM_PX = 420, 1400
"""EM side and longest map side of the finest level."""
SAMPLING = Sampling(
    levels=5,
    least_side_px=24,
    most=40_000,
    permuted=True,
    held_out=0.2,
    isotropic=True,
)
LEAST_LEVELS = 2
WIDEST_FIELD = 1.2
"""Most that an EM field is wider than the map, where no pixel size is known."""
LEAST_PLACES = 200
"""Of the finest level, for the fit; a tenth of it must be held out."""


@dataclass(frozen=True, slots=True)
class Grids:
    """Both images on the finest level, and the matrices that took them there."""

    em: Plane
    lm: Plane
    em_from_full: Matrix
    lm_from_full: Matrix
    unit: Matrix
    """Px of the EM level -> units of the movement."""

    def inner(self, em_to_lm: Matrix) -> Matrix:
        """Images as stored -> the finest level's grids."""
        return compose(self.lm_from_full, em_to_lm, invert(self.em_from_full))

    def moved(self, em_to_lm: Matrix, movement: Matrix) -> Matrix:
        """`em_to_lm` after a movement, in units, of the EM image."""
        in_px = compose(invert(self.unit), movement, self.unit)
        full = compose(invert(self.em_from_full), in_px, self.em_from_full)
        matrix = compose(em_to_lm, full)
        return np.asarray(matrix / matrix[2, 2])

    def levels(self, em_to_lm: Matrix, seed: int) -> list[Level]:
        """The pyramid about a start, finest level first.

        Raises:
            RegistrationRefusedError: an image is too small, or has too few edges.
        """
        levels = levels_of(self.em, self.lm, self.inner(em_to_lm), SAMPLING, seed)
        height, width = self.em.grey.shape
        if len(levels) < LEAST_LEVELS:
            raise _too_small(height, width)
        fitted, held = levels[0].fitted, len(levels[0].places) - levels[0].fitted
        if fitted < LEAST_PLACES or held < LEAST_PLACES // 10:
            raise RegistrationRefusedError(
                f"edges in only {fitted + held} px of the EM image at the map's "
                "resolution: too few to learn from; use multimodal"
            )
        return levels


def check_size(images: Images, prior: PosePrior) -> None:
    """Refuse before the search what must be refused after it.

    Raises:
        RegistrationRefusedError: at no scale that the prior allows is the EM field as
            large as the pyramid.
    """
    em, lm = images.em.full_shape, images.lm.full_shape
    if prior.pixel_size_ratio is not None:
        least = prior.pixel_size_ratio * (1 - prior.scale_tolerance)
    else:
        least = float(np.sqrt(em[0] * em[1] / (lm[0] * lm[1]))) / WIDEST_FIELD
    if prior.expected is not None:
        least = min(
            least, 1 / decompose(as_matrix(prior.expected), middle_of(em)).scale
        )
    pitch = images.reduction(least, FINEST_EM_PX, FINEST_LM_PX)
    height, width = _shape_at(images.em, pitch * least)
    if min(height, width) // 2 < SAMPLING.least_side_px:
        raise _too_small(height, width)


def _too_small(height: int, width: int) -> RegistrationRefusedError:
    return RegistrationRefusedError(
        f"the EM field is {width} x {height} px at the map's resolution, smaller than "
        f"the pyramid of `mine`, which needs {LEAST_LEVELS * SAMPLING.least_side_px} "
        "px a side: use multimodal, or a map of finer pixels"
    )


def centre_on_centre(images: Images, prior: PosePrior) -> Matrix:
    """Unturned, as published; without a ratio both fields are of one area."""
    em, lm = images.em.full_shape, images.lm.full_shape
    ratio = prior.pixel_size_ratio
    if ratio is None:
        ratio = float(np.sqrt(em[0] * em[1] / (lm[0] * lm[1])))
    return similarity(
        scale=1 / ratio,
        rotation_deg=0.0,
        mirrored=bool(prior.mirror),
        about=middle_of(em),
        onto=middle_of(lm),
    )


def grids_of(images: Images, start: Matrix) -> Grids:
    """Both images at the pitch of the finest level."""
    scale = float(np.sqrt(abs(np.linalg.det(start[:2, :2]))))
    pitch = images.reduction(1 / scale, FINEST_EM_PX, FINEST_LM_PX)
    em, em_from_full = _plane(images.em, pitch / scale)
    lm, lm_from_full = _plane(images.lm, pitch)
    return Grids(
        em,
        lm,
        em_from_full,
        lm_from_full,
        unit_from_px(em.grey.shape, isotropic=SAMPLING.isotropic),
    )


def _plane(image: PreparedImage, reduction: float) -> tuple[Plane, Matrix]:
    """The mean layer at `reduction` px as stored, and the matrix that took it there."""
    height, width = image.mask.shape
    shape = _shape_at(image, reduction)
    grey, valid = grey_and_valid(image, shape, torch.device("cpu")).numpy()
    plane = Plane(grey=np.asarray(grey), valid=np.asarray(valid > 0.99))
    grid = resizing((height, width), shape)
    return plane, compose(grid, image.from_full)


def _shape_at(image: PreparedImage, reduction: float) -> tuple[int, int]:
    """(height, width) at `reduction` px as stored."""
    height, width = image.mask.shape
    per_full = float(np.sqrt(abs(np.linalg.det(image.from_full[:2, :2]))))
    factor = max(reduction * per_full, 0.25)
    return max(8, round(height / factor)), max(8, round(width / factor))
