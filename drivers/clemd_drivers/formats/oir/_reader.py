"""Open an OIR image: blocks checked here, pixels decoded by the library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame
from clemd_drivers.formats import _spans, _xml
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._light import modality_of
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._values import cleaned

from . import _facts, _library, _parts
from ._blocks import IMAGE_ROOT, MAGIC, Content, Plane, read_blocks

_MOST_CHANNELS = 64
_LONGEST_SIDE = 1 << 17
_MOST_PLANE_BYTES = 4 << 30
_DEPTHS = (1, 2, 4)


@dataclass(frozen=True, slots=True)
class _Layout:
    frame: bytes
    size: _facts.FrameSize
    dtype: np.dtype[Any]
    planes: dict[str, dict[PlaneKey, Plane]]
    """Whole ones, by the id of their channel, in the order of channels."""
    missing: int
    """Planes that were declared, or begun, and are not there."""


class OirReader:
    """One opened image."""

    def __init__(
        self,
        source: SourceFile,
        parts: tuple[SourceFile, ...],
        layout: _Layout,
        frame: Frame,
    ) -> None:
        self._source = source
        self._parts = parts
        self._layout = layout
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        planes = list(self._layout.planes.values())[channel]
        with guarded("decoding the OIR image"):
            chosen = choose(
                facts.kind,
                tuple(planes),
                lambda key: _library.decode(
                    self._layout.frame,
                    planes[key],
                    self._layout.size.shape,
                    self._layout.dtype,
                ),
                self._source.stack,
            )
        if chosen.said:
            text = f"channel {facts.name!r}: {chosen.said}"
            if text not in self.frame.warnings:
                told = (*self.frame.warnings, text)
                self.frame = replace(self.frame, warnings=told)
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where planes or their last pixels are missing."""
        if self._layout.missing:
            raise IncompleteFileError(
                f"{self._layout.missing} planes of the OIR image are not there yet: "
                "they may be in a further part",
                missing_from=self._source.size_bytes,
                missing_to=self._source.size_bytes + 1,
            )
        with guarded("reading the tail"):
            for source in (self._source, *self._parts):
                spans = [
                    (piece.offset, piece.offset + piece.n_bytes)
                    for planes in self._layout.planes.values()
                    for plane in planes.values()
                    for piece in plane.ordered()
                    if piece.source is source
                ]
                if spans:
                    _spans.check_tail(source, spans)

    def hash_more(self, digest: hashlib._Hash) -> None:
        """Further parts are files of their own."""
        _parts.hash_all(self._parts, digest)

    def check_unchanged(self) -> None:
        """Raise ChangedFileError where one of them changed meanwhile."""
        for part in self._parts:
            part.check_unchanged()


