"""Open an ENVI cube: the file of numbers, by the header that lies beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import ChangedFileError, RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd_drivers.formats import _spans
from clemd_drivers.formats._beside import Beside, text_beside
from clemd_drivers.formats._cube import MOST_CHANNELS, Bands, CubeReader
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._values import clean, cleaned

from ._header import (
    MARK,
    EnviHeader,
    acquired_at,
    as_cube,
    axis_of,
    ignored,
    is_envi,
    parse,
    pixel_size,
)

_CHUNK_BYTES = 32 << 20
_KEPT = ("description", "sensor type", "reflectance scale factor", "z plot titles")


class EnviDriver:
    """Reads ENVI cubes of all interleaves and byte orders; parses them itself."""

    name = "envi"
    version = "1"
    priority = 90

    def recognises(self, source: SourceFile) -> bool:
        """Does a header of ENVI lie beside it? The numbers themselves say nothing."""
        return _header_beside(source) is not None

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[CubeReader]:
        """Read the header; see `FormatDriver.open`."""
        with guarded("reading the ENVI header"):
            text = _header_beside(source)
            if text is None:
                raise RefusedFileError("no ENVI header beside the cube: copy it there")
            header = parse(text.lines)
            _spans.need(source, header.offset, header.n_bytes, "the ENVI cube")
            notes = Notes(clean(line) for line in text.warnings)
            beyond = source.size_bytes - header.offset - header.n_bytes
            if beyond:
                notes.add(f"{beyond} bytes after the last band are not used")
            axis, unit = axis_of(header, notes)
            bands = _bands(header, axis, unit, notes)
            channels = bands.channels() if axis else _numbered(header)
            frame = self._frame(header, bands, channels, bool(axis), notes)
        span = header.offset, header.offset + header.n_bytes
        yield CubeReader(source, frame, bands, _loader(source, header), [span])

    def _frame(
        self,
        header: EnviHeader,
        bands: Bands,
        channels: tuple[Channel, ...],
        placed: bool,
        notes: Notes,
    ) -> Frame:
        size = pixel_size(header, notes)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.HYPERSPECTRAL,
            shape=(header.lines, header.samples),
            dtype=bands.dtype(np.dtype(header.dtype)),
            channels=channels,
            pixel_size=size,
            acquired_at=acquired_at(header),
            instrument=clean(header.values.get("sensor type")) or None,
            axis=bands.axis if placed else (),
            axis_unit=bands.unit,
            extra=cleaned({key: header.values.get(key) for key in _KEPT}),
            warnings=tuple(notes.lines),
        )


def _header_beside(source: SourceFile) -> Beside | None:
    suffix = PurePath(source.path.name).suffix
    if suffix.lower() == ".hdr":
        return None
    found = text_beside(source, (f"{suffix}.hdr", ".hdr"), (MARK,))
    return found if found and is_envi(found.lines) else None


def _bands(
    header: EnviHeader, axis: tuple[float, ...], unit: str, notes: Notes
) -> Bands:
    if axis:
        return Bands(axis, unit, notes)
    if header.bands > MOST_CHANNELS:
        raise RefusedFileError(
            f"{header.bands} bands without wavelengths: export the wavelengths, or "
            f"at most {MOST_CHANNELS} bands"
        )
    return Bands(tuple(float(k + 1) for k in range(header.bands)), "", notes)


def _numbered(header: EnviHeader) -> tuple[Channel, ...]:
    """Channels by the names of the bands, else by their numbers."""
    names = header.listed("band names")
    named = names if len(names) == header.bands else [""] * header.bands
    return tuple(
        Channel(
            name=clean(name, 60) or f"band {number}",
            kind=ChannelKind.SPECTRAL,
            kind_reason="a band of a cube",
        )
        for number, name in enumerate(named, 1)
    )


def _loader(
    source: SourceFile, header: EnviHeader
) -> Callable[[int, int], NDArray[Any]]:
    empty = ignored(header)
    native = header.dtype.newbyteorder("=")

    def load(first: int, end: int) -> NDArray[Any]:
        shape = (end - first, header.lines, header.samples)
        block: NDArray[Any] = np.empty(shape, native)
        with source.stream() as stream:
            if header.interleave == "bsq":
                plane = header.lines * header.samples
                stream.seek(header.offset + first * plane * header.dtype.itemsize)
                for band in range(end - first):
                    block[band] = _read(stream, plane, header).reshape(shape[1:])
            else:
                each = header.bands * header.samples
                step = max(1, _CHUNK_BYTES // (each * header.dtype.itemsize))
                stream.seek(header.offset)
                for row in range(0, header.lines, step):
                    rows = min(step, header.lines - row)
                    part = as_cube(_read(stream, rows * each, header), header, rows)
                    block[:, row : row + rows] = part[first:end]
        if empty is not None and native.kind == "f":
            block[block == empty] = np.nan
        return block

    return load


def _read(stream: Any, count: int, header: EnviHeader) -> NDArray[Any]:
    raw = stream.read(count * header.dtype.itemsize)
    if len(raw) < count * header.dtype.itemsize:
        raise ChangedFileError("the file shrank while it was being read")
    return np.frombuffer(raw, header.dtype)


DRIVER = EnviDriver()
