"""Open a SmartSEM image: facts from the tag, grey values from the palette index."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.model import Channel, Frame, Modality
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._pixels import info_bar_rows
from clemd_drivers.formats._tiff import Page, TiffPixels, first_directory
from clemd_drivers.formats._values import clean, cleaned, number

from . import _header

TAG = 34118
_KEPT = (
    "AP_MAG", "AP_ACTUALKV", "AP_WD", "DP_DWELL_TIME", "SV_USER_NAME", "SV_USER_TEXT",
    "SV_FILE_NAME", "SV_VERSION", "DP_MIXING", "AP_BEAMSHIFT_X", "AP_BEAMSHIFT_Y",
    "AP_BEAM_OFFSET_X", "AP_BEAM_OFFSET_Y", "DP_TILT_CORRECTION", "AP_TILT_ANGLE",
)  # fmt: skip


class ZeissReader:
    """One opened SmartSEM image."""

    def __init__(self, pixels: TiffPixels, frame: Frame) -> None:
        self._pixels = pixels
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """Palette index = grey value: the map holds colours for annotations only."""
        plane = self._pixels.decode(self._pixels.pages[0], channel)
        # The bar is painted over the image and no key mentions it.
        self.frame = replace(self.frame, info_bar_rows=info_bar_rows(plane))
        return plane

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        self._pixels.check_tail()


class ZeissDriver:
    """Reads images saved by Zeiss SmartSEM."""

    name = "zeiss"
    version = "1"
    priority = 10

    def recognises(self, source: SourceFile) -> bool:
        """Has it the SmartSEM tag?"""
        directory = first_directory(source)
        return directory is not None and TAG in directory.tags

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[ZeissReader]:
        """Read the header; see `FormatDriver.open`."""
        with TiffPixels(source) as pixels:
            with guarded("reading the Zeiss metadata"):
                page = pixels.pages[0]
                header = _header.parse(page.directory.text(source, TAG))
                frame = self._frame(header, page, len(pixels.pages), pixels.doubts)
            yield ZeissReader(pixels, frame)

    def _frame(
        self, header: _header.ZeissHeader, page: Page, n_pages: int, doubts: list[str]
    ) -> Frame:
        pixel_size, warnings = _header.pixel_size(header, page.width)
        warnings += [*_oddities(header, page, n_pages), *doubts]
        detector = clean(header.get("DP_DETECTOR_CHANNEL"))
        detector = detector or clean(header.get("DP_DETECTOR_TYPE"))
        kind, reason = _header.channel_kind(detector)
        # RGB exports hold the same grey three times.
        channel = Channel(name=detector or "SEM", kind=kind, kind_reason=reason)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.SEM,
            shape=(page.height, page.width),
            dtype=page.dtype.name,
            channels=(channel,),
            pixel_size=pixel_size,
            stage=_header.stage(header),
            acquired_at=_header.acquired_at(header),
            instrument=_header.instrument(header),
            sample=clean(header.get("SV_SAMPLE_ID")) or None,
            extra=cleaned({key: header.get(key) for key in _KEPT}),
            warnings=tuple(warnings),
        )


def _oddities(header: _header.ZeissHeader, page: Page, n_pages: int) -> list[str]:
    said = []
    if not header.values:
        said.append("the Zeiss metadata hold no keys")
    if n_pages > 1:
        said.append(f"{n_pages} pages: the first is used")
    if page.samples > 1:
        said.append(f"{page.samples} samples per pixel: the first is used")
    if number(header.get("AP_BEAMSHIFT_X")) or number(header.get("AP_BEAMSHIFT_Y")):
        said.append("beam shift is not zero: the stage position is less certain")
    return said


DRIVER = ZeissDriver()
