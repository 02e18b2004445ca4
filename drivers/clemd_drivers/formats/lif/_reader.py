"""Open a LIF project: facts from its document, one plane per channel of one image."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame
from clemd_drivers.formats import _spans
from clemd_drivers.formats._choosing import PlaneKey, choose, largest
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._light import modality_of
from clemd_drivers.formats._values import clean, cleaned, number
from clemd_drivers.formats._xml import BrokenXmlError, parse

from . import _facts
from ._blocks import Block, is_lif, is_lof, read_blocks, read_document, read_object
from ._channels import channels
from ._image import Image, images, read_tile
from ._mosaic import Layout, layout

_MODES = {"Confocal": "LaserScanningConfocalMicroscopy", "Camera": "WideField"}


@dataclass(frozen=True, slots=True)
class _Project:
    images: tuple[Image, ...]
    blocks: dict[str, Block]


class LifReader:
    """One image of an opened LIF project."""

    def __init__(
        self, source: SourceFile, image: Image, project: _Project, frame: Frame
    ) -> None:
        self._source = source
        self._image = image
        self._blocks = project.blocks
        self._layout: Layout = layout(image)
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        with guarded("reading LIF pixels"):
            chosen = choose(
                facts.kind,
                self._image.keys(),
                lambda key: self._stitched(channel, key),
                self._source.stack,
            )
        if chosen.said:
            self._warn(f"channel {facts.name!r}: {chosen.said}")
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        with guarded("reading the tail"):
            last = max(self._blocks.values(), key=lambda block: block.offset)
            _spans.check_tail(self._source, [(last.offset, last.offset + last.n_bytes)])

    def _stitched(self, channel: int, key: PlaneKey) -> NDArray[Any]:
        block = self._blocks[self._image.block]
        places = self._layout.places
        if len(places) == 1:
            return read_tile(self._source, block, self._image, channel, key, 0)
        height, width = self._image.tile_shape
        canvas = np.zeros(self._layout.shape, self._image.channels[channel].dtype)
        for tile, (top, left) in enumerate(places):
            canvas[top : top + height, left : left + width] = read_tile(
                self._source, block, self._image, channel, key, tile
            )
        return canvas

    def _warn(self, text: str) -> None:
        if text not in self.frame.warnings:
            self.frame = replace(self.frame, warnings=(*self.frame.warnings, text))


class LifDriver:
    """Reads projects and single images of Leica LAS X and LAS AF by itself."""

    name = "lif"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as LIF or LOF files do?"""
        return is_lif(source.head) or is_lof(source.head)

    def positions(self, source: SourceFile) -> int:
        """How many images the project holds.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the LIF metadata"):
            return len(_project(source).images)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[LifReader]:
        """Read the header and the largest image; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(self, source: SourceFile, position: int | None) -> Iterator[LifReader]:
        """Read one image, counted from zero; None = the largest.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the LIF metadata"):
            project = _project(source)
            shapes = [layout(image).shape for image in project.images]
            chosen = largest([height * width for height, width in shapes])
            image = project.images[chosen if position is None else position]
            doubts = []
            if position is None and len(shapes) > 1:
                doubts.append(
                    f"{len(shapes)} images in the project: the largest, "
                    f"{image.path!r}, is used"
                )
            frame = self._frame(image, doubts)
            reader = LifReader(source, image, project, frame)
        yield reader

    def _frame(self, image: Image, doubts: list[str]) -> Frame:
        found = channels(image)
        dtypes = {samples.dtype for samples in image.channels}
        if len(dtypes) > 1:
            raise RefusedFileError(
                f"channels of {image.path!r} differ in sample type: export them apart"
            )
        size, size_doubts = _facts.pixel_size(image)
        kind = _facts.source_kind(image.element)
        microscope = _facts.instrument(image.element)
        placed = layout(image)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality_of([_MODES.get(kind, "")], found, microscope or ""),
            shape=placed.shape,
            dtype=image.channels[0].dtype.name,
            channels=found,
            pixel_size=size,
            stage=_facts.stage(image.element),
            acquired_at=_facts.acquired_at(image.element),
            instrument=microscope,
            extra=cleaned(_facts.remarks(image)),
            warnings=(*doubts, *placed.remarks, *size_doubts),
        )


def _project(source: SourceFile) -> _Project:
    if is_lof(source.head):
        return _single(source)
    document, end = read_document(source)
    root = _parsed(document)
    found = tuple(images(root))
    if not found:
        raise RefusedFileError("a LIF project without images: export the image")
    blocks = read_blocks(source, end, int(number(root.get("Version")) or 1))
    for image in found:
        if image.block not in blocks:
            raise _missing(source, image, root)
    return _Project(found, blocks)


def _single(source: SourceFile) -> _Project:
    """The one image of a LOF file: all of its memory, whatever it is called."""
    document, block = read_object(source)
    root = _parsed(document)
    for element in root.iter("Element"):
        memory = element.find("Memory")
        if memory is None:
            memory = SubElement(element, "Memory")
        memory.set("Size", str(block.n_bytes))
    found = tuple(images(root))
    if len(found) != 1:
        raise RefusedFileError(f"a LOF file of {len(found)} images: export the image")
    return _Project(found, {found[0].block: block})


def _parsed(document: bytes) -> Element:
    try:
        return parse(document)
    except BrokenXmlError as broken:
        raise RefusedFileError(
            f"the LIF metadata cannot be parsed ({clean(str(broken))}): export it again"
        ) from broken


def _missing(source: SourceFile, image: Image, root: Element) -> IncompleteFileError:
    n_images = sum(1 for _ in root.iter("Image"))
    return IncompleteFileError(
        f"the pixels of {image.path!r}, one of {n_images} images, are not there yet",
        missing_from=source.size_bytes,
        missing_to=source.size_bytes + 1,
    )


DRIVER = LifDriver()
