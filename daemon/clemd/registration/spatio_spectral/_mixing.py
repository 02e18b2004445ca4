"""Both series on common grids, their bands reduced to a few mixtures.

Bands are laid on each other (drift), weighed by their noise, and mixed by the
principal components of the whitened spectra: a few mixtures hold nearly all that the
bands show.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, corners, resizing, translation
from clemd.model import BoolImage, FloatImage, Matrix

from ._cube import Bands, Cube, shrunk

MIXTURES = 4
LARGEST_PX = 560
"""Longest side of the EM grid: with this many px the bands' noise no longer counts."""
SMOOTH_PX, BACKGROUND_PX = 0.8, 12.0
MARGIN_PX = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A few mixtures of one series' bands on one grid."""

    planes: NDArray[np.float32]
    """(mixture, height, width); structure only."""
    valid: BoolImage
    from_cube: Matrix
    """Px of the cube -> px of this grid."""


class Grids:
    """Both series on grids of the LM's pixel size, each band without its drift."""

    def __init__(
        self,
        em: Cube,
        lm: Cube,
        em_drift: NDArray[np.float64],
        lm_drift: NDArray[np.float64],
        matrix: Matrix,
    ) -> None:
        scale = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
        pitch = max(1.0, scale * max(em.shape) / LARGEST_PX)
        self.pitch_lm_px = pitch
        whole = (slice(0, em.shape[0]), slice(0, em.shape[1]))
        seen = _under(matrix, em.shape, lm.shape, margin_px=MARGIN_PX * pitch)
        self.em, self._em_mask, self._em_from = _reduced(
            em, em_drift, whole, min(scale / pitch, 1.0)
        )
        self.lm, self._lm_mask, self._lm_from = _reduced(lm, lm_drift, seen, 1 / pitch)
        self._noise = 0.5 * (_noises(self.em) + _noises(self.lm))

    def mixed(self, chosen: NDArray[np.intp]) -> tuple[Mixed, Mixed]:
        """Both sides by the same mixtures of the chosen bands."""
        weights = _mixtures(self.em, self.lm, chosen, self._noise[chosen])
        return (
            Mixed(
                planes=_mix(self.em, chosen, weights, self._em_mask),
                valid=self._em_mask,
                from_cube=self._em_from,
            ),
            Mixed(
                planes=_mix(self.lm, chosen, weights, self._lm_mask),
                valid=self._lm_mask,
                from_cube=self._lm_from,
            ),
        )


def _reduced(
    cube: Cube,
    drift: NDArray[np.float64],
    part: tuple[slice, slice],
    scale: float,
) -> tuple[Bands, BoolImage, Matrix]:
    """A part of every band without its drift, and cube px -> px of what is made."""
    rows, columns = part
    height, width = rows.stop - rows.start, columns.stop - columns.start
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if min(height, width) < 1:
        none = np.zeros((len(cube.bands), 0, 0), np.float32)
        return none, np.zeros((0, 0), bool), np.eye(3)
    grid = resizing((height, width), (size[1], size[0]))
    out = np.empty((len(cube.bands), size[1], size[0]), np.float32)
    for index, band in enumerate(cube.bands):
        small = shrunk(np.ascontiguousarray(band[part]), size)
        out[index] = _shifted(small, drift[index] * [grid[0, 0], grid[1, 1]])
    share = shrunk(cube.mask[part].astype(np.float32), size)
    cut = translation(-columns.start, -rows.start)
    return out, _eroded(share > 0.99), compose(grid, cut)


def _under(
    matrix: Matrix, em_shape: tuple[int, int], shape: tuple[int, int], margin_px: float
) -> tuple[slice, slice]:
    """The part of the LM series that the EM field covers, a little more around it."""
    at = apply(matrix, corners(em_shape))
    most = [shape[1], shape[0]]
    x0, y0 = np.clip(np.floor(at.min(0) - margin_px), 0, most).astype(int)
    x1, y1 = np.clip(np.ceil(at.max(0) + margin_px), 0, most).astype(int)
    x1, y1 = x1 - (x1 - x0) % 4, y1 - (y1 - y0) % 4  # sides that can be halved
    return slice(int(y0), int(max(y1, y0))), slice(int(x0), int(max(x1, x0)))


def _shifted(band: FloatImage, by: NDArray[np.float64]) -> FloatImage:
    """What lies at x + by comes to x."""
    if np.abs(by).max() < 1e-3:
        return band
    shift = np.array([[1.0, 0, by[0]], [0, 1.0, by[1]]])
    return np.asarray(
        cv2.warpAffine(
            band,
            shift,
            band.shape[::-1],
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
    )


def _eroded(mask: BoolImage) -> BoolImage:
    """Without what smoothing and drift bring in from outside."""
    padded = np.pad(mask, 1)[1:-1, 1:-1].astype(np.uint8)
    side = 13
    return np.asarray(
        cv2.erode(padded, np.ones((side, side), np.uint8), borderValue=0) > 0
    )


def _noises(bands: Bands) -> NDArray[np.float64]:
    """Deviation of each band's noise (Immerkaer 1996), never zero."""
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    found = []
    for band in bands:
        part = np.ascontiguousarray(band[: min(400, band.shape[0])])
        found.append(float(np.abs(cv2.filter2D(part, cv2.CV_32F, kernel)).mean()))
    noise = np.array(found, np.float64) * math.sqrt(math.pi / 2) / 6
    return np.asarray(np.maximum(noise, 0.05 * noise.max() + 1e-6))


def _mixtures(
    em: Bands, lm: Bands, chosen: NDArray[np.intp], noise: NDArray[np.float64]
) -> NDArray[np.float32]:
    """(mixtures, chosen bands): principal components of both sides' whitened bands."""
    samples = []
    for bands in (em, lm):
        step = max(1, int(math.sqrt(bands[0].size / 12_000)))
        smooth = np.stack(
            [cv2.blur(bands[b], (5, 5))[::step, ::step].ravel() for b in chosen]
        )
        smooth -= smooth.mean(1, keepdims=True)
        samples.append(smooth / noise[:, None])
    covariance = sum(np.cov(part) for part in samples)
    values, vectors = np.linalg.eigh(covariance)
    strongest = vectors[:, np.argsort(values)[::-1][:MIXTURES]]
    return np.asarray(strongest.T / noise, np.float32)


def _mix(
    bands: Bands,
    chosen: NDArray[np.intp],
    weights: NDArray[np.float32],
    valid: BoolImage,
) -> NDArray[np.float32]:
    every = np.zeros((len(weights), len(bands)), np.float32)
    every[:, chosen] = weights
    flat = every @ bands.reshape(len(bands), -1)
    planes = flat.reshape(len(weights), *bands.shape[1:])
    inside = valid.astype(np.float32)
    share = np.maximum(_broad(inside), 1e-3)
    for plane in planes:
        cv2.GaussianBlur(plane, (0, 0), SMOOTH_PX, dst=plane)
        plane -= _broad(plane * inside) / share
    return planes


def _broad(plane: FloatImage) -> FloatImage:
    """A wide Gaussian, made on a coarse grid."""
    by = int(BACKGROUND_PX // 2)
    size = max(4, plane.shape[1] // by), max(4, plane.shape[0] // by)
    small = cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), BACKGROUND_PX / by)
    return np.asarray(
        cv2.resize(small, plane.shape[::-1], interpolation=cv2.INTER_LINEAR)
    )
