"""Open an xT image: facts from the tags, the bar from the height they state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.model import Channel, Frame
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._tiff import Page, TiffPixels, first_directory
from clemd_drivers.formats._values import clean, cleaned

from . import _header
from ._xml import add_xml

_INI_TAGS = (34682, 34680)
_XML_TAG = 34683
_KEPT = {
    "HV": ("Beam", "HV"),
    "Beam": ("Beam", "Beam"),
    "BeamShiftX_m": ("Beam", "BeamShiftX"),
    "BeamShiftY_m": ("Beam", "BeamShiftY"),
    "Dwell_s": ("Scan", "Dwelltime"),
    "User": ("User", "User"),
    "UserText": ("User", "UserText"),
    "Software": ("System", "Software"),
    "BitShift": ("PrivateFei", "BitShift"),
}


class ThermoReader:
    """One opened xT image."""

    def __init__(self, pixels: TiffPixels, frame: Frame) -> None:
        self._pixels = pixels
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """Grey values as stored, bar included."""
        return self._pixels.decode(self._pixels.pages[0], channel)

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        self._pixels.check_tail()


class ThermoDriver:
    """Reads images saved by Thermo Fisher / FEI xT."""

    name = "thermo"
    version = "1"
    priority = 20

    def recognises(self, source: SourceFile) -> bool:
        """Has it a tag of this maker that says something?"""
        directory = first_directory(source)
        if directory is None:
            return False
        # Some files carry an empty stray tag of another generation.
        tags = (directory.tags.get(code) for code in (*_INI_TAGS, _XML_TAG))
        return any(tag is not None and tag.n_bytes > 8 for tag in tags)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[ThermoReader]:
        """Read the header; see `FormatDriver.open`."""
        with TiffPixels(source) as pixels:
            with guarded("reading the Thermo metadata"):
                page = pixels.pages[0]
                texts = [page.directory.text(source, code) for code in _INI_TAGS]
                plain = [text for text in texts if text.lstrip().startswith(b"[")]
                header = _header.parse(b"\n".join(plain))
                warnings = [*pixels.doubts]
                for text in (*texts, page.directory.text(source, _XML_TAG)):
                    warnings += add_xml(header, text)
                frame = self._frame(header, page, len(pixels.pages), warnings)
            yield ThermoReader(pixels, frame)

    def _frame(
        self, header: _header.ThermoHeader, page: Page, n_pages: int, said: list[str]
    ) -> Frame:
        notes = Notes(said)
        pixel_size = _header.pixel_size(header, notes)
        bar, doubts = _bar_rows(header, page.height)
        warnings = [*notes.lines, *doubts]
        if pixel_size is None:
            warnings.append("no pixel size in the Thermo metadata")
        if n_pages > 1:
            warnings.append(f"{n_pages} pages: the first is used")
        detector = clean(header.get("Detectors", "Name"))
        signal = header.get(detector, "Signal") or header.get("Detectors", "Mode") or ""
        kind, reason = _header.channel_kind(detector, signal)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=_header.modality(header),
            shape=(page.height, page.width),
            dtype=page.dtype.name,
            channels=(Channel(name=detector or "SEM", kind=kind, kind_reason=reason),),
            pixel_size=pixel_size,
            stage=_header.stage(header),
            acquired_at=_header.acquired_at(header),
            instrument=_header.instrument(header),
            info_bar_rows=bar,
            extra=cleaned({name: header.get(*at) for name, at in _KEPT.items()}),
            warnings=tuple(warnings),
        )


def _bar_rows(header: _header.ThermoHeader, height: int) -> tuple[int, list[str]]:
    """Rows appended below the image, and what does not fit."""
    image_rows = header.number("Image", "ResolutionY")
    stated = int(header.number("PrivateFei", "DatabarHeight") or 0)
    if image_rows is None:
        return (stated if 0 < stated < height // 2 else 0), []
    rows = height - int(image_rows)
    if not 0 <= rows <= height // 2:
        return 0, [f"image is {height} rows high, the metadata say {int(image_rows)}"]
    if stated and rows and stated != rows:
        return rows, [f"info bar is {rows} rows high, the metadata say {stated}"]
    return rows, []


DRIVER = ThermoDriver()
