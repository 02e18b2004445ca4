"""What the session is told about images, and what it answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import as_matrix, corners, middle_of
from clemd.model import ErrorRadius, Frame, Matrix, Matrix3, Registration, Verdict

from ._coordinates import Placement, placement_of

MOST_STAGE_UM = 1e8
"""A hundred metres: no stage in any unit says more."""
_LEAST_PIXEL_UM, _MOST_PIXEL_UM = 1e-6, 1e4
NO_RADIUS_SHARE = 0.05
"""Radius taken for an accepted result that states none, as a share of the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the metadata say of one EM image: where the microscope believes it is."""

    frame_id: str
    shape: tuple[int, int]
    """(height, width) px."""
    pixel_um: tuple[float, float]
    stage_um: tuple[float, float]
    """On the vendor's own axes, whatever their signs."""
    scan_rotation_deg: float = 0.0
    stage_rotation_deg: float | None = None
    stage_tilt_deg: float | None = None
    microscope: str = ""
    """Whose stage it is: two microscopes count from two origins."""
    at_s: float = 0.0
    """Acquisition time, seconds since any fixed moment."""

    @property
    def middle_px(self) -> tuple[float, float]:
        """Centre of the image, pixel centres."""
        return middle_of(self.shape)


def states_place(frame: Frame) -> bool:
    """The file says where the stage stood."""
    stage = frame.stage
    return stage is not None and stage.x_um is not None and stage.y_um is not None


def sighting_of(frame_id: str, frame: Frame, *, at_s: float) -> Sighting | None:
    """The frame as a session sees it; None where it lacks stage or pixel size."""
    stage, size = frame.stage, frame.pixel_size
    if stage is None or size is None or stage.x_um is None or stage.y_um is None:
        return None
    angles = (stage.scan_rotation_deg, stage.rotation_deg, stage.tilt_deg)
    if (
        not all(abs(v) <= MOST_STAGE_UM for v in (stage.x_um, stage.y_um))
        or not all(
            _LEAST_PIXEL_UM <= v <= _MOST_PIXEL_UM for v in (size.x_um, size.y_um)
        )
        or not all(v is None or math.isfinite(v) for v in angles)
    ):
        return None
    return Sighting(
        frame_id=frame_id,
        shape=frame.shape,
        pixel_um=(size.x_um, size.y_um),
        stage_um=(stage.x_um, stage.y_um),
        scan_rotation_deg=stage.scan_rotation_deg,
        stage_rotation_deg=stage.rotation_deg,
        stage_tilt_deg=stage.tilt_deg,
        microscope=f"{frame.driver} {frame.instrument or ''}".strip(),
        at_s=at_s,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Where the pixels say the image lies on the LM map."""

    registration_id: str
    em_to_lm: Matrix3
    corner_covariance_lm_px2: tuple[tuple[float, ...], ...] | None
    """8x8, or None: then taken as round, from the radius."""
    p95_lm_px: float

    def placement(self, sighting: Sighting) -> Placement:
        """Place and linear part with their covariance, scaled to the stated radius."""
        given = self.corner_covariance_lm_px2
        return placement_of(
            as_matrix(self.em_to_lm),
            sighting.shape,
            None if given is None else np.asarray(given, np.float64),
            p95_lm_px=self.p95_lm_px,
        )


MOST_P95 = 1e5


def _is_usable(matrix: Matrix, shape: tuple[int, int]) -> bool:
    """Finite, not flat, and no corner beyond the horizon."""
    depth = np.c_[corners(shape), np.ones(4)] @ matrix[2]
    if not np.isfinite(matrix).all():
        return False
    flat = abs(float(np.linalg.det(matrix[:2, :2]))) < 1e-12
    return bool(not flat and (depth > 1e-6).all())


def observed_of(
    registration_id: str, found: Registration, shape: tuple[int, int]
) -> Observed | None:
    """An accepted registration as a session sees it; None for any other."""
    if found.verdict is not Verdict.ACCEPTED or found.em_to_lm is None:
        return None
    radius = found.error_lm_px
    if radius is None:
        scale = math.sqrt(abs(np.linalg.det(as_matrix(found.em_to_lm)[:2, :2])))
        p95 = NO_RADIUS_SHARE * scale * shape[1]
    else:
        p95 = radius.p95
    if not _is_usable(as_matrix(found.em_to_lm), shape) or not 0 <= p95 < MOST_P95:
        return None
    return Observed(
        registration_id=registration_id,
        em_to_lm=found.em_to_lm,
        corner_covariance_lm_px2=found.corner_covariance_lm_px2,
        p95_lm_px=max(p95, 1e-3),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """Where the session expects an image, before its pixels are looked at."""

    em_to_lm: Matrix3
    error_lm_px: ErrorRadius
    """Anywhere in the image."""
    epoch: int
    pairs: int
    """Registered images behind it."""
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """An LM point as the EM stage has to be driven to."""

    stage_um: tuple[float, float]
    radius_um: ErrorRadius
    field_um: float
    """Side of the square field, centred there, that holds the point with 95 %."""


Vector = NDArray[np.float64]
__all__ = [
    "Matrix",
    "Observed",
    "Predicted",
    "Sighting",
    "Target",
    "Vector",
    "observed_of",
    "sighting_of",
    "states_place",
]
