"""One image of a project: its axes, and the planes that they make."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._values import clean, number
from clemd_drivers.formats._xml import children

from ._blocks import Block

X, Y, Z, T, EMISSION, EXCITATION, TILE = 1, 2, 3, 4, 5, 9, 10
MAX_PLANES = 200_000
_MAX_SIDE = 1 << 20


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension as the file lays it out."""

    count: int
    stride_bytes: int
    element: Element


@dataclass(frozen=True, slots=True)
class Samples:
    """How one channel is stored."""

    offset_bytes: int
    dtype: np.dtype[np.generic]


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image of the project that has an X and a Y axis."""

    path: str
    """Names of the elements that lead to it."""
    element: Element
    block: str
    """Name of its block of memory."""
    axes: dict[int, Axis]
    channels: tuple[Samples, ...]

    @property
    def tile_shape(self) -> tuple[int, int]:
        """(height, width) of one tile."""
        return self.axes[Y].count, self.axes[X].count

    def count(self, axis: int) -> int:
        """How long an axis is; 1 where there is none."""
        return self.axes[axis].count if axis in self.axes else 1

    def keys(self) -> tuple[PlaneKey, ...]:
        """Every plane of a channel."""
        n_spectral = self.count(EMISSION) * self.count(EXCITATION)
        spans = (range(self.count(T)), range(self.count(Z)), range(n_spectral))
        return tuple(PlaneKey(t=t, z=z, spectral=k) for t, z, k in product(*spans))


def images(root: Element) -> Iterator[Image]:
    """Every image of the project, in its order.

    Raises:
        RefusedFileError: axes or samples that make no sense.
    """
    for path, element in _elements(root, ""):
        for data in children(element, "Data"):
            for image in children(data, "Image"):
                found = _image(path, element, image)
                if found is not None:
                    yield found


def _elements(parent: Element, path: str) -> Iterator[tuple[str, Element]]:
    # The path below the project: its own name is the file's.
    for element in children(parent, "Element"):
        name = clean(element.get("Name"), 80)
        yield f"{path}/{name}".lstrip("/"), element
        below = f"{path}/{name}" if parent.tag == "Children" else ""
        for inner in children(element, "Children"):
            yield from _elements(inner, below)


def _image(path: str, element: Element, image: Element) -> Image | None:
    memory = next(children(element, "Memory"), None)
    description = next(children(image, "ImageDescription"), None)
    if memory is None or description is None or not number(memory.get("Size")):
        return None
    axes = {
        _integer(one, "DimID"): Axis(
            _integer(one, "NumberOfElements"), _integer(one, "BytesInc"), one
        )
        for group in children(description, "Dimensions")
        for one in children(group, "DimensionDescription")
    }
    if not {X, Y} <= set(axes):
        return None  # a line or a spectrum is not an image
    described = [
        one
        for group in children(description, "Channels")
        for one in children(group, "ChannelDescription")
    ]
    counts = [axis.count for axis in axes.values()]
    sides = axes[X].count, axes[Y].count
    if min(counts) < 1 or max(sides) > _MAX_SIDE or not described:
        raise RefusedFileError(
            f"image {path!r} has {len(described)} channels of {counts}: not an image"
        )
    if prod(counts) // (sides[0] * sides[1]) > MAX_PLANES:
        raise RefusedFileError(f"image {path!r} has too many planes: export fewer")
    return Image(
        path=path,
        element=image,
        block=memory.get("MemoryBlockID") or "",
        axes=axes,
        channels=tuple(_samples(one) for one in described),
    )


def _samples(channel: Element) -> Samples:
    bits, kind = _integer(channel, "Resolution"), _integer(channel, "DataType")
    form = {(0, 1): "<u1", (0, 2): "<u2", (0, 4): "<u4", (1, 4): "<f4", (1, 8): "<f8"}
    key = (kind, -(-bits // 8))
    if key not in form:
        raise RefusedFileError(
            f"LIF samples of {bits} bits and kind {kind} are not read: export 8 or 16 "
            "bit"
        )
    return Samples(_integer(channel, "BytesInc"), np.dtype(form[key]))


def _integer(element: Element, name: str) -> int:
    return int(number(element.get(name)) or 0)


def read_tile(
    source: SourceFile,
    block: Block,
    image: Image,
    channel: int,
    key: PlaneKey,
    tile: int,
) -> NDArray[Any]:
    """One tile of one plane, (height, width), as stored.

    Raises:
        RefusedFileError: the axes lead out of the block.
    """
    samples = image.channels[channel]
    emission, excitation = divmod(key.spectral, image.count(EXCITATION))
    index = {Z: key.z, T: key.t, EMISSION: emission, EXCITATION: excitation, TILE: tile}
    start = samples.offset_bytes + sum(
        image.axes[axis].stride_bytes * at
        for axis, at in index.items()
        if axis in image.axes
    )
    height, width = image.tile_shape
    steps = image.axes[Y].stride_bytes, image.axes[X].stride_bytes
    span = (height - 1) * steps[0] + (width - 1) * steps[1] + samples.dtype.itemsize
    packed = height * width * samples.dtype.itemsize <= span
    if min(*steps, start) < 0 or not packed or start + span > block.n_bytes:
        raise RefusedFileError(
            f"image {image.path!r} needs bytes {start} to {start + span} of a block of "
            f"{block.n_bytes}: export it again"
        )
    data = os.pread(source.fd, span, block.offset + start)
    plane = np.ndarray((height, width), samples.dtype, data, strides=steps)
    return np.ascontiguousarray(plane)
