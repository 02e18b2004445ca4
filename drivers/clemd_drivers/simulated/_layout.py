"""Where the cells lie: an endless tissue, any part of which can be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial import Voronoi

from ._field import Points

_GAP_UM = 0.11
_STEP_UM = 0.22
_NEIGHBOURS = 3
"""Rows of cells around a region that shape the cells inside it."""


@dataclass(frozen=True)
class Outline:
    """The membrane of one cell."""

    number: tuple[int, int]
    """Column and row of the cell in the tissue; the same in every field."""
    contour_um: Points
    centre_um: Points


@dataclass(frozen=True)
class Tissue:
    """Jittered rows of cells, each told apart by its column and row alone."""

    seed: int
    pitch_um: float

    def outlines(self, box_um: tuple[float, float, float, float]) -> list[Outline]:
        """The cells whose seed point lies within `box_um` (x0, y0, x1, y1)."""
        columns, rows, seeds = self._seeds(box_um)
        x0, y0, x1, y1 = box_um
        voronoi = Voronoi(seeds)
        found = []
        for index, (x, y) in enumerate(seeds):
            if not (x0 <= x <= x1 and y0 <= y <= y1):
                continue
            ring = voronoi.vertices[voronoi.regions[voronoi.point_region[index]]]
            contour = self._membrane(ring, seeds[index])
            number = (int(columns[index]), int(rows[index]))
            found.append(Outline(number, contour, contour.mean(axis=0)))
        return sorted(found, key=lambda outline: outline.number)

    def points(self, box_um: tuple[float, float, float, float]) -> Points:
        """The seed points within `box_um`, (n, 2)."""
        seeds = self._seeds(box_um)[2]
        x0, y0, x1, y1 = box_um
        inside = (seeds >= (x0, y0)).all(axis=1) & (seeds <= (x1, y1)).all(axis=1)
        return np.asarray(seeds[inside])

    def _seeds(
        self, box_um: tuple[float, float, float, float]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], Points]:
        x0, y0, x1, y1 = (round(edge / self.pitch_um) for edge in box_um)
        across = np.arange(x0 - _NEIGHBOURS, x1 + _NEIGHBOURS + 1, dtype=np.int64)
        down = np.arange(y0 - _NEIGHBOURS, y1 + _NEIGHBOURS + 1, dtype=np.int64)
        columns, rows = np.tile(across, len(down)), np.repeat(down, len(across))
        # Every other row is shifted by half a cell, as in packed tissue.
        x = columns + 0.5 * (rows % 2) + 0.66 * (self._chance(columns, rows, 1) - 0.5)
        y = rows + 0.66 * (self._chance(columns, rows, 2) - 0.5)
        return columns, rows, np.stack([x, y], axis=1) * self.pitch_um

    def _chance(
        self, columns: NDArray[np.int64], rows: NDArray[np.int64], salt: int
    ) -> NDArray[np.float64]:
        """A number in 0..1 for every cell, the same whatever region is asked for."""
        mixed = (
            columns.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            ^ rows.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
            ^ np.uint64((self.seed * 1_000_003 + salt) % 2**64)
        )
        for shift in (30, 27, 31):  # a splitmix round each
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(
                0xBF58476D1CE4E5B9
            )
        return np.asarray((mixed >> np.uint64(11)).astype(np.float64) / 2.0**53)

    def _membrane(self, ring: Points, seed_um: Points) -> Points:
        offsets = ring - seed_um
        # Qhull starts a ring anywhere; a start that depends on the cell alone keeps
        # the contour the same in every field.
        order = np.argsort(np.arctan2(offsets[:, 1], offsets[:, 0]))
        dense = densify(ring[order], _STEP_UM)
        rounded = gaussian_filter1d(dense, 0.8 / _STEP_UM, axis=0, mode="wrap")
        return shrink(rounded + self._drift(rounded), _GAP_UM / 2)

    def _drift(self, points_um: Points) -> Points:
        """A smooth displacement of the whole tissue, so that walls stay parallel."""
        waves, starts, pushes = _swell(self.seed)
        phases = points_um[:, :1] * waves[0] + points_um[:, 1:] * waves[1] + starts
        # einsum, not @: these are too small to be shared among BLAS threads.
        return np.asarray(np.einsum("nk,kd->nd", np.sin(phases), pushes))


@cache
def _swell(seed: int) -> tuple[Points, NDArray[np.float64], Points]:
    """Twelve plane waves: wave vectors, phases, displacements."""
    rng = np.random.default_rng([seed, 3])
    wavelengths = np.geomspace(1.3, 14.0, 12)
    angles, starts, directions = rng.uniform(0, 2 * np.pi, (3, 12))
    waves = 2 * np.pi / wavelengths * np.stack([np.cos(angles), np.sin(angles)])
    sizes = 0.042 * wavelengths**0.85
    pushes = np.stack([np.cos(directions), np.sin(directions)], 1) * sizes[:, None]
    return waves, starts, pushes


def densify(ring: Points, step: float) -> Points:
    """Points about `step` apart along a closed polygon."""
    ends = np.roll(ring, -1, axis=0)
    lengths = np.hypot(*(ends - ring).T)
    travelled = np.concatenate([[0.0], np.cumsum(lengths)])
    at = np.linspace(0, travelled[-1], max(12, int(travelled[-1] / step)), False)
    closed = np.vstack([ring, ring[:1]])
    return np.stack([np.interp(at, travelled, closed[:, k]) for k in (0, 1)], axis=1)


def shrink(contour: Points, by: float) -> Points:
    """A closed contour moved inwards along its normals."""
    tangent = np.roll(contour, -1, axis=0) - np.roll(contour, 1, axis=0)
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    length = np.hypot(normal[:, 0], normal[:, 1])[:, None]
    inwards = normal / np.maximum(length, 1e-9)
    return np.asarray(contour + by * inwards)
