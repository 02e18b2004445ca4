"""Cells into two pictures: what kind of matter, and how much membrane."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from ._cell import Cell, CellKind
from ._field import Field, Points

_SHIFT = 4
"""Fractional bits of the coordinates that are drawn: 1/16 of a sample."""
SHADES = 32
_MEMBRANE_UM = 0.022
"""Thickness of a stained membrane as an electron microscope shows it."""
BEAD_RADIUS_UM = 0.25


class Label(IntEnum):
    """Kinds of matter; cytoplasm and mitochondria come in 32 shades each."""

    OUTSIDE = 0
    LUMEN = 1
    NUCLEUS = 2
    NUCLEOLUS = 3
    LIPID = 4
    LYSOSOME = 5
    BEAD = 6
    BLOOD = 7
    PARTICLE = 8
    VESICLE = 9
    CYTOPLASM = 32
    MITOCHONDRION = 96


@dataclass(frozen=True)
class Canvas:
    """Two pictures of one field, drawn at the same time."""

    field: Field
    labels: NDArray[np.uint8]
    lines: NDArray[np.uint8]

    @classmethod
    def blank(cls, field: Field) -> Canvas:
        """Nothing but the outside of cells."""
        return cls(
            field, np.zeros(field.shape, np.uint8), np.zeros(field.shape, np.uint8)
        )

    def fill(self, shapes_um: Points, label: int) -> None:
        """Closed shapes (n, k, 2) of one matter; membranes in them are wiped out."""
        for shape in self._fixed(shapes_um):
            cv2.fillPoly(self.labels, [shape], int(label), cv2.LINE_8, _SHIFT)
            cv2.fillPoly(self.lines, [shape], 0, cv2.LINE_8, _SHIFT)

    def line(
        self,
        lines_um: Points,
        *,
        closed: bool,
        width_um: float = _MEMBRANE_UM,
        strength: float = 1.0,
    ) -> None:
        """Membranes (n, k, 2); one thinner than a sample is drawn faint, not wide."""
        samples = width_um / self.field.pixel_um
        thickness = max(1, round(samples))
        value = round(255 * strength * min(1.0, samples / thickness))
        fixed = list(self._fixed(lines_um))
        cv2.polylines(self.lines, fixed, closed, value, thickness, cv2.LINE_AA, _SHIFT)

    def dots(self, centres_um: Points, radii_um: Iterable[float], label: int) -> None:
        """Filled circles of one kind of matter."""
        scale = 2**_SHIFT / self.field.pixel_um
        for centre, radius in zip(self._fixed(centres_um), radii_um, strict=True):
            at = (int(centre[0]), int(centre[1]))
            size = max(int(radius * scale), 2 ** (_SHIFT - 1))
            cv2.circle(self.labels, at, size, int(label), -1, cv2.LINE_8, _SHIFT)

    def rings(self, centres_um: Points, radii_um: Iterable[float]) -> None:
        """Round membranes."""
        scale = 2**_SHIFT / self.field.pixel_um
        samples = _MEMBRANE_UM / self.field.pixel_um
        value = round(220 * min(1.0, samples))
        thickness = max(1, round(samples))
        for centre, radius in zip(self._fixed(centres_um), radii_um, strict=True):
            at = (int(centre[0]), int(centre[1]))
            size = int(radius * scale)
            cv2.circle(self.lines, at, size, value, thickness, cv2.LINE_AA, _SHIFT)

    def _fixed(self, points_um: Points) -> NDArray[np.int32]:
        scaled = self.field.to_px(points_um) * 2**_SHIFT
        return np.asarray(np.rint(scaled), np.int32)


def draw_cells(canvas: Canvas, cells: Iterable[Cell], *, fine: bool) -> None:
    """Draw cells from the membrane inwards."""
    for cell in cells:
        _draw_cell(canvas, cell, fine=fine)


def is_seen(field: Field, contour_um: Points) -> bool:
    """May any of a contour lie in the field? Judged by its box."""
    px = field.to_px(contour_um)
    height, width = field.shape
    low, high = px.min(axis=0), px.max(axis=0)
    return bool((high > -9).all() and low[0] < width + 9 and low[1] < height + 9)


def _shade(base: int, value: float) -> int:
    return base + int(np.clip(value * SHADES, 0, SHADES - 1))


def _draw_cell(canvas: Canvas, cell: Cell, *, fine: bool) -> None:
    lumen = cell.kind is CellKind.VESSEL
    matter = Label.LUMEN if lumen else _shade(Label.CYTOPLASM, cell.shade)
    canvas.fill(cell.contour_um[None], matter)
    canvas.line(cell.contour_um[None], closed=True, width_um=0.030)
    if cell.blood_um is not None:
        canvas.fill(cell.blood_um[None], Label.BLOOD)
    canvas.line(cell.reticulum_um, closed=False, strength=0.75)
    if fine:
        vesicles, radii = cell.fine.vesicles_um, cell.fine.vesicle_radii_um
        canvas.dots(vesicles, radii, Label.VESICLE)
        canvas.rings(vesicles, radii)
    _draw_nucleus(canvas, cell)
    _draw_bodies(canvas, cell, fine=fine)


def _draw_nucleus(canvas: Canvas, cell: Cell) -> None:
    if cell.nucleus_um is None:
        return
    canvas.fill(cell.nucleus_um[None], Label.NUCLEUS)
    for nucleolus in cell.nucleoli_um:
        canvas.fill(nucleolus[None], Label.NUCLEOLUS)
    canvas.line(cell.nucleus_um[None], closed=True, width_um=0.035)


def _draw_bodies(canvas: Canvas, cell: Cell, *, fine: bool) -> None:
    canvas.fill(cell.mitochondria_um, _shade(Label.MITOCHONDRION, cell.label))
    if fine:
        canvas.line(cell.fine.cristae_um, closed=False, width_um=0.026, strength=0.8)
    canvas.line(cell.mitochondria_um, closed=True, width_um=0.028)
    canvas.fill(cell.lipid_um, Label.LIPID)
    canvas.fill(cell.lysosomes_um, Label.LYSOSOME)
    canvas.line(cell.lysosomes_um, closed=True, strength=0.8)
    if fine:
        particles = cell.fine.particles_um
        canvas.dots(particles, np.full(len(particles), 0.022), Label.PARTICLE)


def draw_beads(canvas: Canvas, centres_um: Points) -> None:
    """Fiducial beads lie on top of everything."""
    if len(centres_um):
        angles = np.linspace(0, 2 * np.pi, 24, False)
        rays = BEAD_RADIUS_UM * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        canvas.fill(centres_um[:, None] + rays, Label.BEAD)
