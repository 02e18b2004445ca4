"""Open an LSM file: facts from its record, one plane per channel of one position."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import Frame, Modality, PixelSize, StagePose
from clemd_drivers.formats import _ifd, _spans
from clemd_drivers.formats._choosing import choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._layout import orientation_doubts
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import cleaned

from ._channels import channels
from ._info import TAG, LsmInfo, colour_names, parse_info, table
from ._pages import LsmPage, decode, read_pages
from ._scan import Block, read_scan
from ._series import Series, build_series

_PLANE_SCANS = {0, 3, 6}
_OLE_START = datetime(1899, 12, 30)  # noqa: DTZ001 - local time of the instrument
_OLE_DAYS = (29_221.0, 80_000.0)
_NAME, _DESCRIPTION, _NOTES, _OBJECTIVE, _USER, _START = 1, 2, 3, 4, 0x47, 0x36


class LsmReader:
    """One position of an opened LSM file."""

    def __init__(self, source: SourceFile, series: Series, frame: Frame) -> None:
        self._source = source
        self._series = series
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        chosen = choose(
            facts.kind,
            tuple(self._series.planes),
            lambda key: self._series.assemble(
                key, lambda page: decode(self._source, page, channel)
            ),
            self._source.stack,
        )
        if chosen.said:
            self._warn(f"channel {facts.name!r}: {chosen.said}")
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        with guarded("reading the tail"):
            strips = (s for page in self._series.pages for s in page.strips)
            _spans.check_tail(self._source, [(at, at + n) for at, n in strips])

    def _warn(self, text: str) -> None:
        if text not in self.frame.warnings:
            self.frame = replace(self.frame, warnings=(*self.frame.warnings, text))


class LsmDriver:
    """Reads files of Zeiss LSM 5 to LSM 880 confocals."""

    name = "lsm"
    version = "1"
    priority = 20

    def recognises(self, source: SourceFile) -> bool:
        """Has it the LSM record?"""
        directory = _ifd.first_directory(source)
        return directory is not None and TAG in directory.tags

    def positions(self, source: SourceFile) -> int:
        """How many positions the file holds.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the LSM record"):
            return _info(source).n_positions

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[LsmReader]:
        """Read the header and the first position; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(self, source: SourceFile, position: int | None) -> Iterator[LsmReader]:
        """Read one position, counted from zero; None = the first.

        All positions are of one size.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the LSM record"):
            info = _info(source)
            pages = read_pages(source)
            size, doubts = _pixel_size(info)
            doubts += orientation_doubts(source, next(_ifd.directories(source)))
            tiles = table(source, info.tiles_at, 3)
            series = build_series(info, pages, position or 0, size, tiles)
            if position is None and info.n_positions > 1:
                doubts.append(
                    f"{info.n_positions} positions in the file: the first is used"
                )
            frame = self._frame(source, info, pages[0], position or 0)
            frame = replace(
                frame,
                pixel_size=size,
                shape=series.shape,
                warnings=(*doubts, *series.remarks),
            )
        yield LsmReader(source, series, frame)

    def _frame(
        self, source: SourceFile, info: LsmInfo, page: LsmPage, position: int
    ) -> Frame:
        scan = read_scan(source, info.scan_at)
        bands = table(source, info.wavelengths_at, 2)
        names = colour_names(source, info)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.CLSM,
            shape=page.shape,
            dtype=page.dtype.name,
            channels=channels(scan, names, bands, page.samples),
            stage=_stage(info, table(source, info.positions_at, 3), position),
            acquired_at=_acquired_at(scan),
            instrument="Zeiss LSM",
            extra=cleaned(
                {
                    "title": scan.text(_NAME),
                    "description": scan.text(_DESCRIPTION),
                    "notes": scan.text(_NOTES),
                    "objective": scan.text(_OBJECTIVE),
                    "user": scan.text(_USER),
                }
            ),
        )


def _info(source: SourceFile) -> LsmInfo:
    directory = next(_ifd.directories(source))
    if directory.order != "<" or TAG not in directory.tags:
        raise RefusedFileError("an LSM file without its record: export it again")
    info = parse_info(_ifd.value_bytes(source, directory.tags[TAG]))
    if info.scan_type not in _PLANE_SCANS:
        raise RefusedFileError(
            f"an LSM scan of type {info.scan_type} is a line, a section or a point: "
            "export an x-y image"
        )
    return info


def _pixel_size(info: LsmInfo) -> tuple[PixelSize | None, list[str]]:
    x, y = (
        value * 1e6 if math.isfinite(value) and value > 0 else None
        for value in info.voxel_m
    )
    notes = Notes()
    size = size_of_edges("LSM VoxelSizeX", x, y, notes)
    if size is None:
        notes.add("no pixel size in the LSM record")
    return size, notes.lines


def _stage(
    info: LsmInfo, positions_m: NDArray[np.float64], position: int
) -> StagePose | None:
    """Origin plus the position's own place; nothing where both say nothing."""
    place = np.array(info.origin_m)
    if position < len(positions_m):
        place = place + positions_m[position]
    if not np.isfinite(place).all() or not place.any() or abs(place).max() > 1.0:
        return None
    x, y, z = (float(value) * 1e6 for value in place)
    return StagePose(x_um=x, y_um=y, z_um=z)


def _acquired_at(scan: Block) -> datetime | None:
    """Start of the scan: days since 1899, local time without a zone."""
    days = scan.number(_START)
    first, last = _OLE_DAYS
    if days is None or not first < days < last:
        return None
    return _OLE_START + timedelta(days=days)


DRIVER = LsmDriver()
