"""Any readable file as a tiled, pyramidal OME-TIFF, with little memory.

Planes are read through memory maps, a band of rows at a time; each level of the
pyramid is made from the one above it and kept in a temporary folder until it is
written. What is stored at full size are the samples as they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.model import Frame

from ._atomic import replacing
from ._frame_ome import PIXEL_TYPES, describe_frame

TILE_PX = 512
BAND_ROWS = 512
SMALLEST_PX = 512
"""The pyramid ends when both sides are at most this."""
BIG_BYTES = (1 << 32) - (64 << 20)
"""More than this of pixels, and the file is a BigTIFF."""
_STORED = {"float": np.float32, "double": np.float64}


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What was made."""

    levels: int
    is_big: bool
    size_bytes: int


def write_ome_tiff(
    path: Path,
    frame: Frame,
    planes: Sequence[NDArray[Any]],
    *,
    name: str,
    big_bytes: int = BIG_BYTES,
) -> Written:
    """Write `planes` (height, width), one a channel, with the frame's metadata.

    Raises:
        OSError: the file, or the temporary files beside it, cannot be written.
    """
    dtype = stored_dtype(frame.dtype)
    description = describe_frame(frame, name=name, stored=True)
    shapes = level_shapes(frame.shape)
    total = sum(h * w for h, w in shapes) * dtype.itemsize * len(planes)
    is_big = total > big_bytes
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".clemd-") as folder,
        replacing(path) as partial,
    ):
        _write(partial, Path(folder), planes, dtype, shapes, description, big=is_big)
        size = partial.stat().st_size
    return Written(levels=len(shapes), is_big=is_big, size_bytes=size)


def stored_dtype(name: str) -> np.dtype[Any]:
    """The sample type in the file: OME's own, or the next that holds it."""
    kind = PIXEL_TYPES.get(name, "float")
    return np.dtype(_STORED.get(kind, kind))


def level_shapes(shape: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) of every level, full size first, each half of the last."""
    shapes = [shape]
    while max(shapes[-1]) > SMALLEST_PX:
        height, width = shapes[-1]
        shapes.append((max(1, height // 2), max(1, width // 2)))
    return shapes


def _write(
    path: Path,
    folder: Path,
    planes: Sequence[NDArray[Any]],
    dtype: np.dtype[Any],
    shapes: Sequence[tuple[int, int]],
    description: str,
    *,
    big: bool,
) -> None:
    # imported here: whoever only describes a frame needs no TIFF library
    import tifffile

    with tifffile.TiffWriter(path, bigtiff=big) as file:
        above: Sequence[NDArray[Any]] = planes
        for level, shape in enumerate(shapes):
            if level:
                above = [
                    _halved(plane, shape, dtype, folder / f"{level}-{n}.npy")
                    for n, plane in enumerate(above)
                ]
                for old in folder.glob(f"{level - 1}-*.npy"):
                    old.unlink()  # its map keeps it until the next level is done
            file.write(
                _tiles(above, shape, dtype),
                shape=(len(planes), *shape),
                dtype=dtype,
                tile=(TILE_PX, TILE_PX),
                photometric="minisblack",
                compression="zlib",
                compressionargs={"level": 1},
                predictor=dtype.kind in "ui",
                description=description.encode() if level == 0 else None,
                metadata=None,
                subifds=len(shapes) - 1 if level == 0 else None,
                subfiletype=0 if level == 0 else 1,
                software="clemd" if level == 0 else None,
            )


def _halved(
    plane: NDArray[Any], shape: tuple[int, int], dtype: np.dtype[Any], path: Path
) -> NDArray[Any]:
    """The mean of 2 x 2 px, a band of rows at a time, in a file."""
    half = np.lib.format.open_memmap(path, "w+", dtype, shape)
    high, wide = (min(2, side) for side in plane.shape)
    for top in range(0, shape[0], BAND_ROWS):
        rows = min(BAND_ROWS, shape[0] - top)
        part = np.asarray(plane[high * top : high * (top + rows), : wide * shape[1]])
        blocks = part.reshape(rows, high, shape[1], wide)
        mean = blocks.mean(axis=(1, 3), dtype=np.float64)
        half[top : top + rows] = np.rint(mean) if dtype.kind in "ui" else mean
    return half


def _tiles(
    planes: Sequence[NDArray[Any]], shape: tuple[int, int], dtype: np.dtype[Any]
) -> Iterator[NDArray[Any]]:
    """Every tile, channel by channel, row by row, all of full size."""
    for plane in planes:
        for top in range(0, shape[0], TILE_PX):
            band = np.asarray(plane[top : top + TILE_PX, : shape[1]])
            for left in range(0, shape[1], TILE_PX):
                part = band[:, left : left + TILE_PX]
                tile = np.zeros((TILE_PX, TILE_PX), dtype)
                tile[: part.shape[0], : part.shape[1]] = part
                yield tile
