"""Open an OpenFIBSEM image: facts from the JSON, pixels from the plain reader."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from clemd.driver_api import FrameReader, SourceFile
from clemd.errors import ClemdError
from clemd.model import Channel, Modality
from clemd_drivers.formats._backed import BackedReader
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._tags import DESCRIPTION
from clemd_drivers.formats._tiff import first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats.plain import DRIVER as PLAIN

from . import _header

_LONGEST_BYTES = 1 << 20
_MARK = b'"beam_type"'
_OTHER_MARKS = (b'"microscope_state"', b'"pixel_size"', b'"hfw"')


class OpenFibsemDriver:
    """Reads images saved by OpenFIBSEM and the programs built on it."""

    name = "openfibsem"
    version = "1"
    priority = 80

    def recognises(self, source: SourceFile) -> bool:
        """Is the description an object that names a beam?"""
        text = _description(source)
        return (
            text.startswith(b"{")
            and _MARK in text
            and any(mark in text for mark in _OTHER_MARKS)
        )

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[BackedReader]:
        """Read the header; see `FormatDriver.open`."""
        with PLAIN.open(source) as plain:
            with guarded("reading the OpenFIBSEM metadata"):
                reader = self._reader(source, plain)
            yield reader

    def _reader(self, source: SourceFile, plain: FrameReader) -> BackedReader:
        notes = Notes()
        header = _header.parse(_description(source), notes)
        size = _header.pixel_size(header, plain.frame.shape, notes)
        if size is None:
            notes.add("no pixel size in the OpenFIBSEM metadata")
        if any(_shifted(header, axis) for axis in "xy"):
            notes.add("beam shift is not zero: the stage position is less certain")
        name, kind, reason = _header.channel(header)
        frame = replace(
            plain.frame,
            driver=self.name,
            driver_version=self.version,
            modality=Modality.SEM,
            pixel_size=size,
            stage=_header.stage(header, notes),
            acquired_at=_header.acquired_at(header, notes),
            instrument=_header.instrument(header),
            session=clean(header.text("experiment", "id")) or None,
            extra=_extra(header),
        )
        facts = replace(frame, warnings=tuple(notes.lines))
        channel = Channel(name=name, kind=kind, kind_reason=reason)
        return BackedReader(plain, facts, channel, None)


def _extra(header: _header.FibsemHeader) -> dict[str, str]:
    state = "microscope_state"
    return cleaned(
        {
            "beam_type": header.text("beam_type"),
            "label": header.text("label") or header.text("filename"),
            "path": header.text("save_path") or header.text("path"),
            "version": header.text("version"),
            "dwell_time_s": header.text("dwell_time"),
            "voltage_V": header.beam("voltage"),
            "beam_current_A": header.beam("beam_current"),
            "working_distance_m": header.beam("working_distance"),
            "shift_x_m": header.beam("shift", "x"),
            "shift_y_m": header.beam("shift", "y"),
            "coordinate_system": header.text(
                state, "absolute_position", "coordinate_system"
            )
            or header.text(state, "stage_position", "coordinate_system"),
        }
    )


def _shifted(header: _header.FibsemHeader, axis: str) -> bool:
    return (header.beam("shift", axis) or "0") not in {"0", "0.0", "-0.0"}


def _description(source: SourceFile) -> bytes:
    """The description; empty where there is none or none that is believable."""
    directory = first_directory(source)
    tag = directory.tags.get(DESCRIPTION) if directory else None
    if directory is None or tag is None or not 2 < tag.n_bytes <= _LONGEST_BYTES:
        return b""
    try:
        return directory.text(source, DESCRIPTION).lstrip()
    except (ClemdError, OSError):
        return b""


DRIVER = OpenFibsemDriver()
