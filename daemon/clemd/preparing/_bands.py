"""Spectra on their way into an engine: every band, its values left as they are.

How bands compare with each other is what such an engine reads, so nothing is equalised;
they are only averaged down to about the other side's resolution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import binning
from clemd.model import BoolImage, FloatImage, PreparedImage

from ._checks import Words, check_planes
from ._masks import content_mask

_MAP = Words(image="map", planes="bands", pixels="points", least=8)
_SERIES = Words(image="series", planes="bands", pixels="px", least=24)
COARSEST_MAP = 4 * _MAP.least
"""Points a side that binning leaves a map: every one of its few counts."""
LEAST_CONTENT = 0.25
"""Share of a map's points that must have a spectrum."""
LEAST_KNOWN = 0.5
"""Share of the points of the usual band that a band must have, to take part."""
LEVELS = 8
"""Bands of a series, evenly spaced, that show what is specimen."""

Planes = Sequence[NDArray[Any]]


def prepare_cube(
    planes: Planes,
    axis: Sequence[float],
    *,
    reduction: float | None = None,
    label: str = "",
    content_key: str = "",
) -> PreparedImage:
    """A map of spectra: the bands as layers, with the spectral axis beside them.

    `planes` are (height, width) arrays of any real type, one for each value of
    `axis`. `reduction` is how many stored px make one working px; None or less than
    two leaves them as they are. A band that is a number at few points is left out, with
    a warning; a point counts where all the others are numbers.

    Raises:
        RegistrationRefusedError: too small, constant, empty, or not numbers.
    """
    shape = check_planes(planes, _MAP)
    bands, bin_px = _binned(planes, min(shape) // COARSEST_MAP, reduction)
    usable = _usable(bands)
    if len(axis) == len(bands):
        axis = [value for value, kept in zip(axis, usable, strict=True) if kept]
    bands = bands[usable] if not usable.all() else bands
    mask = _known(bands)
    if mask.mean() < LEAST_CONTENT:
        raise RegistrationRefusedError(
            f"only {100 * mask.mean():.0f} % of the map has a spectrum: the rest is "
            "not a number; measure it again or crop it"
        )
    if not any(float(np.ptp(band[mask])) > 0 for band in bands):
        raise RegistrationRefusedError(
            "the map is constant in every band (empty or saturated): nothing to "
            "register; check laser, detector and shutter"
        )
    bands[:, ~mask] = 0.0
    return PreparedImage(
        layers=tuple(bands),
        mask=mask,
        from_full=binning(bin_px),
        full_shape=shape,
        label=label,
        content_key=content_key,
        axis=tuple(float(value) for value in axis),
        warnings=_left_out(usable),
    )


def prepare_series(
    planes: Planes,
    axis: Sequence[float],
    *,
    reduction: float | None = None,
    info_bar_rows: int = 0,
    content_key: str = "",
) -> PreparedImage:
    """An energy series: the bands as float32 layers with their axis.

    `planes` are (height, width) arrays of one real type; `axis` has one value for
    each. `reduction` is how many stored px make one working px (None = 1). A band that
    is a number at few px is kept as an empty one, so that the energies stay in step.

    Raises:
        RegistrationRefusedError: no bands, unlike bands, or too small ones.
    """
    shape = check_planes(planes, _SERIES)
    bands, bin_px = _binned(planes, min(shape) // _SERIES.least, reduction)
    bands[~_usable(bands)] = 0.0
    known = _known(bands)
    if not known.all():
        # a level of its own in every band: no edge where nothing is known
        level = bands[:, known].mean(1, keepdims=True) if known.any() else 0.0
        bands[:, ~known] = level
    mean = bands[:: max(1, len(bands) // LEVELS)].mean(0)
    return PreparedImage(
        layers=tuple(bands),
        mask=content_mask(mean, -(-info_bar_rows // bin_px)) & known,
        from_full=binning(bin_px),
        full_shape=shape,
        label="all bands",
        content_key=content_key,
        axis=tuple(axis),
    )


def _binned(
    planes: Planes, most: int, reduction: float | None
) -> tuple[NDArray[np.float32], int]:
    """(bands, rows, columns) of block means, and the px a side of a block."""
    bin_px = int(max(1, min(np.floor(reduction or 1.0), most)))
    height, width = planes[0].shape
    bands = np.empty((len(planes), height // bin_px, width // bin_px), np.float32)
    for band, plane in zip(bands, planes, strict=True):
        band[:] = _block_means(plane, bin_px)
    return bands, bin_px


def _block_means(plane: NDArray[Any], bin_px: int) -> FloatImage:
    """Not a number where a block holds a value that is none."""
    rows, columns = plane.shape[0] // bin_px, plane.shape[1] // bin_px
    part = np.asarray(plane[: rows * bin_px, : columns * bin_px], np.float32)
    if bin_px == 1:
        return part
    small = cv2.resize(part, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _usable(bands: NDArray[np.float32]) -> BoolImage:
    """Which bands are numbers nearly wherever the others are: (bands,)."""
    share = np.array([_share_known(band) for band in bands])
    return np.asarray(share >= LEAST_KNOWN * np.median(share))


def _share_known(band: FloatImage) -> float:
    # a sum tells at a fraction of the cost whether anything is missing
    if np.isfinite(band.sum(dtype=np.float64)):
        return 1.0
    return float(np.isfinite(band).mean())


def _left_out(usable: BoolImage) -> tuple[str, ...]:
    """Which bands are left out, numbered from one."""
    numbers = [str(at + 1) for at in np.flatnonzero(~usable)]
    if not numbers:
        return ()
    many = len(numbers) > 1
    return (
        f"band{'s' if many else ''} {', '.join(numbers)} of the map "
        f"{'are' if many else 'is'} not a number at most points: left out",
    )


def _known(bands: NDArray[np.float32]) -> BoolImage:
    """Where every band has a number."""
    known = np.ones(bands.shape[1:], bool)
    for band in bands:
        known &= np.isfinite(band)
    return known
