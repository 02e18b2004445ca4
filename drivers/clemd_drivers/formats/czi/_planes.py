"""Tiles into planes: scenes, channels, and the mosaic that the tiles make."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._guard import guarded

from ._codecs import PixelType, check_codec, check_plausible, decode, pixel_type
from ._tiles import Tile, tile_data

# Phases, illuminations, rotations and views show the same place again.
_REPEATS = {"H": "phase", "I": "illumination", "R": "rotation", "V": "view"}
# Tiles of a real mosaic touch; far fewer pixels than canvas is a broken position.
_SPARSEST = 64

Planes = dict[PlaneKey, tuple[Tile, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One position of the file: everything that was recorded there."""

    index: int
    """Its number in the file, 0 where scenes are not numbered."""
    planes: dict[int, Planes]
    """Number of the channel -> its planes, each as tiles from bottom to top."""
    top_px: int
    left_px: int
    """Of the canvas, in the pixel coordinates of the file."""
    shape: tuple[int, int]
    """(height, width) of the canvas that holds every tile."""
    kind: PixelType
    remarks: tuple[str, ...]
    """What was left out, in words."""

    @property
    def area_px(self) -> int:
        """Pixels of the canvas."""
        return self.shape[0] * self.shape[1]

    def tiles(self) -> Iterable[Tile]:
        """Every tile of every plane."""
        return (
            t for planes in self.planes.values() for g in planes.values() for t in g
        )


def scenes(tiles: Iterable[Tile]) -> list[Scene]:
    """Full-resolution tiles sorted into scenes, in the order of their numbers.

    Raises:
        RefusedFileError: nothing to read, or places that make no sense.
    """
    by_scene: dict[int, list[Tile]] = {}
    for tile in tiles:
        if tile.size == tile.stored and min(tile.size) > 0:
            by_scene.setdefault(tile.starts.get("S", 0), []).append(tile)
    if not by_scene:
        raise RefusedFileError("a CZI file without full-size images: export the image")
    return [_scene(index, by_scene[index]) for index in sorted(by_scene)]


def _scene(index: int, tiles: list[Tile]) -> Scene:
    remarks: list[str] = []
    for axis, name in _REPEATS.items():
        numbers = {tile.starts.get(axis, 0) for tile in tiles}
        if len(numbers) > 1:
            first = min(numbers)
            tiles = [tile for tile in tiles if tile.starts.get(axis, 0) == first]
            remarks.append(f"{name} {first} of {len(numbers)} is used")
    channels = sorted({tile.starts.get("C", 0) for tile in tiles})
    first_type = next(
        t for t in tiles if t.starts.get("C", 0) == channels[0]
    ).pixel_type
    others = {t.starts.get("C", 0) for t in tiles if t.pixel_type != first_type}
    if others:
        shown = ", ".join(str(c) for c in sorted(others)[:8])
        remarks.append(f"channels {shown} have another sample type and are left out")
        tiles = [t for t in tiles if t.starts.get("C", 0) not in others]
    if not tiles:
        raise RefusedFileError("a CZI channel of mixed sample types: export it again")
    planes = _planes(tiles)
    top, left = (min(tile.starts[axis] for tile in tiles) for axis in "YX")
    bottom = max(tile.starts["Y"] + tile.size[0] for tile in tiles)
    right = max(tile.starts["X"] + tile.size[1] for tile in tiles)
    shape = bottom - top, right - left
    _check_dense(planes, shape)
    return Scene(
        index=index,
        planes=planes,
        top_px=top,
        left_px=left,
        shape=shape,
        kind=pixel_type(first_type),
        remarks=tuple(remarks),
    )


def _planes(tiles: list[Tile]) -> dict[int, Planes]:
    groups: dict[int, dict[PlaneKey, list[Tile]]] = {}
    for tile in tiles:
        key = PlaneKey(t=tile.starts.get("T", 0), z=tile.starts.get("Z", 0))
        channel = groups.setdefault(tile.starts.get("C", 0), {})
        channel.setdefault(key, []).append(tile)
    return {
        c: {
            key: tuple(sorted(group, key=lambda tile: tile.starts.get("M", 0)))
            for key, group in sorted(planes.items())
        }
        for c, planes in sorted(groups.items())
    }


def _check_dense(planes: dict[int, Planes], shape: tuple[int, int]) -> None:
    covered = max(
        sum(tile.size[0] * tile.size[1] for tile in group)
        for channel in planes.values()
        for group in channel.values()
    )
    if shape[0] * shape[1] > _SPARSEST * covered:
        raise RefusedFileError(
            f"CZI tiles cover {covered} px of a mosaic of {shape[1]} x {shape[0]} px: "
            "export fewer positions at a time"
        )


def check_readable(source: SourceFile, scene: Scene) -> None:
    """Make sure that every tile lies in this file, whole, in a codec that is read.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: another part of the file holds them, or nobody decodes them.
    """
    for tile in scene.tiles():
        if tile.part:
            raise RefusedFileError(
                f"CZI tiles lie in part {tile.part} of the file: export a single file"
            )
        check_codec(tile.compression)
        place = tile_data(source, tile)
        check_plausible(*tile.size, tile.pixel_type, place.pixels_bytes)


def assemble(
    source: SourceFile, scene: Scene, tiles: tuple[Tile, ...], sample: int
) -> NDArray[Any]:
    """One sample of one plane: tiles at their stated places, gaps zero.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: a tile cannot be decoded.
    """
    with guarded("decoding CZI tiles"):
        if len(tiles) == 1 and tiles[0].size == scene.shape:
            return np.ascontiguousarray(_decoded(source, tiles[0], scene, sample))
        canvas = np.zeros(scene.shape, scene.kind.dtype)
        for tile in tiles:
            top = tile.starts["Y"] - scene.top_px
            left = tile.starts["X"] - scene.left_px
            height, width = tile.size
            canvas[top : top + height, left : left + width] = _decoded(
                source, tile, scene, sample
            )
        return canvas


def _decoded(source: SourceFile, tile: Tile, scene: Scene, sample: int) -> NDArray[Any]:
    place = tile_data(source, tile)
    data = os.pread(source.fd, place.pixels_bytes, place.pixels_at)
    return decode(data, tile.compression, scene.kind, tile.size)[..., sample]
