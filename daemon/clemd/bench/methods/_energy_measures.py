"""How well one energy series lies on another: the paper's measures, and the truth.

Registration error, NCC, cosine and SAM are equations 10 to 13 of Alsari et al. 2025.
The paper does not say over which regions the spectra are compared: here over squares
of 17 LM px on a grid, smoothed and differentiated as in equations 1 and 6, each
square by itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from clemd.geometry import apply, invert
from clemd.model import Matrix

GRID = (10, 14)
"""Rows and columns of the places looked at."""
REACH_LM_PX = 8
SPECTRAL_SIGMA_BANDS, SPATIAL_SIGMA_PX = 1.0, 1.0
BOX_SIGMA = 0.42


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One pair under one matrix."""

    held_out_lm_px: float
    """Mean distance from the truth over the whole EM field; no arm was shown it."""
    held_out_em_px: float
    """The same in px of the EM series, the finer ones."""
    ncc: float
    cosine: float
    sam_rad: float


def agreement(
    em: Any, lm: Any, em_band: int, lm_band: int, matrix: Matrix, truth: Matrix
) -> Agreement:
    """Measure `matrix` (EM px -> LM px) on two simulated series."""
    shape = em.bands.shape[1:]
    at = _grid((0.0, 0.0), (shape[1] - 1.0, shape[0] - 1.0))
    gap = np.linalg.norm(apply(matrix, at) - apply(truth, at), axis=1)
    back = np.linalg.norm(apply(invert(matrix), apply(truth, at)) - at, axis=1)
    cosines = _cosines(em, lm, matrix)
    return Agreement(
        held_out_lm_px=float(gap.mean()),
        held_out_em_px=float(back.mean()),
        ncc=_ncc(em, lm, em_band, lm_band, matrix),
        cosine=float(cosines.mean()),
        sam_rad=float(np.arccos(np.clip(cosines, -1, 1)).mean()),
    )


def _grid(low: tuple[float, float], high: tuple[float, float]) -> NDArray[np.float64]:
    u, v = np.meshgrid(
        np.linspace(low[0], high[0], GRID[1]), np.linspace(low[1], high[1], GRID[0])
    )
    return np.asarray(np.c_[u.ravel(), v.ravel()])


def _ncc(em: Any, lm: Any, em_band: int, lm_band: int, matrix: Matrix) -> float:
    """Equation 11 between the smoothed reference bands, where the EM field lies."""
    source, target = _smoothed(em.bands, em_band), _smoothed(lm.bands, lm_band)
    scale = math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    if scale < 0.99:  # as the coarser pixels average
        sigma = BOX_SIGMA * math.sqrt(scale**-2 - 1)
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), sigma))
    size = (target.shape[1], target.shape[0])
    seen = np.asarray(cv2.warpPerspective(source, matrix, size, flags=cv2.INTER_LINEAR))
    ones = np.ones(source.shape, np.float32)
    inside = np.asarray(cv2.warpPerspective(ones, matrix, size)) > 0.99
    if inside.sum() < 100:
        return 0.0
    return float(np.corrcoef(seen[inside], target[inside])[0, 1])


def _smoothed(bands: NDArray[np.uint8], band: int) -> NDArray[np.float32]:
    """Equation 1 for one band."""
    near = np.arange(max(0, band - 4), min(len(bands), band + 5))
    weights = np.exp(-0.5 * ((near - band) / SPECTRAL_SIGMA_BANDS) ** 2)
    mean = np.tensordot(weights / weights.sum(), bands[near], 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), SPATIAL_SIGMA_PX))


def _cosines(em: Any, lm: Any, matrix: Matrix) -> NDArray[np.float64]:
    """Equation 12 between differentiated spectra, one value per square."""
    shape = em.bands.shape[1:]
    places = _grid(
        (0.08 * shape[1], 0.08 * shape[0]), (0.92 * shape[1], 0.92 * shape[0])
    )
    reach_em = REACH_LM_PX / math.sqrt(abs(float(np.linalg.det(matrix[:2, :2]))))
    found = []
    for here, there in zip(places, apply(matrix, places), strict=True):
        one = _mean_spectrum(em.bands, here, round(reach_em))
        other = _mean_spectrum(lm.bands, there, REACH_LM_PX)
        if one is None or other is None:
            continue
        a = np.gradient(one, em.energies_ev)[1:-1]
        b = np.gradient(other, lm.energies_ev)[1:-1]
        found.append(float(a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)))
    return np.array(found or [0.0])


def _mean_spectrum(
    bands: NDArray[np.uint8], at: NDArray[np.float64], reach: int
) -> NDArray[np.float64] | None:
    x, y = (int(v) for v in np.rint(at))
    height, width = bands.shape[1:]
    if not (reach <= x < width - reach and reach <= y < height - reach):
        return None
    part = bands[:, y - reach : y + reach + 1, x - reach : x + reach + 1]
    mean = part.mean((1, 2), dtype=np.float64)
    return np.asarray(gaussian_filter1d(mean, SPECTRAL_SIGMA_BANDS, mode="nearest"))
