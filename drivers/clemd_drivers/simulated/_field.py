"""A rectangle of pixels laid over the specimen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import (
    apply,
    binning,
    compose,
    corners,
    invert,
    middle_of,
    similarity,
)
from clemd.model import Matrix

Points = NDArray[np.float64]
"""Shape (n, 2) as (x, y)."""


@dataclass(frozen=True)
class Field:
    """Which part of the specimen an image of `shape` shows."""

    shape: tuple[int, int]
    """(height, width) in px."""
    um_from_px: Matrix
    """Px of the image (centre of the first pixel = 0, 0) -> specimen µm."""

    @classmethod
    def at(
        cls,
        *,
        shape: tuple[int, int],
        pixel_um: float,
        centre_um: tuple[float, float] = (0.0, 0.0),
        rotation_deg: float = 0.0,
        mirrored: bool = False,
    ) -> Field:
        """A field with square pixels whose middle lies on `centre_um`."""
        middle = middle_of(shape)
        matrix = similarity(
            scale=pixel_um,
            rotation_deg=rotation_deg,
            mirrored=mirrored,
            about=middle,
            onto=centre_um,
        )
        return cls(shape, matrix)

    @cached_property
    def px_from_um(self) -> Matrix:
        """Specimen µm -> px."""
        return invert(self.um_from_px)

    @cached_property
    def pixel_um(self) -> float:
        """Edge of one pixel (geometric mean of both axes)."""
        return float(np.sqrt(abs(np.linalg.det(self.um_from_px[:2, :2]))))

    def supersampled(self, factor: int) -> Field:
        """The same rectangle with `factor` x `factor` samples in every pixel."""
        height, width = self.shape
        back = invert(binning(1 / factor))
        return Field((height * factor, width * factor), compose(self.um_from_px, back))

    def bounds_um(self, margin_um: float) -> tuple[float, float, float, float]:
        """Specimen box (x0, y0, x1, y1) around the field, grown by `margin_um`."""
        box = apply(self.um_from_px, corners(self.shape))
        x0, y0 = box.min(axis=0) - margin_um
        x1, y1 = box.max(axis=0) + margin_um
        return float(x0), float(y0), float(x1), float(y1)

    def to_px(self, points_um: Points) -> Points:
        """Specimen µm -> px, any leading shape (..., 2)."""
        linear, shift = self.px_from_um[:2, :2], self.px_from_um[:2, 2]
        x, y = points_um[..., 0], points_um[..., 1]
        right = linear[0, 0] * x + linear[0, 1] * y + shift[0]
        down = linear[1, 0] * x + linear[1, 1] * y + shift[1]
        return np.stack([right, down], axis=-1)
