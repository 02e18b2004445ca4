"""Open an OME-Zarr folder by the metadata file at its top.

The first pyramid is read at full resolution; labels are not looked at. A chunk that
is missing means the fill value by the specification, but also that a writer is not
done: it is waited for like a tail of zeros.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from xml.etree.ElementTree import Element

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import ChangedFileError, IncompleteFileError, RefusedFileError
from clemd.model import Frame
from clemd_drivers.formats import _xml
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._inside import MAX_JSON_BYTES, Inside, parse_object
from clemd_drivers.formats._light import channel_of, modality_of
from clemd_drivers.formats._values import clean
from clemd_drivers.formats.ome_tiff import _facts as _ome

from . import _facts
from ._array import ZarrArray, read_array

_ANCHORS = {"zarr.json": 3, ".zattrs": 2}
_MARKS = (b'"multiscales"', b'"bioformats2raw.layout"', b'"plate"', b'"well"')
_DOCUMENT = "OME/METADATA.ome.xml"
_MOST_CHANNELS, _MOST_PLANES = 64, 100_000


class OmeZarrReader:
    """One image of a store."""

    def __init__(
        self,
        source: SourceFile,
        inside: Inside,
        array: ZarrArray,
        axes: tuple[str, ...],
        frame: Frame,
    ) -> None:
        self._source = source
        self._inside = inside
        self._array = array
        self._axes = axes
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        with guarded("reading the chunks"):
            chosen = choose(
                facts.kind,
                self._keys(),
                lambda key: self._decode(channel, key),
                self._source.stack,
            )
        if chosen.said and chosen.said not in self.frame.warnings:
            told = (*self.frame.warnings, chosen.said)
            self.frame = replace(self.frame, warnings=told)
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where a chunk that is declared is not there."""
        for name in self._array.names():
            if not self._inside.has(name):
                raise IncompleteFileError(
                    f"chunk {name} is not there yet", missing_from=0, missing_to=1
                )

    def hash_more(self, digest: hashlib._Hash) -> None:
        """Every chunk: the metadata alone do not tell one image from the next."""
        for name in self._array.names():
            data = self._inside.read(name, limit=1 << 40)
            if data is not None:
                digest.update(name.encode() + hashlib.sha256(data).digest())

    def check_unchanged(self) -> None:
        """Raise ChangedFileError where a file inside is not as it was."""
        if not self._inside.is_unchanged():
            raise ChangedFileError("a file inside changed while the image was read")

    def _keys(self) -> tuple[PlaneKey, ...]:
        sizes = dict(zip(self._axes, self._array.shape, strict=True))
        return tuple(
            PlaneKey(t=t, z=z)
            for t in range(sizes.get("t", 1))
            for z in range(sizes.get("z", 1))
        )

    def _decode(self, channel: int, key: PlaneKey) -> NDArray[Any]:
        places = {"c": channel, "t": key.t, "z": key.z}
        at = [places.get(axis, 0) for axis in self._axes[:-2]]
        return self._array.plane(self._inside, at)


