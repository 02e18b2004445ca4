"""Open an image that says (nearly) nothing about itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd_drivers.formats import _spans
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._pixels import info_bar_rows
from clemd_drivers.formats._tiff import Page, TiffPixels, is_tiff, same_size
from clemd_drivers.formats._values import clean

from . import _imagej, _raster
from ._palette import PALETTE, apply_map, colour_map
from ._vendor import Maker, maker_of

_COLOURS = ("red", "green", "blue")
_UNCALIBRATED = "no pixel size: the file has no metadata that is read"


class _Reader:
    """What both kinds share: planes in, facts refined by the pixels out."""

    def __init__(self, frame: Frame) -> None:
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """One channel; three equal colours become one grey channel."""
        colours = tuple(c.name for c in self.frame.channels) == _COLOURS
        plane = self._decode(channel)
        if channel == 0:
            if colours and all(np.array_equal(plane, self._decode(k)) for k in (1, 2)):
                grey = Channel(name="grey", kind_reason="the three colours are equal")
                self.frame = replace(self.frame, channels=(grey,))
            self.frame = replace(self.frame, info_bar_rows=info_bar_rows(plane))
        return plane

    def _decode(self, channel: int) -> NDArray[Any]:
        raise NotImplementedError

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""


class _TiffReader(_Reader):
    def __init__(
        self,
        frame: Frame,
        pixels: TiffPixels,
        channels: list[dict[PlaneKey, Page]],
        colours: NDArray[np.uint8] | None,
        stack: str,
    ) -> None:
        super().__init__(frame)
        self._stack = stack
        self._pixels = pixels
        self._channels = channels
        self._colours = colours

    def _decode(self, channel: int) -> NDArray[Any]:
        shared = len(self._channels) == 1
        pages, sample = (
            self._channels[0 if shared else channel],
            channel if shared else 0,
        )
        # What it shows is not stated, so no depth is favoured but the sharpest.
        chosen = choose(
            ChannelKind.UNKNOWN,
            tuple(pages),
            lambda key: self._plane(pages[key], sample),
            self._stack,
        )
        said = f"of {len(pages)} pages: {chosen.said}"
        if chosen.said and channel == 0 and said not in self.frame.warnings:
            self.frame = replace(self.frame, warnings=(*self.frame.warnings, said))
        return chosen.pixels

    def _plane(self, page: Page, sample: int) -> NDArray[Any]:
        if self._colours is None:
            return self._pixels.decode(page, sample)
        return apply_map(self._pixels.decode(page), self._colours, sample)

    def check_tail(self) -> None:
        self._pixels.check_tail()


class _RasterReader(_Reader):
    def __init__(
        self, frame: Frame, source: SourceFile, header: _raster.RasterHeader
    ) -> None:
        super().__init__(frame)
        self._source = source
        self._kind = header.kind
        self._span = header.span
        self._pixels: NDArray[Any] | None = None

    def _decode(self, channel: int) -> NDArray[Any]:
        if self._pixels is None:
            self._pixels = _raster.decode(self._source, self._kind)
        pixels = self._pixels
        if pixels.shape[:2] != self.frame.shape:
            raise RefusedFileError(
                f"the image decodes to {pixels.shape}: export it again"
            )
        if pixels.ndim == 3:
            pixels = pixels[..., min(channel, pixels.shape[2] - 1)]
        return np.ascontiguousarray(pixels)

    def check_tail(self) -> None:
        if self._span is not None:
            with guarded("reading the tail"):
                _spans.check_tail(self._source, [self._span])


class PlainDriver:
    """Reads TIFF, PNG, JPEG and BMP whose metadata no other driver knows."""

    name = "plain"
    version = "1"
    priority = 1000

    def recognises(self, source: SourceFile) -> bool:
        """Is it an image by its first bytes?"""
        return is_tiff(source) or _raster.kind_of(source.head) is not None

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[_Reader]:
        """Read the header; see `FormatDriver.open`."""
        if is_tiff(source):
            with TiffPixels(source) as pixels:
                yield self._tiff(source, pixels)
        else:
            header = _raster.read_header(source)
            yield self._raster(source, header)

    def _tiff(self, source: SourceFile, pixels: TiffPixels) -> _TiffReader:
        with guarded("reading the TIFF metadata"):
            pages = same_size(pixels.pages)
            first = pages[0]
            said = _imagej.description(source, first.directory)
            notes = Notes()
            size = _imagej.pixel_size(source, first.directory, said, notes)
            maker = maker_of(source, first.directory)
            saved = first.directory.text(source, 306)[:40].decode("ascii", "replace")
            indexed = first.photometric == PALETTE and first.samples == 1
            colours = colour_map(source, first.directory) if indexed else None
        if first.samples >= 3 or colours is not None:
            names = list(_COLOURS)
            keys = _imagej.plane_keys({**said, "channels": "1"}, len(pages))
        else:
            keys = _imagej.plane_keys(said, len(pages))
            count = len(keys)
            names = ["grey"] if count == 1 else [f"channel {k}" for k in range(count)]
        channels = [
            dict(zip(of_channel, pages[k :: len(keys)], strict=True))
            for k, of_channel in enumerate(keys)
        ]
        warnings = notes.lines if size else [*notes.lines, _UNCALIBRATED]
        warnings = [*warnings, *pixels.doubts]
        if indexed and colours is None:
            warnings.append("its colour map is missing: the indices are the greys")
        if len(pages) < len(pixels.pages):
            warnings.append(f"{len(pixels.pages) - len(pages)} pages of other size")
        if said and int(said.get("images", "1") or 1) > len(pages):
            warnings.append("a stack without directories: its first image is used")
        frame = self._frame(
            (first.height, first.width),
            first.dtype.name if colours is None else "uint8",
            names,
            maker,
            warnings,
        )
        extra = {"saved_at": clean(saved)} if clean(saved) else {}
        frame = replace(frame, pixel_size=size, extra=extra)
        return _TiffReader(frame, pixels, channels, colours, source.stack)

    def _raster(
        self, source: SourceFile, header: _raster.RasterHeader
    ) -> _RasterReader:
        names = list(_COLOURS) if header.samples == 3 else ["grey"]
        frame = self._frame(
            (header.height, header.width),
            header.dtype,
            names,
            maker_of(source, None),
            [_UNCALIBRATED],
        )
        return _RasterReader(frame, source, header)

    def _frame(
        self,
        shape: tuple[int, int],
        dtype: str,
        names: list[str],
        maker: Maker | None,
        warnings: list[str],
    ) -> Frame:
        if maker is not None:
            warnings.append(f"metadata of {maker.name} not read")
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=maker.modality if maker else Modality.UNKNOWN,
            shape=shape,
            dtype=dtype,
            channels=tuple(Channel(name=n, kind_reason="not stated") for n in names),
            instrument=maker.name if maker else None,
            warnings=tuple(warnings),
        )


DRIVER = PlainDriver()
