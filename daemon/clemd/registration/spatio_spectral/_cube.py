"""An energy series as one array: smoothed in all three directions, its best band.

Smoothing and band choice are those of Alsari et al. 2025 (equations 1 and 2).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.model import BoolImage, FloatImage, Matrix, PreparedImage

Bands = NDArray[np.float32]
"""(band, height, width), ascending energy."""
Curve = NDArray[np.float64]

SPATIAL_SIGMA_PX = 1.0
SPECTRAL_SIGMA_BANDS = 1.0
LEAST_BANDS = 8
LEAST_SIDE_PX = 64
LEAST_CONTENT = 0.05
"""Share of a series that must be specimen."""
UNEVEN = 0.5
"""Most that one step of energy may differ from the median step, as a fraction."""
SAME_ENERGY = 0.5
"""Bands of two series belong together when they are nearer than this many steps."""
BLOCK_PX = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Cube:
    """One side of a pair."""

    bands: Bands
    energies_ev: Curve
    """Ascending."""
    mask: BoolImage
    from_full: Matrix
    """Px of the series as stored -> px of `bands`."""
    full_shape: tuple[int, int]
    """(height, width) as stored."""
    rising: bool = True
    """Has the file them in this order? Else the other way round."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the bands."""
        return int(self.bands.shape[1]), int(self.bands.shape[2])


def cube_of(image: PreparedImage, side: str) -> Cube:
    """The series behind a prepared image; `side` is how messages call it.

    Raises:
        RegistrationRefusedError: it is no energy series, or too small a one.
    """
    count, axis = len(image.layers), np.asarray(image.axis, np.float64)
    if len(axis) == 0:
        raise RegistrationRefusedError(
            f"the {side} image states no energy axis: spatio-spectral needs a series "
            "taken at several mirror voltages; choose another engine"
        )
    if len(axis) != count:
        raise RegistrationRefusedError(
            f"the {side} series has {count} bands and {len(axis)} energies: export it "
            "again, or complete the list beside it"
        )
    if count < LEAST_BANDS:
        raise RegistrationRefusedError(
            f"the {side} series has {count} bands: at least {LEAST_BANDS} are needed "
            "to tell materials apart"
        )
    _check_axis(axis, side)
    height, width = image.mask.shape
    if min(height, width) < LEAST_SIDE_PX:
        raise RegistrationRefusedError(
            f"the {side} series is {width} x {height} px at the common resolution: at "
            f"least {LEAST_SIDE_PX} px a side are needed to find features"
        )
    if image.mask.mean() < LEAST_CONTENT:
        raise RegistrationRefusedError(
            f"only {100 * image.mask.mean():.0f} % of the {side} series is specimen: "
            "the rest is border, bar or not a number"
        )
    rising = bool(axis[0] < axis[-1])
    layers = image.layers if rising else image.layers[::-1]
    return Cube(
        bands=_stacked(layers),
        energies_ev=np.sort(axis),
        mask=image.mask,
        from_full=image.from_full,
        full_shape=image.full_shape,
        rising=rising,
    )


def _check_axis(axis: Curve, side: str) -> None:
    steps = np.diff(axis)
    if not np.isfinite(axis).all() or not (np.all(steps > 0) or np.all(steps < 0)):
        at = int(np.argmax(np.sign(steps) != np.sign(np.median(steps)))) + 1
        raise RegistrationRefusedError(
            f"the energies of the {side} series neither rise nor fall throughout "
            f"(band {at + 1}: {axis[at]:g} after {axis[at - 1]:g}): mend the list of "
            "mirror voltages"
        )
    typical = np.median(steps)
    worst = int(np.argmax(np.abs(steps / typical - 1)))
    if abs(steps[worst] / typical - 1) > UNEVEN:
        raise RegistrationRefusedError(
            f"the energies of the {side} series are not evenly spaced (band "
            f"{worst + 2}: a step of {steps[worst]:g}, the others {typical:g}): bands "
            "are missing"
        )


def check_same_axis(em: Cube, lm: Cube) -> None:
    """Make sure that band by band both series show the same energies.

    Raises:
        RegistrationRefusedError: they do not.
    """
    a, b = em.energies_ev, lm.energies_ev
    if len(a) != len(b):
        raise RegistrationRefusedError(
            f"the two series have {len(a)} and {len(b)} bands: export the same ones"
        )
    apart = np.abs(a - b)
    if apart.max() > SAME_ENERGY * float(np.median(np.diff(a))):
        at = int(apart.argmax())
        raise RegistrationRefusedError(
            f"band {at + 1} was taken at {a[at]:.2f} in one series and {b[at]:.2f} in "
            "the other: export the same energies, or mend the calibration"
        )


