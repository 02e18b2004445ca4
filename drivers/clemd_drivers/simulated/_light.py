"""What a confocal light microscope makes of the same specimen."""

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

PSF_UM = 0.22
"""Full width at half maximum of the confocal spot."""
FULL_SCALE = 4095
"""Counts of a 12-bit detector, stored in 16 bits."""


@dataclass(frozen=True, kw_only=True)
class LightSettings:
    """How the light image is taken."""

    noise: float = 1.0
    artefacts: float = 1.0
    """Dust and aggregates that the electrons never see."""
    drift: float = 1.0
    """Uneven illumination."""


@cache
def _reflectivity() -> NDArray[np.float32]:
    """How strongly every label sends light back, 0..1; not the order of EM grey."""
    table = np.zeros(256, np.float32)
    table[Label.OUTSIDE], table[Label.LUMEN] = 0.16, 0.05
    table[Label.NUCLEUS], table[Label.NUCLEOLUS] = 0.13, 0.25
    table[Label.LIPID], table[Label.LYSOSOME] = 0.95, 0.60
    table[Label.BEAD], table[Label.PARTICLE] = 1.0, 1.0
    table[Label.BLOOD], table[Label.VESICLE] = 0.30, 0.20
    shades = np.linspace(0, 1, SHADES)
    table[Label.CYTOPLASM : Label.CYTOPLASM + SHADES] = 0.24 + 0.06 * shades
    table[Label.MITOCHONDRION : Label.MITOCHONDRION + SHADES] = 0.46 - 0.08 * shades
    return table


@cache
def _mitochondrial() -> NDArray[np.float32]:
    table = np.zeros(256, np.float32)
    shades = np.linspace(0.15, 1, SHADES)
    table[Label.MITOCHONDRION : Label.MITOCHONDRION + SHADES] = shades
    table[Label.CYTOPLASM : Label.CYTOPLASM + SHADES] = 0.035
    table[Label.LYSOSOME], table[Label.BEAD] = 0.16, 1.0
    return table


def render_light(
    layers: Layers, rng: np.random.Generator, settings: LightSettings
) -> NDArray[np.uint16]:
    """Reflected, nuclear and mitochondrial channels, (3, height, width) uint16."""
    planes = (
        _reflected(layers, rng, settings),
        _finish(_nuclei(layers), layers, rng, settings, photons=160),
        _finish(layers.average(_mitochondrial()), layers, rng, settings, photons=110),
    )
    return np.stack([_to_counts(plane) for plane in planes])


def _to_counts(plane: FloatImage) -> NDArray[np.uint16]:
    return np.asarray(np.rint(np.clip(plane, 0, 1) * FULL_SCALE), np.uint16)


def _blur(image: FloatImage, layers: Layers, width_um: float = PSF_UM) -> FloatImage:
    sigma = width_um / 2.355 / layers.field.pixel_um
    if sigma < 0.15:
        return image
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def _nuclei(layers: Layers) -> FloatImage:
    """A DNA stain: chromatin bright, nucleoli spared."""
    nucleus = layers.average({Label.NUCLEUS: 1.0, Label.NUCLEOLUS: 0.25})
    chromatin = layers.texture(0.09, stream=0, octaves=4)
    beads = layers.average({Label.BEAD: 1.0})
    lit = nucleus * (0.45 + 0.16 * np.clip(chromatin, -1.5, 2.5))
    return np.asarray(lit + beads + 0.012, np.float32)


def _reflected(
    layers: Layers, rng: np.random.Generator, settings: LightSettings
) -> FloatImage:
    image = layers.average(_reflectivity())
    nucleus = layers.average({Label.NUCLEUS: 1.0})
    # Membranes are thin but stained: they send back far more than their share.
    image += 1.5 * layers.membranes
    image += 0.05 * nucleus * np.clip(layers.texture(0.09, stream=0, octaves=4), -1, 2)
    image *= 1 + 0.10 * layers.texture(0.30, stream=1)
    # Thickness and topography of the section: interference of its own.
    relief = layers.texture(1.6, stream=2, octaves=2)
    image *= 1 + 0.10 * relief
    image = _blur(np.asarray(image, np.float32), layers)
    return _finish(
        0.62 * _speckle(image, layers, rng, settings),
        layers,
        rng,
        settings,
        photons=260,
        blurred=True,
    )


def _speckle(
    image: FloatImage,
    layers: Layers,
    rng: np.random.Generator,
    settings: LightSettings,
) -> FloatImage:
    """Coherent light: grain as wide as the spot, in proportion to the signal."""
    grain = rng.standard_normal(image.shape, dtype=np.float32)
    sigma = max(PSF_UM / 2.355 / layers.field.pixel_um, 0.3)
    grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), sigma), np.float32)
    grain /= max(float(grain.std()), 1e-6)
    return np.asarray(image * (1 + np.float32(0.10 * settings.noise) * grain))


def _finish(
    plane: FloatImage,
    layers: Layers,
    rng: np.random.Generator,
    settings: LightSettings,
    *,
    photons: float,
    blurred: bool = False,
) -> FloatImage:
    """Spot, stray light, uneven illumination, dust, photon and read noise."""
    if not blurred:
        plane = _blur(plane, layers)
        plane = 0.94 * plane + 0.06 * _blur(plane, layers, 1.8)
    slow = smooth_field((plane.shape[0], plane.shape[1]), rng, knots=3)
    plane = plane * (1 + np.float32(0.10 * settings.drift) * slow)
    plane = plane + _dust(layers, rng, settings.artefacts)
    if settings.noise <= 0:
        return np.asarray(plane, np.float32)
    shot = rng.standard_normal(plane.shape, dtype=np.float32)
    deviation = np.sqrt(np.maximum(plane, 0) / photons + 0.006**2)
    return np.asarray(plane + np.float32(settings.noise) * deviation * shot + 0.01)


def _dust(layers: Layers, rng: np.random.Generator, strength: float) -> FloatImage:
    """Bright specks, about one in every 400 µm²."""
    height, width = layers.field.shape
    specks = np.zeros((height, width), np.float32)
    pixel_um = layers.field.pixel_um
    expected = strength * height * width * pixel_um**2 / 400
    for _ in range(int(rng.poisson(expected))):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        radius = max(0.6, float(rng.gamma(2.0, 0.16)) / pixel_um)
        at = (round(x * 16), round(y * 16))
        glow = float(rng.uniform(0.15, 0.9))
        cv2.circle(specks, at, round(radius * 16), glow, -1, cv2.LINE_8, 4)
    return _blur(specks, layers, 1.3 * PSF_UM)
