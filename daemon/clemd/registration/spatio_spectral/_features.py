"""Where to look and what is there: SIFT of the best band, spectra around each point.

Sections C to E of Alsari et al. 2025. The spectral half of a descriptor is the
differentiated mean spectrum of a square around the keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.model import BoolImage, FloatImage

from ._cube import Bands, Curve, smoothed_spectra

TILE = 2.0
"""Half the square's side, in median keypoint sizes; the paper leaves it open."""
LARGEST_TILE_PX = 24
EPSILON = 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Keypoints of one image with both halves of their descriptors."""

    points: NDArray[np.float64]
    """(n, 2) px, x first, centres at whole numbers."""
    sizes: NDArray[np.float64]
    angles_deg: NDArray[np.float64]
    spatial: NDArray[np.float32]
    """(n, 128), whole numbers 0..255 as OpenCV gives them: their products are exact."""
    spectral: NDArray[np.float32]
    """(n, bands - 1), largest magnitude 1."""

    def __len__(self) -> int:
        return len(self.points)


def find_features(
    grey: NDArray[np.uint8],
    bands: Bands,
    energies_ev: Curve,
    mask: BoolImage,
    *,
    most: int = 0,
    smooth: bool = False,
    centred: bool = False,
) -> Features:
    """SIFT keypoints of `grey`, the strongest `most` (0 = all), and their spectra.

    `bands` are smoothed already, or `smooth` says that the spectra are to be: over
    the px they are means anyway. `centred` mends a quarter of a px by which OpenCV's
    SIFT otherwise puts every keypoint too far right and down (it enlarges the image
    first); between two magnifications that does not cancel.
    """
    chosen = None if mask.all() else mask.astype(np.uint8)
    sift = cv2.SIFT.create(nfeatures=most, enable_precise_upscale=centred)
    keys, spatial = sift.detectAndCompute(grey, chosen)
    if not keys or spatial is None:
        return none_found(len(energies_ev))
    points = np.array([key.pt for key in keys], np.float64)
    sizes = np.array([key.size for key in keys])
    spectra = spectra_at(bands, points, tile_px(sizes))
    if smooth:
        spectra = smoothed_spectra(spectra)
    return Features(
        points=points,
        sizes=sizes,
        angles_deg=np.array([key.angle for key in keys]),
        spatial=np.asarray(spatial, np.float32),
        spectral=spectral_descriptors(spectra, energies_ev),
    )


def none_found(bands: int) -> Features:
    """Of an image without keypoints."""
    return Features(
        points=np.zeros((0, 2)),
        sizes=np.zeros(0),
        angles_deg=np.zeros(0),
        spatial=np.zeros((0, 128), np.float32),
        spectral=np.zeros((0, bands - 1), np.float32),
    )


def tile_px(sizes: NDArray[np.float64]) -> int:
    """Half the side of the square around a keypoint: r = t · median size."""
    return int(np.clip(round(TILE * float(np.median(sizes)) / 2), 1, LARGEST_TILE_PX))


def spectra_at(
    bands: Bands, points: NDArray[np.float64], radius_px: int
) -> NDArray[np.float32]:
    """Equation 5: mean over (2 r + 1)² px around each point, (n, bands)."""
    side = 2 * radius_px + 1
    x = np.clip(np.rint(points[:, 0]).astype(int), 0, bands.shape[2] - 1)
    y = np.clip(np.rint(points[:, 1]).astype(int), 0, bands.shape[1] - 1)
    out = np.empty((len(points), len(bands)), np.float32)
    mean = np.empty(bands.shape[1:], np.float32)
    for index, band in enumerate(bands):
        cv2.blur(band, (side, side), dst=mean)
        out[:, index] = mean[y, x]
    return out


def differentiated(spectra: FloatImage, energies_ev: Curve) -> NDArray[np.float32]:
    """Equation 6 for all inner bands: central differences per eV, (n, bands - 2)."""
    return np.asarray(
        (spectra[:, 2:] - spectra[:, :-2]) / (energies_ev[2:] - energies_ev[:-2]),
        np.float32,
    )


def spectral_descriptors(
    spectra: FloatImage, energies_ev: Curve
) -> NDArray[np.float32]:
    """Equations 6 to 8: differentiated, a zero in front, scaled to magnitude 1.

    49 bands have 47 central differences; with the zero, the paper's 48 elements.
    """
    inner = differentiated(spectra, energies_ev)
    padded = np.concatenate([np.zeros((len(inner), 1), np.float32), inner], 1)
    most = np.abs(padded).max(1, keepdims=True)
    return np.asarray(padded / (most + EPSILON), np.float32)
