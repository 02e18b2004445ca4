"""Bodies of the cytoplasm that may not overlap, and the lines among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._field import Points
from ._nucleus import Cytoplasm

_TRIES = 110
_KNOTS = 11
"""Points along the middle line of a body, denser towards both ends."""
_PLACES = -0.5 * np.cos(np.linspace(0, np.pi, _KNOTS))
"""Where the knots lie along the line, -0.5..0.5."""


@dataclass(frozen=True)
class Bodies:
    """Bent sausages, given by a middle line and a half width along it."""

    lines_um: Points
    """(n, 11, 2)."""
    widths_um: NDArray[np.float64]
    """(n, 11) half widths; zero at both ends."""
    mitochondrion: NDArray[np.bool_]
    lysosome: NDArray[np.bool_]
    lipid: NDArray[np.bool_]

    @classmethod
    def none(cls) -> Bodies:
        """No bodies at all."""
        nobody = np.zeros(0, np.bool_)
        empty = np.empty((0, _KNOTS, 2))
        return cls(empty, np.empty((0, _KNOTS)), nobody, nobody, nobody)

    def rounds(self, which: NDArray[np.bool_]) -> Points:
        """Closed contours (n, 22, 2) of some of the bodies."""
        lines, widths = self.lines_um[which], self.widths_um[which][..., None]
        side = _normals(lines) * widths
        return np.concatenate([lines + side, (lines - side)[:, ::-1]], axis=1)


def _normals(lines: Points) -> Points:
    along = np.gradient(lines, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    length = np.hypot(along[..., 0], along[..., 1])
    return np.asarray(across / np.maximum(length, 1e-9)[..., None])


def grow_bodies(rng: np.random.Generator, room: Cytoplasm) -> Bodies:
    """Place mitochondria, lysosomes and lipid droplets where there is room."""
    kinds = rng.choice(3, _TRIES, p=[0.80, 0.13, 0.07])
    length = np.where(kinds == 0, rng.gamma(3.2, 0.42, _TRIES) + 0.25, 0.02)
    # A round body has no middle line to speak of: its caps make it round.
    half = np.choose(
        kinds,
        [
            rng.uniform(0.15, 0.27, _TRIES),
            rng.uniform(0.13, 0.30, _TRIES),
            rng.uniform(0.20, 0.55, _TRIES),
        ],
    )
    lines = _bent_lines(rng, room.scatter(rng, _TRIES), length + 2 * half)
    keep = room.clearance(lines).min(axis=1) > half + 0.12
    lines, half, kinds = lines[keep], half[keep], kinds[keep]
    chosen = _apart(lines, half, int(rng.integers(24, 58)))
    lines, half, kinds = lines[chosen], half[chosen], kinds[chosen]
    return Bodies(
        lines, _profiles(rng, lines, half, kinds), kinds == 0, kinds == 1, kinds == 2
    )


def _bent_lines(
    rng: np.random.Generator, middle: Points, length: NDArray[np.float64]
) -> Points:
    bend = rng.normal(0, 0.55, _TRIES)
    ripple = rng.normal(0, 0.16, _TRIES)
    heading = rng.uniform(0, 2 * np.pi, _TRIES)[:, None] + (
        bend[:, None] * _PLACES * 2 + ripple[:, None] * np.sin(_PLACES * 11)
    )
    step = length[:, None, None] * np.diff(_PLACES, prepend=-0.5)[:, None]
    lines = np.cumsum(step * np.stack([np.cos(heading), np.sin(heading)], -1), axis=1)
    return np.asarray(lines - lines[:, _KNOTS // 2, None] + middle[:, None])


def _apart(lines: Points, half: NDArray[np.float64], most: int) -> list[int]:
    """The first `most` bodies that keep clear of all chosen before them."""
    knots = lines[:, 1::2].astype(np.float32)
    nearest = np.full((len(lines), len(lines)), np.inf, np.float32)
    for one in range(knots.shape[1]):
        for other in range(knots.shape[1]):
            x = knots[:, None, one, 0] - knots[None, :, other, 0]
            y = knots[:, None, one, 1] - knots[None, :, other, 1]
            np.minimum(nearest, x * x + y * y, out=nearest)
    clear = nearest > np.square(half[:, None] + half + 0.10)
    chosen: list[int] = []
    for index in range(len(lines)):
        if clear[index, chosen].all():
            chosen.append(index)
        if len(chosen) == most:
            break
    return chosen


def _profiles(
    rng: np.random.Generator,
    lines: Points,
    half: NDArray[np.float64],
    kinds: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Half width along each body: round caps, slightly uneven between them."""
    steps = _steps(lines)
    travelled = np.cumsum(steps, axis=1)
    to_end = np.zeros(lines.shape[:2])
    to_end[:, 1:-1] = np.minimum(travelled, travelled[:, -1:] - travelled)[:, :-1]
    cap = np.clip(to_end / half[:, None], 0, 1)
    uneven = 1 + rng.normal(0, 0.07, cap.shape) * (kinds == 0)[:, None]
    return np.asarray(half[:, None] * np.sqrt(1 - (1 - cap) ** 2) * uneven)


