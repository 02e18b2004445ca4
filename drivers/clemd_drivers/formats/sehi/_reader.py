"""Open an energy series: one channel per page, the voltages as the frame's axis.

Thermo pages state the mirror electrode of the through-lens detector themselves
([TLD] Mirror, volts); the series of other programs have a list beside them
(`_table`). What energy a voltage stands for is the profile's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd_drivers.formats._beside import Beside, text_beside
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._ifd import Directory
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._tiff import Page, TiffPixels, first_directory
from clemd_drivers.formats._values import cleaned
from clemd_drivers.formats.thermo import _header

from . import _table

_INI_TAGS = (34682, 34680)
_DETECTOR, _VOLTAGE = "TLD", "Mirror"
_ENDING = ".txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axis:
    """What the pages were taken at, and where that was said."""

    values: tuple[float, ...]
    unit: str
    source: str
    pixel_um: float | None = None
    warnings: tuple[str, ...] = ()


class EnergySeriesReader:
    """One opened series."""

    def __init__(self, pixels: TiffPixels, frame: Frame) -> None:
        self._pixels = pixels
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """Grey values of one page as stored, bar included."""
        return self._pixels.decode(self._pixels.pages[channel])

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        self._pixels.check_tail()


class EnergySeriesDriver:
    """Reads multi-page TIFF series of energy-filtered images."""

    name = "sehi"
    version = "1"
    priority = 15  # before the reader of single Thermo images

    def recognises(self, source: SourceFile) -> bool:
        """Several pages, and voltages in them or beside them?"""
        directory = first_directory(source)
        if directory is None or directory.next_offset == 0:
            return False
        try:
            if _of_page(source, directory).number(_DETECTOR, _VOLTAGE) is not None:
                return True
        except Exception:  # noqa: BLE001 - whatever is wrong, it is not ours to tell
            return False
        return _list_beside(source) is not None

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[EnergySeriesReader]:
        """Read all headers; see `FormatDriver.open`."""
        with TiffPixels(source) as pixels:
            with guarded("reading the energy series"):
                frame = _frame(source, pixels.pages, pixels.doubts)
            yield EnergySeriesReader(pixels, frame)


def _of_page(source: SourceFile, directory: Directory) -> _header.ThermoHeader:
    texts = [directory.text(source, code) for code in _INI_TAGS]
    return _header.parse(b"\n".join(t for t in texts if t.lstrip().startswith(b"[")))


def _list_beside(source: SourceFile) -> Beside | None:
    return text_beside(source, (_ENDING,), _table.MARKS)


def _frame(source: SourceFile, pages: tuple[Page, ...], doubts: list[str]) -> Frame:
    first = pages[0]
    for page in pages:
        if (page.height, page.width, page.dtype) != (
            first.height,
            first.width,
            first.dtype,
        ):
            raise RefusedFileError(
                f"page {page.index + 1} is {page.width} x {page.height} "
                f"{page.dtype.name}, the first {first.width} x {first.height} "
                f"{first.dtype.name}: export one series per file"
            )
    headers = [_of_page(source, page.directory) for page in pages]
    axis = _axis(source, headers)
    header = headers[0]
    notes = Notes([*doubts, *axis.warnings])
    size = _header.pixel_size(header, notes)
    if axis.pixel_um is not None:
        size = size_of_edges(axis.source, axis.pixel_um, axis.pixel_um, notes)
    warnings = notes.lines
    if size is None:
        warnings.append("no pixel size: neither in the pages nor in the list beside")
    if not _is_monotonic(axis.values):
        warnings.append("the voltages neither rise nor fall throughout")
    return Frame(
        path="",
        driver=EnergySeriesDriver.name,
        driver_version=EnergySeriesDriver.version,
        modality=Modality.HYPERSPECTRAL,
        shape=(first.height, first.width),
        dtype=first.dtype.name,
        channels=tuple(_channel(value, axis) for value in axis.values),
        spectral_axis=axis.values,
        spectral_unit=axis.unit,
        pixel_size=size,
        stage=_header.stage(header),
        acquired_at=_header.acquired_at(header),
        instrument=_header.instrument(header) if header.sections else None,
        info_bar_rows=_bar_rows(header, first.height),
        extra=cleaned(
            {"axis": axis.source, "HV": header.get("Beam", "HV"),
             "User": header.get("User", "User"),
             "UserText": header.get("User", "UserText")}
        ),
        warnings=tuple(warnings),
    )  # fmt: skip


def _axis(source: SourceFile, headers: list[_header.ThermoHeader]) -> _Axis:
    """A list beside the file decides: somebody wrote it for this very series."""
    beside = _list_beside(source)
    if beside is not None:
        listed = _table.read_table(beside, len(headers))
        return _Axis(
            values=listed.axis,
            unit=listed.unit,
            source=beside.name,
            pixel_um=listed.pixel_um,
            warnings=beside.warnings,
        )
    volts = [header.number(_DETECTOR, _VOLTAGE) for header in headers]
    known = tuple(v for v in volts if v is not None)
    if len(known) < len(volts):
        raise RefusedFileError(
            f"page {volts.index(None) + 1} of {len(volts)} states no mirror voltage: "
            "export it again, or list the voltages in a text beside it"
        )
    return _Axis(values=known, unit="V", source=f"{_DETECTOR}/{_VOLTAGE}")


def _channel(value: float, axis: _Axis) -> Channel:
    return Channel(
        name=f"{value:.4g} {axis.unit}",
        kind=ChannelKind.SPECTRAL,
        kind_reason=f"{axis.source} = {value:.4g} {axis.unit}",
    )


def _is_monotonic(values: tuple[float, ...]) -> bool:
    steps = [b - a for a, b in pairwise(values)]
    return all(s > 0 for s in steps) or all(s < 0 for s in steps)


def _bar_rows(header: _header.ThermoHeader, height: int) -> int:
    rows = header.number("Image", "ResolutionY")
    below = height - int(rows) if rows is not None else 0
    return below if 0 <= below <= height // 2 else 0


DRIVER = EnergySeriesDriver()
