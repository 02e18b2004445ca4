"""Which page is which plane, and where the tiles of a mosaic lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import RefusedFileError
from clemd.model import PixelSize
from clemd_drivers.formats._choosing import PlaneKey

from ._info import LsmInfo
from ._pages import LsmPage

_SPARSEST = 64
_MAX_PLANES = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The planes of one position."""

    planes: dict[PlaneKey, tuple[LsmPage, ...]]
    """Each as its tiles."""
    places: tuple[tuple[int, int], ...]
    """(top, left) of every tile, in px."""
    shape: tuple[int, int]
    pages: tuple[LsmPage, ...]
    """Of the whole file."""
    remarks: tuple[str, ...]

    def assemble(
        self, key: PlaneKey, decode: Callable[[LsmPage], NDArray[Any]]
    ) -> NDArray[Any]:
        """Tiles at their places, later over earlier, gaps zero."""
        tiles = self.planes[key]
        if len(tiles) == 1:
            return decode(tiles[0])
        canvas = np.zeros(self.shape, tiles[0].dtype)
        for page, (top, left) in zip(tiles, self.places, strict=True):
            height, width = page.shape
            canvas[top : top + height, left : left + width] = decode(page)
        return canvas


def build_series(
    info: LsmInfo,
    pages: tuple[LsmPage, ...],
    position: int,
    size: PixelSize | None,
    tiles_m: NDArray[np.float64],
) -> Series:
    """The planes of one position; depths change fastest, then times, then tiles.

    Args:
        info: sizes of the file.
        pages: all of them, in their order.
        position: counted from zero.
        size: of a pixel.
        tiles_m: (x, y, z) of every tile on the stage, in metres.

    Raises:
        RefusedFileError: no page of that position is there.
    """
    remarks: list[str] = []
    n_planes = info.n_times * info.n_depths
    expected = info.n_tiles * info.n_positions * n_planes
    if expected > _MAX_PLANES:
        raise RefusedFileError(f"an LSM file of {expected} planes: export fewer")
    if len(pages) != expected:
        remarks.append(f"{len(pages)} of {expected} planes are in the file")
    places, shape = _places(info, pages[0].shape, size, tiles_m, remarks)
    planes: dict[PlaneKey, tuple[LsmPage, ...]] = {}
    for t, z in product(range(info.n_times), range(info.n_depths)):
        found = [
            ((tile * info.n_positions + position) * info.n_times + t) * info.n_depths
            + z
            for tile in range(len(places))
        ]
        if max(found) < len(pages):
            planes[PlaneKey(t=t, z=z)] = tuple(pages[index] for index in found)
    if not planes:
        raise RefusedFileError(
            f"position {position} of {info.n_positions} has no planes: export it again"
        )
    return Series(
        planes=planes, places=places, shape=shape, pages=pages, remarks=tuple(remarks)
    )


def _places(
    info: LsmInfo,
    shape: tuple[int, int],
    size: PixelSize | None,
    tiles_m: NDArray[np.float64],
    remarks: list[str],
) -> tuple[tuple[tuple[int, int], ...], tuple[int, int]]:
    alone = ((0, 0),), shape
    if info.n_tiles == 1:
        return alone
    if size is None or len(tiles_m) != info.n_tiles or not np.isfinite(tiles_m).all():
        remarks.append(f"{info.n_tiles} tiles without positions: the first is used")
        return alone
    steps = (tiles_m[:, :2] - tiles_m[:, :2].min(axis=0)) * 1e6 / (size.x_um, size.y_um)
    height, width = shape
    full = steps[:, 1].max() + height, steps[:, 0].max() + width
    if full[0] * full[1] > _SPARSEST * info.n_tiles * height * width:
        raise RefusedFileError(
            f"{info.n_tiles} tiles lie too far apart: export them one by one"
        )
    corners = tuple((round(y), round(x)) for x, y in steps.tolist())
    remarks.append(
        f"{info.n_tiles} tiles lie where the stage was; their seams are not refined"
    )
    bottom = max(top for top, _ in corners) + height
    return corners, (bottom, max(left for _, left in corners) + width)
