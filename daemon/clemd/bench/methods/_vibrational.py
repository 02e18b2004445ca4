"""A polymer specimen as a Raman or infrared map and a brightfield camera see it.

Three materials, each with lines of its own, in domains whose outlines both instruments
share and whose contrast they do not: the map counts molecules under the spot of a
laser (or a diffraction-limited infrared beam), the camera sees edges by refraction,
a little colour, uneven light, and scratches and dust that no spectrum knows. The
true matrix is known exactly, and where the device would have put the map as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, middle_of, similarity, translation
from clemd.model import Matrix

GUIDE_SHAPE = (350, 415)
"""(height, width) px of the guide; errors are counted in its px."""
LEAST_PX, MOST_PX = 7.0, 40.0
"""Mean displacement of the device's placement over the field of the map."""
MARGIN_PX = 60
"""Specimen around the guide: maps may hang over its edge."""
OVER = 2
"""The specimen is drawn this much finer than the guide."""
MATERIALS = 3

Cube = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Technique:
    """One way to record a spectrum at each point."""

    name: str
    shape: tuple[int, int]
    """(height, width) of the map in points."""
    axis: tuple[float, float]
    """First and last wavenumber, 1/cm."""
    bands: int
    line_width: float
    """Of the materials' lines, 1/cm."""
    spot_px: tuple[float, float]
    """Sigma of the spot at the first and the last wavenumber, guide px."""
    counts: float
    """Photons in a strong band (shot noise); 0 = absorbance with noise of one size."""
    noise: float
    """Noise of the detector, as a share of the strongest line."""
    background: float
    """Fluorescence or scattering that varies slowly over the field, likewise."""
    spikes: float
    """Share of the spectra with a cosmic ray."""