def _steps(lines: Points) -> NDArray[np.float64]:
    """Distance from each knot to the next."""
    steps = np.diff(lines, axis=1)
    return np.asarray(np.hypot(steps[..., 0], steps[..., 1]))


def cristae(rng: np.random.Generator, bodies: Bodies) -> Points:
    """Folds that reach across mitochondria from either side, (n, 3, 2)."""
    lines = bodies.lines_um[bodies.mitochondrion]
    widths = bodies.widths_um[bodies.mitochondrion]
    if not len(lines):
        return np.empty((0, 3, 2))
    lengths = _steps(lines).sum(axis=1)
    counts = np.maximum(2, (lengths / 0.10).astype(int))
    owner = np.repeat(np.arange(len(lines)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    at = (np.arange(len(owner)) - first + 0.5) / counts[owner]
    at = np.clip(at + rng.normal(0, 0.25, len(at)) / counts[owner], 0.03, 0.97)
    middle, half = _along(lines, owner, at), _along(widths[..., None], owner, at)
    across = _along(_normals(lines), owner, at)
    along = np.stack([across[:, 1], -across[:, 0]], axis=1)
    side = np.where(rng.uniform(size=len(at)) < 0.5, -1.0, 1.0)[:, None]
    reach = rng.uniform(-0.1, 0.75, len(at))[:, None]
    lean = rng.normal(0, 0.05, (len(at), 2))
    root = middle + side * half * across
    bend = middle + lean[:, :1] * along
    tip = middle - side * reach * half * across + lean[:, 1:] * along
    return np.stack([root, bend, tip], axis=1)


def _along(
    values: NDArray[np.float64], owner: NDArray[np.int64], at: NDArray[np.float64]
) -> NDArray[np.float64]:
    place = np.arccos(1 - 2 * at) / np.pi * (_KNOTS - 1)
    low = np.minimum(place.astype(int), _KNOTS - 2)
    part = (place - low)[:, None]
    return np.asarray(values[owner, low] * (1 - part) + values[owner, low + 1] * part)


def tubes(rng: np.random.Generator, room: Cytoplasm) -> Points:
    """Endoplasmic reticulum around the nucleus and one Golgi stack, (n, 40, 2)."""
    strands = int(rng.integers(14, 30))
    start = rng.uniform(-np.pi, np.pi, strands + 5)
    span = rng.uniform(0.25, 1.3, strands + 5)
    place = rng.uniform(0.06, 0.93, strands + 5)
    # The last five lie in parallel: the Golgi apparatus.
    start[-5:], span[-5:] = start[-1], rng.uniform(0.25, 0.4)
    angles = start[:, None] + span[:, None] * np.linspace(0, 1, 40)
    core = room.core.radius(angles)
    low, high = core + 0.06, room.outer.radius(angles) - 0.1
    waves = rng.uniform(2, 5, strands + 5)[:, None] * angles
    wave = 0.09 * np.sin(waves * 2 + rng.uniform(0, 7, strands + 5)[:, None])
    radii = low + (high - low) * np.clip(place[:, None] + wave, 0.03, 0.97)
    stack = core[-5:] + 0.3 + 0.10 * np.arange(5)[:, None]
    radii[-5:] = np.minimum(stack, high[-5:])
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return np.asarray(room.core.centre_um + radii[..., None] * rays)
