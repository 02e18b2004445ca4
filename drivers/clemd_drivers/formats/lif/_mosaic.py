"""Where the tiles of a mosaic lie on one canvas, by the stage alone."""

from __future__ import annotations

from dataclasses import dataclass

from clemd.errors import RefusedFileError

from . import _facts
from ._image import TILE, Image

_SPARSEST = 64


@dataclass(frozen=True, slots=True)
class Layout:
    """A canvas and the first pixel of every tile on it."""

    shape: tuple[int, int]
    places: tuple[tuple[int, int], ...]
    """(top, left) in px, in the order of the tiles."""
    remarks: tuple[str, ...] = ()


def layout(image: Image) -> Layout:
    """Tiles at their stated positions; the first tile alone where none are stated.

    Raises:
        RefusedFileError: positions so far apart that they are no mosaic.
    """
    height, width = image.tile_shape
    count = image.count(TILE)
    if count == 1:
        return Layout((height, width), ((0, 0),))
    stage = _facts.tiles_um(image.element)
    size, _ = _facts.pixel_size(image)
    if len(stage) != count or size is None:
        said = f"{count} tiles without positions: the first is used"
        return Layout((height, width), ((0, 0),), (said,))
    flip_x, flip_y, swap = _facts.turned(image.element)
    places = [(y, x) if swap else (x, y) for x, y in stage]
    lefts = [(-x if flip_x else x) / size.x_um for x, _ in places]
    tops = [(-y if flip_y else y) / size.y_um for _, y in places]
    corners = tuple(
        (round(top - min(tops)), round(left - min(lefts)))
        for top, left in zip(tops, lefts, strict=True)
    )
    shape = (
        max(top for top, _ in corners) + height,
        max(left for _, left in corners) + width,
    )
    if shape[0] * shape[1] > _SPARSEST * count * height * width:
        raise RefusedFileError(
            f"{count} tiles lie on {shape[1]} x {shape[0]} px: export them one by one"
        )
    said = f"{count} tiles lie where the stage was; their seams are not refined"
    return Layout(shape, corners, (said,))
