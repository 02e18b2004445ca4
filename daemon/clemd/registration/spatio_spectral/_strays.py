"""Bands that do not belong between their neighbours: blanked pages, lost frames.

What passes a mirror rises or falls with the voltage bit by bit, so a band lies between
those before and after it. One page that is black, white or of another place makes two
steps in every spectrum that outweigh all others, and no two spectra look alike any
more. Such bands are left out of both series.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.model import BoolImage

from ._cube import LEAST_BANDS, Bands, Cube

BLOCKS = 16
"""Blocks a side, over which bands are compared: noise and drift average out."""
NEAR = 3
"""Bands on either side that say where one should lie; their median forgives one."""
NEAR_END = 7
"""Bands beside an end that say where it should lie; half of them may be stray too."""
ROOM = 2.0
"""How much further an end may go on than those bands have gone."""
STRAY = 0.1
"""Share of the series' own rise by which a band may lie beside its neighbours."""
MOST = 1 / 4
"""Share of the bands that may be left out one by one; more is no series."""
BLANK = 1e-6
"""Contrast, as a share of that rise, below which a page shows nothing at all."""


def without_strays(em: Cube, lm: Cube) -> tuple[Cube, Cube, tuple[str, ...]]:
    """Both series without the bands that are stray in either, and what to tell.

    The series show the same energies band by band.

    Raises:
        RegistrationRefusedError: too few bands are left to tell materials apart.
    """
    found = [stray_bands(cube.bands, cube.mask) for cube in (em, lm)]
    dropped = sorted({band for bands in found for band in bands})
    if not dropped:
        return em, lm, ()
    told = tuple(
        _in_words(cube, bands, side)
        for cube, bands, side in zip((em, lm), found, ("EM", "LM"), strict=True)
        if bands
    )
    left = np.setdiff1d(np.arange(len(em.bands)), dropped)
    if len(left) < LEAST_BANDS:
        raise RegistrationRefusedError(
            f"{'; '.join(told)}: {len(left)} of {len(em.bands)} are left, at least "
            f"{LEAST_BANDS} are needed to tell materials apart"
        )
    return _only(em, left), _only(lm, left), told


def stray_bands(bands: Bands, mask: BoolImage) -> list[int]:
    """Indices of the bands that lie beside their neighbours, ascending."""
    seen = _blocks(bands, mask)
    rise = _rms(np.subtract(*np.quantile(seen, [0.85, 0.15], axis=0)))
    if not rise > 0:
        return []
    strays = _blanked(seen, rise)
    most = len(strays) + MOST * len(bands)
    while len(strays) < most:
        left = [band for band in range(len(bands)) if band not in strays]
        beside = [_beside(seen, left, at) for at in range(len(left))]
        worst = int(np.argmax(beside))
        if beside[worst] <= STRAY * rise:
            break
        strays.append(left[worst])  # the worst first: it misleads its neighbours
    return sorted(strays)


def _blanked(seen: NDArray[np.float64], rise: float) -> list[int]:
    """Empty pages that are far from the nearest ones that show something.

    A run of them vouches for itself, so they are judged by the others alone. Where the
    specimen is as dark as they are, they do no harm and stay.
    """
    shown = np.flatnonzero(np.ptp(seen, axis=1) > BLANK * rise)
    strays = []
    for band in np.setdiff1d(np.arange(len(seen)), shown):
        at = int(np.searchsorted(shown, band))
        near = [int(one) for one in shown[max(0, at - 1) : at + 1]]
        gaps = [_rms(seen[one] - seen[band]) for one in near]
        if gaps and min(gaps) > STRAY * rise:
            strays.append(int(band))
    return strays


def _blocks(bands: Bands, mask: BoolImage) -> NDArray[np.float64]:
    """(bands, blocks): mean of every block that is specimen throughout."""
    size = (min(BLOCKS, mask.shape[1]), min(BLOCKS, mask.shape[0]))
    share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    whole = share >= min(0.99, float(share.max()))
    means = [cv2.resize(b, size, interpolation=cv2.INTER_AREA)[whole] for b in bands]
    return np.array(means, np.float64)


def _beside(seen: NDArray[np.float64], left: list[int], at: int) -> float:
    """How far a band lies outside what its neighbours span, as a deviation."""
    if 0 < at < len(left) - 1:
        before = seen[left[max(0, at - NEAR) : at]]
        after = seen[left[at + 1 : at + 1 + NEAR]]
        ends = np.stack([np.median(before, 0), np.median(after, 0)])
        low, high = ends.min(0), ends.max(0)
    else:
        # of those beyond a gap nobody knows how far the series went on meanwhile
        close = [b for b in left if 0 < abs(b - left[at]) <= NEAR_END]
        if len(close) < NEAR:
            return 0.0
        near = seen[close]
        step = np.median(np.abs(np.diff(near, axis=0)), 0)
        room = ROOM * len(near) * step
        low, high = np.median(near, 0) - room, np.median(near, 0) + room
    here = seen[left[at]]
    return _rms(np.maximum(np.maximum(low - here, here - high), 0.0))


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0


def _only(cube: Cube, left: NDArray[np.intp]) -> Cube:
    return replace(cube, bands=cube.bands[left], energies_ev=cube.energies_ev[left])


def _in_words(cube: Cube, bands: list[int], side: str) -> str:
    """Numbered as the file has them, from one."""
    last = len(cube.bands) - 1
    numbers = sorted((band if cube.rising else last - band) + 1 for band in bands)
    many = len(numbers) > 1
    listed = ", ".join(_runs(numbers))
    return (
        f"band{'s' if many else ''} {listed} of the {side} series "
        f"{'do' if many else 'does'} not lie between {'their' if many else 'its'} "
        "neighbours (blanked, lost or of another place): left out of both series"
    )


def _runs(numbers: list[int]) -> list[str]:
    """Neighbours as one: 3, 4, 5 and 9 as `3 to 5` and `9`."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return [
        str(start) if start == end else f"{start} to {end}"
        for start, end in zip(starts, ends, strict=True)
    ]
