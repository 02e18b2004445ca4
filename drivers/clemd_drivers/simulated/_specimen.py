"""One specimen, described in µm and drawn on demand at any pixel size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import FloatImage

from ._cell import Cell, build_cell
from ._drawing import Canvas, draw_beads, draw_cells, is_seen
from ._field import Field, Points
from ._layout import Tissue
from ._texture import sample

_LABELLED_PX = 8_000_000
"""Above this many px, one sample per px is smooth enough."""


@dataclass(frozen=True)
class Layers:
    """What lies under every px of a field: labels and lines, before any contrast."""

    field: Field
    seed: int
    labels: NDArray[np.uint8]
    """Kind of matter, see `Label`; supersampled."""
    lines: NDArray[np.uint8]
    """Membranes, 0..255 = how much of the sample they cover; supersampled."""

    def average(self, values: dict[int, float] | NDArray[np.float32]) -> FloatImage:
        """`values` of the labels, averaged over the area of every px; 0..1."""
        table = np.zeros(256, np.float32)
        if isinstance(values, dict):
            table[list(values)] = list(values.values())
        else:
            table[:] = values
        eight = np.clip(table * 255 + 0.5, 0, 255).astype(np.uint8)
        return self._shrink(np.asarray(cv2.LUT(self.labels, eight), np.uint8))

    @cached_property
    def membranes(self) -> FloatImage:
        """Share of every px that is membrane, 0..1."""
        return self._shrink(self.lines)

    def texture(self, grain_um: float, stream: int, octaves: int = 3) -> FloatImage:
        """Structure fixed to the specimen, finest grains `grain_um`."""
        return sample(
            self.field,
            seed=self.seed,
            grain_um=grain_um,
            octaves=octaves,
            stream=stream,
        )

    def _shrink(self, image: NDArray[np.uint8]) -> FloatImage:
        height, width = self.field.shape
        if image.shape != (height, width):
            image = np.asarray(
                cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        return np.asarray(image, np.float32) * np.float32(1 / 255)


class Specimen:
    """An endless piece of tissue that depends on `seed` alone.

    `bead_spacing_um` adds fluorescent, electron-dense fiducial beads at about that
    distance from each other.
    """

    def __init__(
        self,
        seed: int,
        *,
        pitch_um: float = 11.0,
        bead_spacing_um: float | None = None,
    ) -> None:
        self.seed = seed
        self._tissue = Tissue(seed, pitch_um)
        self._margin_um = 1.2 * pitch_um
        self._bead_spacing_um = bead_spacing_um
        self._cells: dict[tuple[int, int], Cell] = {}

    def cells(self, field: Field) -> list[Cell]:
        """The cells that a field may show."""
        near = self._tissue.outlines(field.bounds_um(self._margin_um))
        outlines = [near_by for near_by in near if is_seen(field, near_by.contour_um)]
        for outline in outlines:
            if outline.number not in self._cells:
                self._cells[outline.number] = build_cell(outline, seed=self.seed)
        return [self._cells[outline.number] for outline in outlines]

    def beads(self, field: Field) -> Points:
        """Centres of the fiducial beads near a field, (n, 2) in µm."""
        if self._bead_spacing_um is None:
            return np.empty((0, 2))
        scatter = Tissue(self.seed + 1, self._bead_spacing_um)
        return scatter.points(field.bounds_um(1.0))

    def layers(self, field: Field, *, fine: bool, factor: int | None = None) -> Layers:
        """Draw the field; `fine` includes what only electrons can see."""
        height, width = field.shape
        if factor is None:
            factor = 1 if height * width > _LABELLED_PX else 2
        canvas = Canvas.blank(field.supersampled(factor))
        draw_cells(canvas, self.cells(field), fine=fine)
        draw_beads(canvas, self.beads(field))
        return Layers(field, self.seed, canvas.labels, canvas.lines)
