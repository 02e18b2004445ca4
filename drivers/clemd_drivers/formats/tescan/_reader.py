"""Open a TESCAN image: facts from the tag, or from the `.hdr` text beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import FrameReader, SourceFile
from clemd.model import Channel, Frame, Modality
from clemd_drivers.formats._backed import BackedReader
from clemd_drivers.formats._beside import hdr_endings, text_beside
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._ifd import Directory
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._tags import MAKE, MODEL, SAVED, short_text
from clemd_drivers.formats._tiff import first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats.plain import DRIVER as PLAIN

from . import _header

TAG = 50431
_MARKS = ("[MAIN]",)
_KEPT = (
    "Magnification", "HV", "AcceleratorVoltage", "WD", "DwellTime", "SpotSize",
    "ScanMode", "TiltCorrection", "ImageShiftX", "ImageShiftY", "UserName",
    "Description", "Note", "SoftwareVersion", "Version", "OrigFileName", "SessionID",
)  # fmt: skip


class TescanReader(BackedReader):
    """One opened image; several views side by side become channels."""

    def __init__(
        self,
        plain: FrameReader,
        facts: Frame,
        channels: tuple[Channel, ...],
        bar_rows: int | None,
    ) -> None:
        self._views = channels
        super().__init__(plain, facts, channels[0], bar_rows)

    def plane(self, channel: int) -> NDArray[np.generic]:
        """One view, bar included."""
        if len(self._views) == 1:
            return super().plane(channel)
        width = self.frame.shape[1]
        whole = super().plane(0)
        return np.ascontiguousarray(whole[:, channel * width : (channel + 1) * width])

    def _joined(self) -> Frame:
        frame = super()._joined()
        if len(self._views) == 1:
            return frame
        height, width = frame.shape
        shape = (height, width // len(self._views))
        return replace(frame, shape=shape, channels=self._views)


class TescanDriver:
    """Reads images saved by TESCAN microscopes."""

    name = "tescan"
    version = "1"
    priority = 40

    def recognises(self, source: SourceFile) -> bool:
        """Has it TESCAN's tag or make, or TESCAN's text beside it?"""
        directory = first_directory(source)
        if directory is not None:
            tag = directory.tags.get(TAG)
            if tag is not None and tag.n_bytes > 8:
                return True
            if short_text(source, directory, MAKE).upper().startswith("TESCAN"):
                return True
        if not PLAIN.recognises(source):
            return False
        return text_beside(source, hdr_endings(source), _MARKS) is not None

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[TescanReader]:
        """Read the header; see `FormatDriver.open`."""
        with PLAIN.open(source) as plain:
            with guarded("reading the TESCAN metadata"):
                directory = first_directory(source)
                notes = Notes()
                header = _find(source, directory, notes)
                reader = self._reader(source, directory, header, plain, notes)
            yield reader

    def _reader(
        self,
        source: SourceFile,
        directory: Directory | None,
        header: _header.TescanHeader,
        plain: FrameReader,
        notes: Notes,
    ) -> TescanReader:
        height, width = plain.frame.shape
        views = _header.views(header, width, notes)
        size = _header.pixel_size(header, width // views, notes)
        # Fiji keeps a calibration of its own in what it saves again.
        size = size or plain.frame.pixel_size
        if size is None:
            notes.add("no pixel size in the TESCAN metadata")
        bar = _header.bar_rows(header, height, notes)
        frame = replace(
            plain.frame,
            driver=self.name,
            driver_version=self.version,
            modality=Modality.SEM,
            pixel_size=size,
            stage=_header.stage(header, notes),
            acquired_at=_header.acquired_at(
                header, short_text(source, directory, SAVED), notes
            ),
            instrument=_header.instrument(header, short_text(source, directory, MODEL)),
            sample=clean(header.get("Sign")) or None,
            extra=cleaned({key: header.get(key) for key in _KEPT}),
        )
        if any(_shifted(header, axis) for axis in "XY"):
            notes.add("image shift is not zero: the stage position is less certain")
        facts = replace(frame, warnings=tuple(notes.lines))
        return TescanReader(plain, facts, _channels(header, views), bar)


def _find(
    source: SourceFile, directory: Directory | None, notes: Notes
) -> _header.TescanHeader:
    if directory is not None and TAG in directory.tags:
        found = _header.from_tag(directory.text(source, TAG), directory.order)
        if found.sections:
            return found
    beside = text_beside(source, hdr_endings(source), _MARKS)
    if beside is None:
        wanted = source.path.stem + hdr_endings(source)[0]
        notes.add(f"the TESCAN metadata are missing: no {clean(wanted)} beside it")
        return _header.TescanHeader()
    for line in beside.warnings:
        notes.add(clean(line))
    return _header.from_lines(beside.lines)


def _shifted(header: _header.TescanHeader, axis: str) -> bool:
    return bool((header.get(f"ImageShift{axis}") or "0").strip("-+0.,eE "))


def _channels(header: _header.TescanHeader, views: int) -> tuple[Channel, ...]:
    names = [clean(header.get(f"Detector{k}")) for k in range(views)]
    if views == 1:
        names = [clean(header.get("Detector")) or names[0]]
    channels = []
    for index, name in enumerate(names):
        kind, reason = _header.channel_kind(name)
        shown = name or ("SEM" if views == 1 else f"view {index}")
        channels.append(Channel(name=shown, kind=kind, kind_reason=reason))
    return tuple(channels)


DRIVER = TescanDriver()
