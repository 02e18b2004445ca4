"""Real maps of a Renishaw spectrometer on the white-light image in the same file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from clemd.geometry import apply, as_matrix, decompose
from clemd.model import Matrix, Registration
from clemd.pairing import metadata_ratio, stated_place
from clemd.pipeline import Request, register_pair
from clemd.sides import Loaded

from ._figures import Figure

FILES = "hyperspectral/*.wdf"
GOAL_SHARE = 0.02
"""Of the map's width: how near to the stated place it is to be found again."""


def real_figures(data: Path | None) -> list[Figure]:
    """One line for each file below `data`; none without data."""
    files = [] if data is None else sorted(data.glob(FILES))
    return [_of(file) for file in files]


def _of(file: Path) -> Figure:
    with tempfile.TemporaryDirectory(prefix="clemd-") as folder:
        em, lm = _both(file, Path(folder))
        stated = stated_place(em.frame, lm.frame)
        found = register_pair(em, lm, Request(engine="global-gradient"))
    if stated is None:
        return _line(file, "the file does not say where the map lies", None)
    true = as_matrix(stated)
    if found.best_guess is None:
        return _line(file, f"{found.verdict.value}: {found.reasons[0]}", False)
    off = _share_off(as_matrix(found.best_guess), true, em.frame.shape)
    ratio = metadata_ratio(em.frame, lm.frame) or 1.0
    return _line(
        file,
        f"{100 * off:.1f} % of its width off, {found.verdict.value}, "
        f"{_seen(found)} (ratio {ratio:.2f})",
        off <= GOAL_SHARE,
    )


def _line(file: Path, said: str, met: bool | None) -> Figure:
    return Figure(
        part="real",
        what=f"{file.stem}: found against stated place",
        published="-",
        ours=said,
        goal=f"<= {100 * GOAL_SHARE:.0f} %",
        met=met,
    )


def _seen(found: Registration) -> str:
    hits, tiles = found.evidence.get("hits", 0.0), found.evidence.get("tiles", 0.0)
    return f"{100 * hits:.0f} % of {tiles:.0f} tiles agree (chance 9 %)"


def _share_off(found: Matrix, true: Matrix, shape: tuple[int, int]) -> float:
    y, x = np.meshgrid(*(np.linspace(0, side - 1, 9) for side in shape), indexing="ij")
    points = np.c_[x.ravel(), y.ravel()]
    gaps = np.linalg.norm(apply(found, points) - apply(true, points), axis=1)
    width = shape[1] * decompose(true).scale
    return float(gaps.mean() / width)


def _both(file: Path, cache: Path) -> tuple[Loaded, Loaded]:
    """The map and its white-light image, read by the sandboxed child."""
    from clemd.config import ReadingSettings
    from clemd.reading import ReaderPool, ReadRequest

    with ReaderPool(ReadingSettings(), allow=[file.parent], cache=cache) as pool:
        results = [
            pool.read_blocking(
                ReadRequest(
                    path=str(file),
                    root=str(file.parent),
                    cache=str(cache),
                    accept_zero_tail=True,
                    want_pixels=True,
                    position=position,
                )
            )
            for position in (0, 1)
        ]
        em, lm = (Loaded.from_cache(r.frame, cache, r.planes) for r in results)
        # maps of the cache's files, which go with the folder
        planes = [tuple(np.array(plane) for plane in one.planes) for one in (em, lm)]
    return (
        Loaded(frame=em.frame, planes=planes[0]),
        Loaded(frame=lm.frame, planes=planes[1]),
    )
