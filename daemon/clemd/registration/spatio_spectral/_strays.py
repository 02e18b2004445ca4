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
"""Share of the bands that may be left out; more is no series."""


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
    strays: list[int] = []
    while len(strays) < MOST * len(bands) and rise > 0:
        left = [band for band in range(len(bands)) if band not in strays]
        beside = [_beside(seen, left, at) for at in range(len(left))]
        worst = int(np.argmax(beside))
        if beside[worst] <= STRAY * rise:
            break
        strays.append(left[worst])  # the worst first: it misleads its neighbours
    return sorted(strays)


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
        near = seen[left[1 : 1 + NEAR_END] if at == 0 else left[-1 - NEAR_END : -1]]
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
    listed = ", ".join(str(number) for number in numbers)
    return (
        f"band{'s' if many else ''} {listed} of the {side} series "
        f"{'do' if many else 'does'} not lie between {'their' if many else 'its'} "
        "neighbours (blanked, lost or of another place): left out of both series"
    )
