"""What a scanning electron microscope makes of the specimen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import FloatImage

from ._drawing import SHADES, Label
from ._specimen import Layers
from ._texture import smooth_field


@dataclass(frozen=True, kw_only=True)
class ElectronSettings:
    """How the electron image is taken."""

    invert: bool = False
    """Stained matter dark, as in a transmission image."""
    noise: float = 1.0
    """1 = a usual scan; 0 = none."""
    charging: float = 1.0
    """Streaks along the scan lines."""
    drift: float = 1.0
    """Slow change of brightness over the frame."""


@cache
def _stain() -> NDArray[np.float32]:
    """Heavy-metal uptake of every label, 0..1."""
    table = np.zeros(256, np.float32)
    table[Label.OUTSIDE], table[Label.LUMEN] = 0.10, 0.07
    table[Label.NUCLEUS], table[Label.NUCLEOLUS] = 0.25, 0.62
    table[Label.LIPID], table[Label.LYSOSOME] = 0.42, 0.74
    table[Label.BEAD], table[Label.PARTICLE] = 0.98, 1.0
    table[Label.BLOOD], table[Label.VESICLE] = 0.80, 0.16
    shades = np.linspace(0, 1, SHADES)
    table[Label.CYTOPLASM : Label.CYTOPLASM + SHADES] = 0.20 + 0.20 * shades
    table[Label.MITOCHONDRION : Label.MITOCHONDRION + SHADES] = 0.40 + 0.10 * shades
    return table


@cache
def _grain() -> NDArray[np.float32]:
    """How grainy every kind of matter is, 0..1."""
    table = np.zeros(256, np.float32)
    table[Label.NUCLEUS], table[Label.NUCLEOLUS], table[Label.LYSOSOME] = 0.6, 0.9, 0.9
    table[Label.CYTOPLASM : Label.CYTOPLASM + SHADES] = 1.0
    table[Label.MITOCHONDRION : Label.MITOCHONDRION + SHADES] = 0.5
    return table


def render_electron(
    layers: Layers, rng: np.random.Generator, settings: ElectronSettings
) -> FloatImage:
    """The electron image of a field, (height, width) float32 in 0..1."""
    image = _matter(layers, rng)
    _brighten_edges(image, layers)
    image = _knife_marks(image, rng)
    if settings.invert:
        image = np.float32(0.86) - np.float32(0.86) * image
    image = _charge(image, rng, settings.charging)
    _drift(image, rng, settings.drift)
    return _detect(image, rng, settings.noise)


def to_uint8(image: FloatImage) -> NDArray[np.uint8]:
    """0..1 as grey values."""
    return np.asarray(cv2.convertScaleAbs(np.clip(image, 0, 1), alpha=255), np.uint8)


def _matter(layers: Layers, rng: np.random.Generator) -> FloatImage:
    image = layers.average(_stain())
    nucleus = layers.average({Label.NUCLEUS: 1.0})
    # Condensed chromatin: thresholded grains, denser along the envelope.
    chromatin = layers.texture(0.09, stream=0, octaves=4)
    envelope = cv2.blur(1 - nucleus, _odd(0.50 / layers.field.pixel_um))
    chromatin += 2.6 * envelope
    image += 0.31 * nucleus * _step(chromatin, 0.85, 0.55)
    image += 0.035 * nucleus * layers.texture(0.035, stream=3, octaves=2)
    grain = layers.average(_grain())
    patches = layers.texture(0.30, stream=1)
    image += 0.030 * grain * patches
    image += grain * _granules(layers, rng)
    membranes = layers.membranes
    return np.asarray(image + 0.62 * membranes * (1.05 - image), np.float32)


def _odd(width: float) -> tuple[int, int]:
    size = 2 * int(max(width, 1.0) / 2) + 1
    return size, size


def _step(values: FloatImage, middle: float, width: float) -> FloatImage:
    """0 below, 1 above, a ramp between."""
    return np.asarray(np.clip((values - (middle - width)) / (2 * width), 0, 1))


def _granules(layers: Layers, rng: np.random.Generator) -> FloatImage:
    """Ribosomes and the like: far below what light resolves."""
    height, width = layers.field.shape
    white = _white(rng, (height, width))
    sigma = 0.022 / layers.field.pixel_um
    if sigma > 0.4:
        smooth = cv2.GaussianBlur(white, (0, 0), sigma)
        white = np.asarray(smooth * np.float32(2 * sigma * 1.772), np.float32)
    # Finer than a px they average out.
    strength = 0.055 * min(1.0, 2.2 * sigma)
    return np.asarray(np.float32(strength) * np.maximum(white, -0.6), np.float32)


def _white(rng: np.random.Generator, shape: tuple[int, int]) -> FloatImage:
    return np.asarray(rng.standard_normal(shape, dtype=np.float32))


def _brighten_edges(image: FloatImage, layers: Layers) -> None:
    """Secondary electrons escape more easily from edges and slopes."""
    wide = cv2.GaussianBlur(image, (0, 0), 0.08 / layers.field.pixel_um + 0.6)
    image += 0.45 * np.maximum(image - wide, -0.05)


def _knife_marks(image: FloatImage, rng: np.random.Generator) -> FloatImage:
    """A few faint straight scratches, all in the direction of the cut."""
    height, width = image.shape
    marks = np.zeros((height, width), np.uint8)
    angle = rng.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * (height + width)
    for _ in range(int(rng.integers(0, 5))):
        middle = rng.uniform(0, 1, 2) * (width, height)
        start, end = (middle - reach).astype(int), (middle + reach).astype(int)
        value = int(rng.uniform(20, 70))
        cv2.line(
            marks, tuple(start.tolist()), tuple(end.tolist()), value, 1, cv2.LINE_AA
        )
    return np.asarray(image + np.float32(0.09 / 70) * marks, np.float32)


def _charge(image: FloatImage, rng: np.random.Generator, strength: float) -> FloatImage:
    """Bright spots drag a dark tail behind the beam; lines differ a little."""
    if strength <= 0:
        return image
    height, width = image.shape
    tail = max(8, width // 24)
    kernel = np.exp(-np.arange(tail, dtype=np.float32) / (tail / 3))
    kernel = np.concatenate([kernel[::-1], np.zeros(tail - 1, np.float32)])
    bright = np.maximum(image - np.float32(0.72), 0)
    small = cv2.resize(bright, (width // 2, height), interpolation=cv2.INTER_AREA)
    dragged = cv2.sepFilter2D(
        small, -1, (kernel[::2] / kernel.sum() * 2)[None], np.ones((1, 1), np.float32)
    )
    dragged = cv2.resize(dragged, (width, height), interpolation=cv2.INTER_LINEAR)
    lines = rng.normal(0, 0.006 * strength, (height, 1)).astype(np.float32)
    jumps = (rng.uniform(size=(height, 1)) < 0.004).astype(np.float32)
    lines += 0.05 * strength * jumps * rng.normal(0, 1, (height, 1)).astype(np.float32)
    return np.asarray(image - np.float32(1.6 * strength) * dragged + lines, np.float32)


def _drift(image: FloatImage, rng: np.random.Generator, strength: float) -> None:
    slow = smooth_field((image.shape[0], image.shape[1]), rng, knots=3)
    image *= 1 + np.float32(0.05 * strength) * slow
    ramp = np.linspace(-1, 1, image.shape[0], dtype=np.float32)[:, None]
    image += np.float32(0.025 * strength * rng.normal()) * ramp


def _detect(image: FloatImage, rng: np.random.Generator, noise: float) -> FloatImage:
    """The spot, shot noise, and the gain an operator would set."""
    blurred = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.62), np.float32)
    low, high = np.percentile(blurred[::8, ::8], (0.5, 99.7))
    blurred -= np.float32(low)
    blurred *= np.float32(0.80 / max(high - low, 1e-3))
    blurred += np.float32(0.08)
    if noise > 0:
        shape = (image.shape[0], image.shape[1])
        shot = np.sqrt(np.maximum(blurred, 0.02)) * _white(rng, shape)
        blurred += np.float32(0.062 * noise) * shot
    return blurred