RAMAN = Technique(
    name="raman",
    shape=(64, 76),
    axis=(710.0, 1790.0),
    bands=120,
    line_width=9.0,
    spot_px=(3.0, 3.0),
    counts=400.0,
    noise=0.02,
    background=0.6,
    spikes=0.01,
)
"""4864 points (the paper: 4900), 785 nm, 710 to 1790 1/cm."""
INFRARED = Technique(
    name="infrared",
    shape=(75, 75),
    axis=(600.0, 3230.0),
    bands=160,
    line_width=18.0,
    spot_px=(9.0, 4.0),
    counts=0.0,
    noise=0.03,
    background=0.4,
    spikes=0.0,
)
"""5625 points (as the paper), 600 to 3230 1/cm; long waves make a wide spot."""
TECHNIQUES = {one.name: one for one in (RAMAN, INFRARED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class VibrationalPair:
    """A map, its guide, and where the map lies."""

    cube: Cube
    """(bands, height, width)."""
    axis: tuple[float, ...]
    """1/cm, one for each band."""
    guide: NDArray[np.uint8]
    """(height, width)."""
    true: Matrix
    """Map px -> guide px."""
    stated: Matrix
    """The same, as the device places it."""


def vibrational_pair(seed: int, technique: Technique) -> VibrationalPair:
    """The specimen, map and guide of that seed."""
    # one specimen and guide for both techniques: their maps can be compared
    phases = _specimen(np.random.default_rng([seed, 1]))
    guide = _brightfield(phases, np.random.default_rng([seed, 2]))
    rng = np.random.default_rng([seed, 3, technique.bands])
    stated = _stated(technique)
    true = compose(_device_error(stated, technique.shape, rng), stated)
    axis = np.linspace(*technique.axis, technique.bands)
    cube = _spectra(phases, true, axis, technique, rng)
    return VibrationalPair(
        cube=cube,
        axis=tuple(float(value) for value in axis),
        guide=guide,
        true=true,
        stated=stated,
    )


def field_errors_px(
    found: Matrix, true: Matrix, shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Distance between two placements at 9 x 9 points of the map, guide px."""
    y, x = np.meshgrid(*(np.linspace(0, side - 1, 9) for side in shape), indexing="ij")
    points = np.c_[x.ravel(), y.ravel()]
    gap = apply(found, points) - apply(true, points)
    return np.asarray(np.linalg.norm(gap, axis=1))


def _specimen(rng: np.random.Generator) -> NDArray[np.float32]:
    """Share of each material, (materials, height, width), drawn `OVER` times finer."""
    shape = tuple(OVER * (side + 2 * MARGIN_PX) for side in GUIDE_SHAPE)
    label = np.zeros(shape, np.uint8)
    for material, count, size in ((1, 34, 26.0), (2, 60, 9.0), (1, 40, 7.0)):
        for _ in range(count):
            label = _drawn(label, material, size * OVER, rng)
    layers = [(label == material).astype(np.float32) for material in range(MATERIALS)]
    return np.stack([cv2.GaussianBlur(layer, (0, 0), 0.7 * OVER) for layer in layers])


def _drawn(
    label: NDArray[np.uint8], material: int, size: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One domain with a wavy outline."""
    height, width = label.shape
    middle = rng.uniform(0, (width, height))
    turn, radius = rng.uniform(0, np.pi), size * rng.lognormal(0.0, 0.35)
    axes = np.array([1.0, rng.uniform(0.35, 1.0)]) * radius
    angle = np.linspace(0, 2 * np.pi, 60, endpoint=False)
    wave = 1 + sum(
        rng.normal(0, 0.10) * np.cos(n * angle + rng.uniform(0, 6.3)) for n in (2, 3, 5)
    )
    x, y = axes[0] * wave * np.cos(angle), axes[1] * wave * np.sin(angle)
    ring = np.c_[
        x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)
    ]
    points = np.round((ring + middle) * 16).astype(np.int32)
    cv2.fillPoly(label, [points], material, cv2.LINE_8, 4)
    return label


def _brightfield(
    phases: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """What the camera sees: dark outlines, little contrast between materials."""
    shape = phases.shape[1:]
    tint = rng.uniform(-0.06, 0.06, MATERIALS)
    image = 1.0 + np.tensordot(tint, phases, 1)
    for phase, depth in zip(phases, rng.uniform(0.15, 0.45, MATERIALS), strict=True):
        soft = cv2.GaussianBlur(phase, (0, 0), 1.2 * OVER)
        steep = np.hypot(cv2.Sobel(soft, -1, 1, 0), cv2.Sobel(soft, -1, 0, 1))
        image -= depth * steep / steep.max()
    image += 0.03 * _texture(rng, shape, 1.5 * OVER) + 0.08 * _texture(rng, shape, 160)
    for _ in range(14):  # scratches of the slide
        ends = rng.uniform(0, (shape[1], shape[0]), (2, 2)).round().astype(int)
        canvas = np.zeros(shape, np.float32)
        start, end = ([int(v) for v in point] for point in ends)
        cv2.line(canvas, start, end, 1.0, OVER, cv2.LINE_AA)
        image -= rng.uniform(0.03, 0.12) * canvas
    for _ in range(18):  # dust on the camera
        at = tuple(int(v) for v in rng.uniform(0, (shape[1], shape[0])))
        canvas = np.zeros(shape, np.float32)
        cv2.circle(canvas, at, int(rng.uniform(2, 6) * OVER), 1.0, -1, cv2.LINE_AA)
        image -= rng.uniform(0.1, 0.4) * cv2.GaussianBlur(canvas, (0, 0), OVER)
    edge = OVER * MARGIN_PX
    seen = np.asarray(image, np.float32)[edge:-edge, edge:-edge]
    small = cv2.resize(seen, GUIDE_SHAPE[::-1], interpolation=cv2.INTER_AREA)
    small = small + rng.normal(0, 0.008, small.shape)
    return np.asarray(np.clip(170 * small, 0, 255), np.uint8)


def _texture(
    rng: np.random.Generator, shape: tuple[int, ...], sigma: float
) -> NDArray[np.float32]:
    """Smooth noise of deviation one."""
    step = max(1, int(sigma // 3))
    coarse = [side // step + 2 for side in shape]
    noise = rng.normal(size=coarse).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), sigma / step)
    grown = cv2.resize(soft, shape[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown / grown.std(), np.float32)


def _stated(technique: Technique) -> Matrix:
    """The map laid over most of the guide, as its device believes."""
    height, width = technique.shape
    step = 0.93 * min(GUIDE_SHAPE[1] / width, GUIDE_SHAPE[0] / height)
    stretch = np.diag([step, step, 1.0])
    back = translation(*(-side for side in middle_of(technique.shape)))
    return compose(translation(*middle_of(GUIDE_SHAPE)), stretch, back)


def _device_error(
    stated: Matrix, shape: tuple[int, int], rng: np.random.Generator
) -> Matrix:
    """Guide px -> guide px: mostly a shift, a little turned, scaled and sheared."""
    middle = middle_of(GUIDE_SHAPE)
    turned = similarity(
        scale=float(np.exp(rng.normal(0, 0.01))),
        rotation_deg=float(rng.normal(0, 1.0)),
        about=middle,
        onto=middle,
    )
    bent = np.eye(3)
    bent[:2, :2] += rng.normal(0, 0.005, (2, 2))
    about = compose(
        translation(*middle), bent, translation(-middle[0], -middle[1]), turned
    )
    wanted, direction = rng.uniform(LEAST_PX, MOST_PX), rng.uniform(0, 2 * np.pi)
    low, high = 0.0, 2 * MOST_PX
    for _ in range(40):  # the shift that makes the mean error what is wanted
        length = (low + high) / 2
        shift = translation(length * np.cos(direction), length * np.sin(direction))
        moved = compose(shift, about)
        error = field_errors_px(compose(moved, stated), stated, shape).mean()
        low, high = (length, high) if error < wanted else (low, length)
    return moved


def _spectra(
    phases: NDArray[np.float32],
    true: Matrix,
    axis: NDArray[np.float64],
    technique: Technique,
    rng: np.random.Generator,
) -> Cube:
    """(bands, height, width) as recorded."""
    pure = _lines(axis, technique, rng)
    spots = np.linspace(*technique.spot_px, 4)
    stacks = np.stack([_sampled(phases, true, technique, spot) for spot in spots])
    share = np.linspace(0, len(spots) - 1, len(axis))
    cube = np.empty((len(axis), *technique.shape), np.float32)
    for band in range(len(axis)):
        low = min(int(share[band]), len(spots) - 2)
        part = share[band] - low
        seen = (1 - part) * stacks[low] + part * stacks[low + 1]
        cube[band] = np.tensordot(pure[:, band], seen, 1)
    slope = np.exp(-np.linspace(0, 1.5, len(axis)))[:, None, None]
    glow = 1 + 0.35 * _texture(rng, technique.shape, 14.0)
    cube += np.asarray(technique.background * slope * glow, np.float32)
    if technique.counts:
        photons = rng.poisson(np.maximum(cube, 0) * technique.counts)
        cube = np.asarray(photons / technique.counts, np.float32)
    cube += rng.normal(0, technique.noise, cube.shape).astype(np.float32)
    hit = rng.random(technique.shape) < technique.spikes
    rows, columns = np.nonzero(hit)
    bands = rng.integers(0, len(axis) - 2, len(rows))
    for row, column, band in zip(rows, columns, bands, strict=True):
        cube[band : band + 2, row, column] += rng.uniform(2, 20)
    return np.asarray(cube, np.float32)


def _lines(
    axis: NDArray[np.float64], technique: Technique, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Spectrum of each material, (materials, bands); some lines are shared."""
    span = axis[-1] - axis[0]
    shared = axis[0] + span * rng.uniform(0.05, 0.95, 3)
    spectra = []
    for _ in range(MATERIALS):
        own = axis[0] + span * rng.uniform(0.05, 0.95, 6)
        places = np.r_[own, shared]
        heights = np.r_[rng.uniform(0.15, 1.0, 6), rng.uniform(0.3, 0.6, 3)]
        widths = technique.line_width * rng.uniform(0.7, 1.6, len(places))
        offset = (axis[:, None] - places) / widths
        spectra.append((heights / (1 + offset**2)).sum(1))
    return np.stack(spectra)


def _sampled(
    phases: NDArray[np.float32], true: Matrix, technique: Technique, spot_px: float
) -> NDArray[np.float32]:
    """Share of each material under each spot, (materials, height, width)."""
    to_fine = np.diag([OVER, OVER, 1.0])
    to_fine[:2, 2] = OVER * MARGIN_PX + (OVER - 1) / 2
    matrix = compose(to_fine, true)
    size = technique.shape[::-1]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    soft = [cv2.GaussianBlur(phase, (0, 0), spot_px * OVER) for phase in phases]
    return np.stack(
        [
            cv2.warpPerspective(
                s, matrix, size, flags=flags, borderMode=cv2.BORDER_REFLECT
            )
            for s in soft
        ]
    )


def error_of(pair: VibrationalPair, found: Matrix) -> float:
    """Mean residual over the field of the map, guide px."""
    shape = pair.cube.shape[1:]
    return float(field_errors_px(found, pair.true, (shape[0], shape[1])).mean())


__all__ = [
    "GUIDE_SHAPE",
    "INFRARED",
    "RAMAN",
    "TECHNIQUES",
    "Technique",
    "VibrationalPair",
    "error_of",
    "field_errors_px",
    "vibrational_pair",
]
