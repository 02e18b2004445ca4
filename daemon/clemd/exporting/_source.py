"""What a dialect is given: the result, the two images, and what lies around them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clemd.errors import UsageError
from clemd.geometry import apply, in_um
from clemd.model import Matrix, Registration, TransformModel

from ._context import LightLayer, PairContext, Plane, usable_matrix

PointMap = Callable[[ArrayLike], NDArray[np.float64]]
"""Points (n, 2) -> points (n, 2)."""
_STRAIGHT = 1e-12
"""Largest perspective term of a matrix that counts as affine, per px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A place on the LM map to drive to."""

    name: str
    x_lm_px: float
    """Px of the LM map, from the centre of its first pixel."""
    y_lm_px: float
    radius_um: float | None = None
    """95 % radius on the EM stage; None = not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The way from the LM map to the EM stage."""

    lm_px_to_um: Matrix | PointMap
    """LM px -> EM stage micrometres: a 3x3 matrix, or a function of (n, 2) points."""
    z_um: float | None = None

    def place(self, lm_px: ArrayLike) -> NDArray[np.float64]:
        """LM px points, (n, 2), as EM stage micrometres, (n, 2)."""
        if callable(self.lm_px_to_um):
            return np.asarray(self.lm_px_to_um(lm_px), np.float64)
        return apply(self.lm_px_to_um, lm_px)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pictures:
    """The pixels of both images, as stored."""

    em: Plane
    layers: tuple[LightLayer, ...]
    info_bar_rows: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportSource:
    """Everything that an export may draw on."""

    registration: Registration
    context: PairContext
    targets: tuple[Target, ...] = ()
    stage: Stage | None = None
    pictures: Callable[[], Pictures] | None = None
    """Loads the pixels; called only by dialects that show them."""

    @property
    def em_to_lm(self) -> Matrix:
        """EM px -> LM px of a result that may leave the house.

        Raises:
            UsageError: not registered.
        """
        return usable_matrix(self.registration)

    def affine_um(self, dialect: str, instead: str) -> Matrix:
        """EM -> LM in the units of `context.spacings`, refused if it is not affine.

        Raises:
            UsageError: not registered, or a homography; `instead` says what to export.
        """
        return in_um(self.affine_px(dialect, instead), *self.context.spacings)

    def affine_px(self, dialect: str, instead: str) -> Matrix:
        """The same in px.

        Raises:
            UsageError: not registered, or a homography; `instead` says what to export.
        """
        matrix = self.em_to_lm
        bent = float(np.abs(matrix[2, :2]).max()) > _STRAIGHT
        if bent or self.registration.model is TransformModel.HOMOGRAPHY:
            raise UsageError(f"{dialect} cannot hold a homography", "", instead)
        return matrix

    def load_pictures(self) -> Pictures:
        """The pixels of both images.

        Raises:
            ValueError: they were not given.
        """
        if self.pictures is None:
            raise ValueError("there are no pictures to show")
        return self.pictures()

    @property
    def targets_lm_px(self) -> NDArray[np.float64]:
        """The targets' places, (n, 2)."""
        places = [(target.x_lm_px, target.y_lm_px) for target in self.targets]
        return np.array(places, np.float64).reshape(-1, 2)

    def provenance(self) -> dict[str, object]:
        """Which result this is, for files that have room to say so."""
        found, context = self.registration, self.context
        em_sha256, lm_sha256 = found.input_sha256
        return {
            "registration_id": context.registration_id,
            "verdict": found.verdict.value,
            "error_um_p95": None if found.error_um is None else found.error_um.p95,
            "em": {"name": context.em_name, "sha256": em_sha256},
            "lm": {"name": context.lm_name, "sha256": lm_sha256},
        }
