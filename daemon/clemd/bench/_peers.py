"""What a user of SimpleITK would do with the same pair, timed in the same run.

The descent of the arm `simpleitk-48`, helped where an expert could help it: the EM
image comes without its info bar, the side it lies on (mirrored or not) is told, and
reading the files is not counted.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from clemd.geometry import compose, invert
from clemd.model import Matrix

from .arms._simpleitk import (
    DESCENT,
    MEASURE,
    STARTS,
    best_descent,
    load_simpleitk,
    rotations,
)
from .arms._start import at_lm_pixels

SETTINGS = f"{MEASURE}, {STARTS} rotations, {DESCENT}"
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """What the peer found, and how long it took."""

    em_to_lm: Matrix
    metric: float
    seconds: float


def has_simpleitk() -> bool:
    """Is the optional peer installed?"""
    return importlib.util.find_spec("SimpleITK") is not None


def register_by_mutual_information(
    em: NDArray[Any],
    lm: NDArray[Any],
    *,
    ratio: float,
    info_bar_rows: int,
    mirrored: bool,
    threads: int,
    start: Matrix | None = None,
) -> PeerResult:
    """The best of 24 registrations by SimpleITK.

    Args:
        em: (height, width) as stored.
        lm: (height, width), the channel that shows structure.
        ratio: LM / EM pixel size as the files state it.
        info_bar_rows: rows at the bottom of `em` that are not specimen.
        mirrored: whether EM and LM show the specimen from opposite sides.
        threads: how many it may use.
        start: EM px -> LM px to start from instead of the 24 rotations.
    """
    sitk = load_simpleitk()
    began = time.perf_counter()
    specimen = em[: em.shape[0] - info_bar_rows]
    small, small_from_em = at_lm_pixels(specimen, ratio, mirrored=mirrored)
    if start is None:
        starts = rotations(small.shape, lm.shape)
    else:
        starts = [compose(start, invert(small_from_em))]
    metric, lm_from_small = best_descent(
        sitk, small, lm, starts, threads=threads, seed=_SEED
    )
    return PeerResult(
        em_to_lm=compose(lm_from_small, small_from_em),
        metric=metric,
        seconds=time.perf_counter() - began,
    )
