"""Open a Phenom image: facts from the XML, pixels as the plain reader has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from xml.etree.ElementTree import Element

from clemd.driver_api import FrameReader, SourceFile
from clemd.errors import ClemdError, IncompleteFileError
from clemd.model import Channel, Modality
from clemd_drivers.formats._backed import BackedReader
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._ifd import value_bytes
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._tiff import first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats._xml import BrokenXmlError, parse, text_at
from clemd_drivers.formats.plain import DRIVER as PLAIN

from . import _header

_TAGS = (34683, 34682, 34680)
_JPEG = b"\xff\xd8\xff"
_START, _END = b"<FeiImage", b"</FeiImage>"
_LONGEST_BYTES = 1 << 20
_TAIL_BYTES = 256 << 10


class PhenomDriver:
    """Reads images saved by Phenom desktop microscopes."""

    name = "phenom"
    version = "1"
    priority = 15
    """Before `thermo`, which takes every file with that tag."""

    def recognises(self, source: SourceFile) -> bool:
        """Has it the Phenom's XML, or the start of it?"""
        return bool(_xml(source))

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[BackedReader]:
        """Read the header; see `FormatDriver.open`."""
        with PLAIN.open(source) as plain:
            with guarded("reading the Phenom metadata"):
                reader = self._reader(source, plain)
            yield reader

    def _reader(self, source: SourceFile, plain: FrameReader) -> BackedReader:
        notes = Notes()
        root = _root(source, notes)
        size = _header.pixel_size(root, notes)
        if size is None:
            notes.add("no pixel size in the Phenom metadata")
        bar = _header.bar_rows(root, plain.frame.shape[0], notes)
        name, kind, reason = _header.channel(root)
        frame = replace(
            plain.frame,
            driver=self.name,
            driver_version=self.version,
            modality=Modality.SEM,
            pixel_size=size,
            stage=_header.stage(root, notes),
            acquired_at=_header.acquired_at(root, notes),
            instrument=_header.instrument(root),
            sample=clean(text_at(root, "databarLabel")) or None,
            extra=cleaned(_header.kept(root)),
        )
        facts = replace(frame, warnings=tuple(notes.lines))
        channel = Channel(name=name, kind=kind, kind_reason=reason)
        return BackedReader(plain, facts, channel, bar)


def _root(source: SourceFile, notes: Notes) -> Element:
    data = _xml(source)
    end = data.rfind(_END)
    if end < 0 and source.head.startswith(_JPEG):
        raise IncompleteFileError(
            "the Phenom metadata at the end of the file have no end yet",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        )
    try:
        return parse(data if end < 0 else data[: end + len(_END)])
    except BrokenXmlError:
        notes.add("the Phenom XML metadata cannot be parsed")
        return Element("FeiImage")


def _xml(source: SourceFile) -> bytes:
    """The XML from its declaration or root on; empty where there is none."""
    if source.head.startswith(_JPEG):
        start = max(0, source.size_bytes - _TAIL_BYTES)
        data = os.pread(source.fd, _TAIL_BYTES, start)
        return data[data.rfind(_START) :] if _START in data else b""
    directory = first_directory(source)
    for code in _TAGS if directory is not None else ():
        tag = directory.tags.get(code) if directory else None
        if tag is None or not 8 < tag.n_bytes <= _LONGEST_BYTES:
            continue
        try:
            data = value_bytes(source, tag).strip(b"\0 \t\r\n")
        except (ClemdError, OSError):
            continue
        if data.startswith(b"<") and _START in data[:4096]:
            return data
    return b""


DRIVER = PhenomDriver()