class OmeZarrDriver:
    """Reads OME-Zarr 0.4 (Zarr 2) and 0.5 (Zarr 3), older ones as 0.4."""

    name = "ome_zarr"
    version = "1"
    priority = 40

    def recognises(self, source: SourceFile) -> bool:
        """Is it the metadata file of an OME-Zarr image?"""
        if not source.head.lstrip().startswith(b"{"):
            return False
        if source.path.name not in _ANCHORS:
            return False
        data = os.pread(source.fd, MAX_JSON_BYTES, 0)
        return any(mark in data for mark in _MARKS)

    def positions(self, source: SourceFile) -> int:
        """How many images the store holds.

        Raises:
            IncompleteFileError: metadata are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the OME-Zarr metadata"):
            inside = Inside(source)
            return max(1, len(_paths(inside, _top(source))[0]))

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[OmeZarrReader]:
        """Read the metadata of the first image; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(
        self, source: SourceFile, position: int | None
    ) -> Iterator[OmeZarrReader]:
        """Read one image, counted from zero; None = the first.

        Raises:
            IncompleteFileError: metadata are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the OME-Zarr metadata"):
            reader = self._reader(source, position)
        yield reader

    def _reader(self, source: SourceFile, position: int | None) -> OmeZarrReader:
        inside, version = Inside(source), _version(source)
        top = _top(source)
        paths, document = _paths(inside, top)
        path, attributes = "", top
        warnings: list[str] = []
        if paths:
            path = paths[position or 0] + "/"
            attributes = _attributes(inside, path, version)
            if position is None and len(paths) > 1:
                warnings.append(f"{len(paths)} images in the store: the first is used")
        pyramid = _facts.multiscale(attributes)
        if pyramid is None:
            raise RefusedFileError(
                "a plate or a collection without images: export the wells as images"
            )
        array = read_array(inside, path + _facts.level_path(pyramid), version)
        named = _facts.axes(pyramid, len(array.shape))
        frame = self._frame(array, pyramid, named, attributes, warnings)
        if document is not None:
            frame = _with_document(frame, document, position or 0)
        return OmeZarrReader(source, inside, array, tuple(n for n, _ in named), frame)

    def _frame(
        self,
        array: ZarrArray,
        pyramid: Mapping[str, Any],
        named: list[tuple[str, str]],
        attributes: Mapping[str, Any],
        warnings: list[str],
    ) -> Frame:
        sizes = dict(zip((name for name, _ in named), array.shape, strict=True))
        count = sizes.get("c", 1)
        if count > _MOST_CHANNELS:
            raise RefusedFileError(f"{count} channels: export fewer at a time")
        if sizes.get("t", 1) * sizes.get("z", 1) > _MOST_PLANES:
            raise RefusedFileError("more planes than are read: export fewer at a time")
        if odd := [name for name in sizes if name not in {"t", "c", "z", "y", "x"}]:
            warnings.append(f"of axis {clean(odd[0], 20)!r} the first place is used")
        size, doubts = _facts.pixel_size(pyramid, named)
        clues = _facts.channels(attributes, count)
        channels = tuple(channel_of(one, k) for k, one in enumerate(clues))
        name = clean(str(pyramid.get("name") or ""))
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality_of((), channels, ""),
            shape=(sizes["y"], sizes["x"]),
            dtype=array.dtype.name,
            channels=channels,
            pixel_size=size,
            extra={"image_name": name} if name else {},
            warnings=(*warnings, *doubts),
        )


def _version(source: SourceFile) -> int:
    return _ANCHORS.get(source.path.name, 2)


def _top(source: SourceFile) -> Mapping[str, Any]:
    if source.size_bytes > MAX_JSON_BYTES:
        raise RefusedFileError(f"{source.size_bytes} bytes of metadata: export again")
    data = os.pread(source.fd, MAX_JSON_BYTES, 0)
    meta = parse_object(data, source.path.name)
    return _of_node(meta, _version(source))


def _attributes(inside: Inside, path: str, version: int) -> Mapping[str, Any]:
    name = path + (".zattrs" if version == 2 else "zarr.json")
    meta = inside.json(name)
    if meta is None:
        raise IncompleteFileError(f"{name} is not there", missing_from=0, missing_to=1)
    return _of_node(meta, version)


def _of_node(meta: Mapping[str, Any], version: int) -> Mapping[str, Any]:
    attributes = meta if version == 2 else meta.get("attributes")
    return attributes if isinstance(attributes, Mapping) else {}


def _paths(inside: Inside, top: Mapping[str, Any]) -> tuple[list[str], Element | None]:
    """Paths of several images, empty where the store is one; and its OME-XML."""
    if _facts.multiscale(top) is not None:
        return [], None
    if "bioformats2raw.layout" not in _facts.ome_of(top):
        return [], None
    data = inside.read(_DOCUMENT, limit=_xml.MAX_XML_BYTES)
    try:
        document = None if data is None else _xml.parse(data)
    except _xml.BrokenXmlError:
        document = None
    return _facts.series(top, document) or ["0"], document


def _with_document(frame: Frame, document: Element, position: int) -> Frame:
    """What OME-XML says more: channels, stage, time, instrument."""
    images = _ome.described_images(document)
    if position >= len(images):
        return frame
    image, pixels = images[position]
    clues = _ome.channels(document, pixels)
    channels = frame.channels
    if len(clues) == len(channels):
        channels = tuple(channel_of(one, k) for k, one in enumerate(clues))
    microscope = _ome.instrument(document)
    modes = [one.acquisition_mode for one in clues]
    frame = frame if frame.pixel_size else _sized_by(frame, pixels)
    return replace(
        frame,
        channels=channels,
        modality=modality_of(modes, channels, microscope or ""),
        stage=_ome.stage(image, pixels),
        acquired_at=_ome.acquired_at(image),
        instrument=microscope,
        ids=_ome.ids(document, image),
        sample=_ome.hints(document).get("sample"),
        session=_ome.hints(document).get("session"),
    )


def _sized_by(frame: Frame, pixels: Element) -> Frame:
    """The frame with the document's pixel size, whose doubts replace the store's."""
    size, doubts = _ome.pixel_size(pixels)
    kept = (w for w in frame.warnings if not w.startswith("no pixel size"))
    return replace(frame, pixel_size=size, warnings=(*kept, *doubts))


DRIVER = OmeZarrDriver()