def _stacked(layers: tuple[FloatImage, ...]) -> Bands:
    base = layers[0].base
    if isinstance(base, np.ndarray) and base.shape == (len(layers), *layers[0].shape):
        same = all(
            layer.__array_interface__["data"] == band.__array_interface__["data"]
            for layer, band in zip(layers, base, strict=True)
        )
        if same and base.dtype == np.float32 and base.flags.c_contiguous:
            return base
    return np.stack(layers).astype(np.float32, copy=False)


def shrunk(band: FloatImage, size: tuple[int, int]) -> FloatImage:
    """`band` averaged down to (width, height); by halves first, which is quicker."""
    while (
        band.shape[1] >= 2 * size[0]
        and band.shape[0] >= 2 * size[1]
        and band.shape[0] % 2 == band.shape[1] % 2 == 0
    ):
        half = (band.shape[1] // 2, band.shape[0] // 2)
        band = np.asarray(cv2.resize(band, half, interpolation=cv2.INTER_AREA))
    if (band.shape[1], band.shape[0]) == size:
        return band
    return np.asarray(cv2.resize(band, size, interpolation=cv2.INTER_AREA))


def smoothed(bands: Bands) -> Bands:
    """Equation 1: a Gaussian over the neighbouring bands, one over the px."""
    count = len(bands)
    out = np.empty_like(bands)
    mix = _spectral_gaussian(count)
    flat, into = bands.reshape(count, -1), out.reshape(count, -1)
    for start in range(0, flat.shape[1], BLOCK_PX):
        part = np.s_[:, start : start + BLOCK_PX]
        np.matmul(mix, flat[part], out=into[part])
    for band in out:
        cv2.GaussianBlur(band, (0, 0), SPATIAL_SIGMA_PX, dst=band)
    return out


def smoothed_band(bands: Bands, index: int) -> FloatImage:
    """One band of `smoothed`, without making the others."""
    weights = _spectral_gaussian(len(bands))[index]
    near = np.flatnonzero(weights)
    mean = np.zeros(bands.shape[1:], np.float32)
    for band in near:
        cv2.scaleAdd(bands[band], float(weights[band]), mean, dst=mean)
    return np.asarray(cv2.GaussianBlur(mean, (0, 0), SPATIAL_SIGMA_PX))


def smoothed_spectra(spectra: FloatImage) -> FloatImage:
    """Equation 1 along the energy, for spectra as rows, (n, bands)."""
    return np.asarray(spectra @ _spectral_gaussian(spectra.shape[1]).T, np.float32)


def best_band(bands: Bands, mask: BoolImage) -> int:
    """The band of maximum entropy, from every second px of every second row."""
    few = np.ascontiguousarray(bands[:, ::2, ::2])
    return int(entropies(smoothed(few), mask[::2, ::2]).argmax())


def _spectral_gaussian(count: int) -> NDArray[np.float32]:
    at = np.arange(count)
    offset = (at[:, None] - at[None, :]) / SPECTRAL_SIGMA_BANDS
    weights = np.exp(-0.5 * offset**2) * (np.abs(offset) <= 4)
    return np.asarray(weights / weights.sum(1, keepdims=True), np.float32)


def entropies(bands: Bands, mask: BoolImage) -> Curve:
    """Equation 2 for every band, bits; 256 grey levels between common limits.

    The limits are those of the whole series: scaled each to its own, a band of pure
    noise would have the greatest entropy of all.
    """
    low, high = _limits(bands, mask)
    chosen = None if mask.all() else mask.astype(np.uint8)
    values = []
    for band in bands:
        grey = to_grey(band, low, high)
        counts = cv2.calcHist([grey], [0], chosen, [256], [0, 256]).ravel()
        share = counts[counts > 0] / max(counts.sum(), 1)
        values.append(float(-(share * np.log2(share)).sum()))
    return np.array(values)


def _limits(bands: Bands, mask: BoolImage) -> tuple[float, float]:
    sample = bands[:: max(1, len(bands) // 8), ::7, ::7][:, mask[::7, ::7]]
    brightest = bands[-1, ::5, ::5][mask[::5, ::5]]
    return float(sample.min()), float(np.percentile(brightest, 99.8))


def to_grey(band: FloatImage, low: float, high: float) -> NDArray[np.uint8]:
    """The band between two values as 8 bits."""
    scale = 255.0 / max(high - low, 1e-12)
    risen = np.maximum(band, low)
    return np.asarray(cv2.convertScaleAbs(risen, alpha=scale, beta=-low * scale))


def chosen_grey(band: FloatImage, mask: BoolImage) -> NDArray[np.uint8]:
    """One band as 8 bits between its own 0.2 and 99.8 percentile.

    Raises:
        RegistrationRefusedError: it shows nothing.
    """
    inside = band[::3, ::3][mask[::3, ::3]]
    if inside.size < 64 or not np.ptp(inside) > 0:
        raise RegistrationRefusedError(
            "every band is constant (blanked or saturated): nothing to register"
        )
    low, high = np.percentile(inside, [0.2, 99.8])
    return to_grey(band, float(low), float(max(high, low + 1e-6)))
