"""Random structure that is fixed to the specimen, sampled at any pixel size."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, similarity
from clemd.model import FloatImage, Matrix

from ._field import Field

_TILE_PX = 512


@cache
def _tile(number: int, finest_px: float, octaves: int) -> FloatImage:
    """A periodic tile of fractal noise, zero mean, unit deviation."""
    rng = np.random.default_rng([11, number])
    total = np.zeros((_TILE_PX, _TILE_PX), np.float32)
    for octave in range(octaves):
        white = rng.standard_normal((_TILE_PX, _TILE_PX)).astype(np.float32)
        smooth = _blur_periodic(white, finest_px * 2**octave)
        total += smooth / smooth.std() * 1.25**octave
    total -= total.mean()
    return np.asarray(total / total.std(), np.float32)


def _blur_periodic(image: FloatImage, sigma_px: float) -> FloatImage:
    spread = np.fft.rfft2(image)
    fy = np.fft.fftfreq(image.shape[0])[:, None]
    fx = np.fft.rfftfreq(image.shape[1])[None, :]
    spread *= np.exp(-2 * (np.pi * sigma_px) ** 2 * (fx**2 + fy**2))
    return np.asarray(np.fft.irfft2(spread, image.shape), np.float32)


def sample(
    field: Field, *, seed: int, grain_um: float, octaves: int = 3, stream: int = 0
) -> FloatImage:
    """Noise over `field`, zero mean and about unit deviation, float32.

    `grain_um` is the standard width of the finest grains. Two tiles of unlike pitch
    and direction are added, so that the sum does not repeat within a map.
    """
    rng = np.random.default_rng([seed, 77, stream])
    total = np.zeros(field.shape, np.float32)
    for number in (0, 1):
        pitch_um = grain_um / 1.5 * (1.0, 1.17)[number]
        turn = similarity(
            scale=1 / pitch_um,
            rotation_deg=float(rng.uniform(0, 360)),
            onto=(float(rng.uniform(0, 512)), float(rng.uniform(0, 512))),
        )
        tile = _tile(2 * stream + number, 1.5, octaves)
        total += _warp(tile, compose(turn, field.um_from_px), field.shape)
    return np.asarray(total * np.float32(0.7071))


def _warp(tile: FloatImage, matrix: Matrix, shape: tuple[int, int]) -> FloatImage:
    # WARP_INVERSE_MAP: the matrix leads from output px to tile px.
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped: NDArray[np.float32] = np.asarray(
        cv2.warpAffine(
            tile,
            matrix[:2],
            (shape[1], shape[0]),
            flags=flags,
            borderMode=cv2.BORDER_WRAP,
        ),
        np.float32,
    )
    return warped


def smooth_field(
    shape: tuple[int, int], rng: np.random.Generator, *, knots: int = 4
) -> FloatImage:
    """Slow variation over one image, about -1..1; belongs to the image only."""
    coarse = rng.standard_normal((knots, knots)).astype(np.float32)
    grown = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(grown * np.float32(0.6), np.float32)
