"""Open a JEOL image: pixels from the image, facts from the text beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from clemd.driver_api import FrameReader, SourceFile
from clemd.model import Channel
from clemd_drivers.formats._backed import BackedReader
from clemd_drivers.formats._beside import text_beside
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes, scanned_area
from clemd_drivers.formats._tags import DESCRIPTION, MAKE, short_text
from clemd_drivers.formats._tiff import first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats.plain import DRIVER as PLAIN

from . import _header

_ENDINGS = (".txt",)
_MARKS = ("$CM_", "$$SM_", "$SEM_DATA_VERSION")
_KEPT = (
    "CM_MAG", "CM_ACCEL_VOLT", "CM_ACCEL_VOLTAGE", "SM_WD", "SM_MICRON_MARKER",
    "CM_OPERATOR", "CM_COMMENT", "CM_VERSION", "CM_SCAN_MODE", "SM_EMI_CURRENT",
)  # fmt: skip


class JeolDriver:
    """Reads images saved by JEOL scanning microscopes."""

    name = "jeol"
    version = "1"
    priority = 60

    def recognises(self, source: SourceFile) -> bool:
        """Lies JEOL's text beside it, or does the image name JEOL as its maker?"""
        if not PLAIN.recognises(source):
            return False
        return _is_jeols(source) or text_beside(source, _ENDINGS, _MARKS) is not None

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[BackedReader]:
        """Read the header; see `FormatDriver.open`."""
        with PLAIN.open(source) as plain:
            with guarded("reading the JEOL metadata"):
                reader = self._reader(source, plain)
            yield reader

    def _reader(self, source: SourceFile, plain: FrameReader) -> BackedReader:
        notes = Notes()
        header = _find(source, notes)
        height, width = plain.frame.shape
        full = scanned_area(_header.full_size(header, notes), (height, width), notes)
        size = _header.pixel_size(header, width, full, notes)
        # Fiji keeps a calibration of its own in what it saves again.
        size = size or plain.frame.pixel_size
        if size is None:
            notes.add("no pixel size in the JEOL metadata")
        bar = _header.bar_rows(width, height, full, notes)
        name, kind, reason = _header.channel(header)
        model = clean(header.get("CM_INSTRUMENT"))
        frame = replace(
            plain.frame,
            driver=self.name,
            driver_version=self.version,
            modality=_header.modality(header),
            pixel_size=size,
            stage=_header.stage(header, notes),
            acquired_at=_header.acquired_at(header, notes),
            instrument=f"JEOL {model}".strip(),
            sample=clean(header.get("CM_TITLE")) or None,
            extra=cleaned({key: header.get(key) for key in _KEPT}),
        )
        facts = replace(frame, warnings=tuple(notes.lines))
        channel = Channel(name=name, kind=kind, kind_reason=reason)
        return BackedReader(plain, facts, channel, bar)


def _find(source: SourceFile, notes: Notes) -> _header.JeolHeader:
    beside = text_beside(source, _ENDINGS, _MARKS)
    if beside is None:
        wanted = clean(f"{source.path.stem}.txt")
        notes.add(f"the JEOL metadata are missing: no {wanted} beside it")
        return _header.JeolHeader()
    for line in beside.warnings:
        notes.add(clean(line))
    return _header.parse(beside.lines)


def _is_jeols(source: SourceFile) -> bool:
    directory = first_directory(source)
    if not short_text(source, directory, MAKE).upper().startswith("JEOL"):
        return False
    # Transmission microscopes of JEOL write XML into the description: not read here.
    tag = directory.tags.get(DESCRIPTION) if directory else None
    return tag is None or not (
        tag.n_bytes > 1000 or short_text(source, directory, DESCRIPTION).startswith("<")
    )


DRIVER = JeolDriver()