class OirDriver:
    """Reads OIR files of FluoView, with their further parts beside them."""

    name = "oir"
    version = "1"
    priority = 46

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as OIR files do?"""
        return source.head.startswith(MAGIC)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[OirReader]:
        """Read blocks and metadata; see `FormatDriver.open`."""
        _library.needed()
        with _parts.parts_of(source) as parts:
            with guarded("reading the OIR file"):
                reader = self._reader(source, parts)
            yield reader

    def _reader(self, source: SourceFile, parts: tuple[SourceFile, ...]) -> OirReader:
        content = Content()
        for one in (source, *parts):
            read_blocks(one, content)
        notes = Notes()
        image, document = _image(content, notes)
        if document is None and _parts.is_part(source.path.name):
            whole = _parts.whole_of(source.path.name)
            raise RefusedFileError(f"a further part of {whole}: it is read with that")
        layout = _layout(source, content, image, document, notes)
        spectral = any(
            key.spectral for planes in layout.planes.values() for key in planes
        )
        channels = _facts.channels(image, list(layout.planes), spectral=spectral)
        mode = "LaserScanningConfocalMicroscopy" if document is not None else ""
        height, width = layout.size.shape
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality_of((mode,), channels, "Olympus"),
            shape=(height, width),
            dtype=layout.dtype.newbyteorder("=").name,
            channels=tuple(channels),
            pixel_size=_facts.pixel_size(image, notes),
            acquired_at=_facts.acquired_at(image),
            instrument=_facts.instrument(image),
            extra=cleaned(_facts.remarks(image)),
            warnings=tuple(notes.lines),
        )
        return OirReader(source, parts, layout, frame)


def _image(content: Content, notes: Notes) -> tuple[Element, bytes | None]:
    """The document about the image, read and as it stands; empty where none is."""
    if content.image is None:
        return Element("none"), None
    try:
        root = _xml.parse(content.image)
    except _xml.BrokenXmlError:
        root = Element("broken")
    if root.tag == IMAGE_ROOT:
        return root, content.image
    notes.add("the OIR metadata are damaged and not used")
    return Element("none"), None


def _layout(
    source: SourceFile,
    content: Content,
    image: Element,
    document: bytes | None,
    notes: Notes,
) -> _Layout:
    if content.frame is None or not content.planes:
        raise RefusedFileError("an OIR file without an image: export the image")
    try:
        size = _facts.frame_size(_xml.parse(content.frame))
    except _xml.BrokenXmlError as broken:
        raise RefusedFileError(
            "the OIR file does not say how large its planes are: export it again"
        ) from broken
    wanted = _plane_bytes(size)
    whole = {k: plane for k, plane in content.planes.items() if plane.n_bytes >= wanted}
    partly = len(content.planes) - len(whole)
    ids = {channel for channel, _ in content.planes}
    if ids != {channel for channel, _ in whole}:
        raise IncompleteFileError(
            f"{partly} of {len(content.planes)} planes of the OIR image are not whole: "
            "their rest may be in a further part",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        )
    if len(ids) > _MOST_CHANNELS:
        raise RefusedFileError(f"{len(ids)} channels in an OIR file: export fewer")
    dtype, order = _by_library(content.frame, document, size, list(whole.values()))
    first = _first_place([key for _, key in whole])
    planes: dict[str, dict[PlaneKey, Plane]] = {
        channel: {
            _from(first, key): plane
            for (own, key), plane in whole.items()
            if own == channel
        }
        for channel in (*(o for o in order if o in ids), *sorted(ids - set(order)))
    }
    missing = max(partly, _expected(image) * len(ids) - len(whole))
    if missing > 0:
        notes.add(f"{missing} planes of the OIR image are missing or not whole")
    return _Layout(content.frame, size, dtype, planes, max(0, missing))


def _plane_bytes(size: _facts.FrameSize) -> int:
    """How many bytes a plane has.

    Raises:
        RefusedFileError: it is no image that is read.
    """
    height, width = size.shape
    if not (0 < height <= _LONGEST_SIDE and 0 < width <= _LONGEST_SIDE):
        raise RefusedFileError(
            f"OIR planes of {width} x {height} px: not an image, export it again"
        )
    if size.depth not in _DEPTHS:
        raise RefusedFileError(
            f"OIR samples of {size.depth} bytes are not read: export OME-TIFF"
        )
    n_bytes = height * width * size.depth
    if n_bytes > _MOST_PLANE_BYTES:
        raise RefusedFileError(
            f"OIR planes of {n_bytes} bytes are not read: export a smaller image"
        )
    return n_bytes


def _by_library(
    frame: bytes,
    document: bytes | None,
    size: _facts.FrameSize,
    planes: list[Plane],
) -> tuple[np.dtype[Any], list[str]]:
    """Type of a sample and the order of channels.

    Raises:
        RefusedFileError: the planes are none, or the library reads them otherwise.
    """
    opened = _library.overview(frame, document, planes)
    try:
        if size.shape[0] == 1 or opened.is_linescan:
            raise RefusedFileError(
                "an OIR scan of one line over time: export an x-y image"
            )
        dtype = np.dtype(opened.dtype)
        order = [str(channel.id) for channel in opened.channels]
        width = opened.sizes.get("X")
    finally:
        opened.close()
    if width != size.shape[1] or dtype.itemsize != size.depth:
        raise RefusedFileError(
            "the OIR file says two things about the size of its planes: export it again"
        )
    return dtype, list(dict.fromkeys(order))


def _first_place(keys: list[PlaneKey]) -> PlaneKey:
    """Files count from one."""
    return PlaneKey(
        t=min(key.t for key in keys),
        z=min(key.z for key in keys),
        spectral=min(key.spectral for key in keys),
    )


def _from(first: PlaneKey, key: PlaneKey) -> PlaneKey:
    return PlaneKey(
        t=key.t - first.t, z=key.z - first.z, spectral=key.spectral - first.spectral
    )


def _expected(image: Element) -> int:
    """Planes of one channel by the axes that are declared."""
    count = 1
    for places in _facts.declared(image).values():
        count *= places
    return count


DRIVER = OirDriver()
