"""Open a Hitachi image: pixels from the image, facts from the text beside or inside."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath, PureWindowsPath

from clemd.driver_api import FrameReader, SourceFile
from clemd.errors import ClemdError
from clemd.model import Channel
from clemd_drivers.formats._backed import BackedReader
from clemd_drivers.formats._beside import decoded, text_beside
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._ifd import Tag
from clemd_drivers.formats._notes import Notes, scanned_area
from clemd_drivers.formats._tags import MAKE, short_text
from clemd_drivers.formats._tiff import first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats.plain import DRIVER as PLAIN

from . import _header

_ENDINGS = (".txt",)
_TEXT_KINDS = {1, 2, 7}
_SHORTEST_BYTES, _LONGEST_BYTES, _HEAD_BYTES = 40, 1 << 20, 400
_KEPT = (
    "Magnification", "AcceleratingVoltage", "DecelerationVoltage", "WorkingDistance",
    "EmissionCurrent", "MicronMarker", "Condition", "DataNumber", "StagePositionR",
    "StagePositionT",
)  # fmt: skip


class HitachiDriver:
    """Reads images saved by Hitachi electron microscopes."""

    name = "hitachi"
    version = "1"
    priority = 70

    def recognises(self, source: SourceFile) -> bool:
        """Lies Hitachi's text beside it or in a tag, or is Hitachi named as maker?"""
        if not PLAIN.recognises(source):
            return False
        make = short_text(source, first_directory(source), MAKE)
        return (
            make.upper().startswith("HITACHI")
            or text_beside(source, _ENDINGS, _header.SECTIONS) is not None
            or bool(_text_inside(source))
        )

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[BackedReader]:
        """Read the header; see `FormatDriver.open`."""
        with PLAIN.open(source) as plain:
            with guarded("reading the Hitachi metadata"):
                reader = self._reader(source, plain)
            yield reader

    def _reader(self, source: SourceFile, plain: FrameReader) -> BackedReader:
        notes = Notes()
        header = _header.parse(_find(source, notes))
        height, width = plain.frame.shape
        scanned = scanned_area(_header.data_size(header, notes), (height, width), notes)
        size = _header.pixel_size(header, width, scanned, notes)
        # Fiji keeps a calibration of its own in what it saves again.
        size = size or plain.frame.pixel_size
        if size is None:
            notes.add("no pixel size in the Hitachi metadata")
        _check_name(source, header, notes)
        bar = _header.bar_rows(width, height, scanned, notes)
        name, kind, reason = _header.channel(header)
        frame = replace(
            plain.frame,
            driver=self.name,
            driver_version=self.version,
            modality=header.modality,
            pixel_size=size,
            stage=_header.stage(header, notes),
            acquired_at=_header.acquired_at(header, notes),
            instrument=_header.instrument(header),
            sample=clean(header.get("SampleName")) or None,
            extra=cleaned({key: header.get(key) for key in _KEPT}),
        )
        facts = replace(frame, warnings=tuple(notes.lines))
        channel = Channel(name=name, kind=kind, kind_reason=reason)
        return BackedReader(plain, facts, channel, bar)


def _find(source: SourceFile, notes: Notes) -> Sequence[str]:
    beside = text_beside(source, _ENDINGS, _header.SECTIONS)
    if beside is not None:
        for line in beside.warnings:
            notes.add(clean(line))
        return beside.lines
    inside = _text_inside(source)
    if not inside:
        wanted = clean(f"{source.path.stem}.txt")
        notes.add(f"the Hitachi metadata are missing: no {wanted} beside it")
    return inside.splitlines()


def _text_inside(source: SourceFile) -> str:
    """The text where some models put it: a tag of the TIFF file; else empty."""
    directory = first_directory(source)
    if directory is None:
        return ""
    for code, tag in directory.tags.items():
        if not _holds_section(source, tag):
            continue
        try:
            return decoded(directory.text(source, code))
        except (ClemdError, OSError):
            continue
    return ""


def _holds_section(source: SourceFile, tag: Tag) -> bool:
    """Does it start as the text does? Looks at no more than its first bytes."""
    if tag.kind not in _TEXT_KINDS:
        return False
    if not _SHORTEST_BYTES <= tag.n_bytes <= _LONGEST_BYTES:
        return False
    head = os.pread(source.fd, min(tag.n_bytes, _HEAD_BYTES), tag.offset)
    return any(section in decoded(head) for section in _header.SECTIONS)


def _check_name(
    source: SourceFile, header: _header.HitachiHeader, notes: Notes
) -> None:
    """Note where the text was written for an image of another name."""
    named = PureWindowsPath(clean(header.get("ImageName"))).stem
    if named and named.lower() != PurePath(source.path.name).stem.lower():
        notes.add(f"the text was written for {named}: the image has been renamed")


DRIVER = HitachiDriver()
