"""A polished composite: particles and fibres of several materials in a matrix.

Drawn once on a fine grid and then looked at by every field of view, so that fields
differ in what the microscope does and never in what is there.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ._emission import MATERIALS

WIDTH_UM, HEIGHT_UM = 116.0, 84.0
"""Room for the largest field, turned and off centre."""
PX2_PER_PARTICLE = 420.0
RADIUS_PX = (7.0, 0.75)
"""Median and log deviation of particle radii, grid px."""
LARGEST_PX = 260.0
EDGE_GLOW = 0.55
"""How much brighter the steepest slopes are: electrons leave through the side too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite:
    """What is where; px of a grid centred on the specimen's origin."""

    pitch_um: float
    material: NDArray[np.uint8]
    """(height, width): index into `MATERIALS`."""
    glow: NDArray[np.float32]
    """(height, width): yield relative to flat material of mean density."""


def draw_composite(seed: int, pitch_um: float) -> Composite:
    """The specimen of that seed; `pitch_um` is the edge of one grid px."""
    rng = np.random.default_rng([seed, 0])
    shape = round(HEIGHT_UM / pitch_um), round(WIDTH_UM / pitch_um)
    material = np.zeros(shape, np.uint8)
    height = np.zeros(shape, np.float32)
    _draw_particles(rng, material, height)
    _draw_fibres(rng, material, height)
    height += 1.6 * _rough(rng, shape, 2.0) + 4.0 * _rough(rng, shape, 9.0)
    glow = _glow(height)
    glow *= 1.0 + 0.10 * _rough(rng, shape, 30.0) + 0.08 * _rough(rng, shape, 3.5)
    return Composite(pitch_um=pitch_um, material=material, glow=glow)


def _draw_particles(
    rng: np.random.Generator, material: NDArray[np.uint8], height: NDArray[np.float32]
) -> None:
    """Largest first, so that the small ones stay visible."""
    rows, columns = material.shape
    count = int(rows * columns / PX2_PER_PARTICLE)
    median, spread = RADIUS_PX
    radii = np.minimum(median * rng.lognormal(0.0, spread, count), LARGEST_PX)
    radii = np.sort(radii)[::-1]
    at = rng.uniform(-8, [columns + 8, rows + 8], (count, 2))
    slender = rng.uniform(0.45, 1.0, count)
    turns = rng.uniform(0, 180, count)
    kinds = rng.integers(0, len(MATERIALS), count)
    lifts = rng.normal(0, 3.0, count)
    for centre, radius, ratio, turn, kind, lift in zip(
        at, radii, slender, turns, kinds, lifts, strict=True
    ):
        box = (
            (float(centre[0]), float(centre[1])),
            (float(2 * radius), float(2 * radius * ratio)),
            float(turn),
        )
        cv2.ellipse(material, box, int(kind), -1)
        cv2.ellipse(height, box, float(lift), -1)


def _draw_fibres(
    rng: np.random.Generator, material: NDArray[np.uint8], height: NDArray[np.float32]
) -> None:
    rows, columns = material.shape
    for _ in range(int(rows * columns / 250_000) + 3):
        start = rng.uniform(0, [columns, rows])
        heading = rng.uniform(0, 2 * np.pi) + np.cumsum(rng.normal(0, 0.25, 14))
        step = 0.03 * columns
        moves = step * np.c_[np.cos(heading), np.sin(heading)]
        points = np.round(start + np.cumsum(moves, 0)).astype(np.int32)[:, None]
        width = int(rng.integers(3, 12))
        kind, lift = int(rng.integers(1, len(MATERIALS))), float(rng.normal(2, 2))
        cv2.polylines(material, [points], False, kind, width)
        cv2.polylines(height, [points], False, lift, width)


def _rough(
    rng: np.random.Generator, shape: tuple[int, int], sigma_px: float
) -> NDArray[np.float32]:
    """Smooth noise of unit deviation, made at the resolution it needs."""
    by = max(1.0, sigma_px / 2)
    small = (int(shape[0] / by) + 2, int(shape[1] / by) + 2)
    noise = rng.standard_normal(small, dtype=np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), sigma_px / by), np.float32)
    smooth /= smooth.std()
    return np.asarray(cv2.resize(smooth, shape[::-1], interpolation=cv2.INTER_CUBIC))


def _glow(height: NDArray[np.float32]) -> NDArray[np.float32]:
    """Yield by slope, 1/cos of the tilt where it is small, limited where it is not."""
    smooth = cv2.GaussianBlur(height, (0, 0), 1.2)
    along = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    slope2 = along * along + down * down
    return np.asarray(1.0 + EDGE_GLOW * slope2 / (slope2 + 0.6), np.float32)
