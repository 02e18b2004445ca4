"""Open an Odemis file: a cube of spectra, or one of the scans that go with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import FrameReader, SourceFile
from clemd.errors import ClemdError, RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd_drivers.formats import _hdf5
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._cube import Bands, CubeReader
from clemd_drivers.formats._first import StandingImage
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._raw import Pixels, RawReader
from clemd_drivers.formats._spans import unwritten
from clemd_drivers.formats._values import clean, cleaned

from . import _acquisitions as _facts
from ._acquisitions import Acquisition


class DelmicDriver(StandingImage):
    """Reads HDF5 files of Odemis through the HDF5 library."""

    name = "delmic"
    version = "1"
    priority = 31

    def recognises(self, source: SourceFile) -> bool:
        """Is it HDF5, with acquisitions as Odemis writes them?"""
        if not source.head.startswith(_hdf5.MAGIC) or _hdf5.library() is None:
            return False
        try:
            with guarded("reading the HDF5 file"):
                _hdf5.check_length(source)
                with _hdf5.opened(source) as root:
                    return _hdf5.child(root, "Acquisition0", "ImageData") is not None
        except ClemdError:
            # An incomplete one is ours by its name.
            return source.path.suffix.lower() == ".h5"

    def positions(self, source: SourceFile) -> int:
        """How many acquisitions show the specimen.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with _read_root(source) as root:
            return len(_facts.acquisitions(root)[0])

    @contextmanager
    def open_at(
        self, source: SourceFile, position: int | None
    ) -> Iterator[FrameReader]:
        """Read one acquisition, counted from zero.

        None = the first cube, else the largest image.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with _read_root(source) as root:
            with guarded("reading the Odemis metadata"):
                found, _ = _facts.acquisitions(root)
                notes = Notes()
                chosen = _facts.standing(found) if position is None else position
                one = found[chosen]
                if position is None and len(found) > 1:
                    notes.add(
                        f"{len(found)} images in the file: number {chosen + 1}, "
                        f"{one.title!r}, is used"
                    )
                spans = _hdf5.spans(source, one.data)
                reader = self._opened(source, one, spans, notes)
            yield reader

    def _opened(
        self,
        source: SourceFile,
        one: Acquisition,
        spans: list[tuple[int, int]],
        notes: Notes,
    ) -> FrameReader:
        if not one.is_cube:
            channel = (_channel(one),)
            frame = self._frame(one, channel, one.data.dtype.name, notes)
            keys = [PlaneKey(t=t, z=z) for t in range(one.data.shape[1])
                    for z in range(one.data.shape[2])]  # fmt: skip

            def decode(_: int, key: PlaneKey) -> Pixels:
                stored = np.asarray(one.data[0, key.t, key.z])
                return stored.astype(stored.dtype.newbyteorder("="), copy=False)

            return RawReader(source, frame, keys, decode, spans)
        axis, unit = _facts.axis_of(one, notes)
        bands = Bands(axis or tuple(map(float, range(1, one.bands + 1))), unit, notes)
        dtype = bands.dtype(np.dtype(one.data.dtype))
        placed = bands if axis else None
        frame = self._frame(one, bands.channels(), dtype, notes, placed)

        def load(first: int, end: int) -> NDArray[Any]:
            return np.asarray(one.data[first:end, -1, 0])

        return CubeReader(source, frame, bands, load, spans)

    def _frame(
        self,
        one: Acquisition,
        channels: tuple[Channel, ...],
        dtype: str,
        notes: Notes,
        bands: Bands | None = None,
    ) -> Frame:
        size, pose = _facts.pixel_size(one, notes), _facts.stage(one, notes)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=one.modality,
            shape=one.shape,
            dtype=dtype,
            channels=channels,
            pixel_size=size,
            stage=pose,
            acquired_at=_facts.acquired_at(one),
            instrument="Delmic",
            ids=_facts.plane_of(one),
            spectral_axis=() if bands is None else bands.axis,
            spectral_unit="" if bands is None else bands.unit,
            extra=cleaned({"title": one.title, "detector": one.hardware}),
            warnings=tuple(notes.lines),
        )


def _channel(one: Acquisition) -> Channel:
    title = one.title
    if one.modality is Modality.SEM and "cl " not in f"{title.lower()} ":
        return Channel(name=title, kind=ChannelKind.SE, kind_reason="named so")
    if one.modality is Modality.SEM:
        return Channel(
            name=title, kind=ChannelKind.SPECTRAL, kind_reason="cathodoluminescence"
        )
    return Channel(name=clean(title) or "image")


@contextmanager
def _read_root(source: SourceFile) -> Iterator[Any]:
    """The root group; what the library cannot read may be still to come."""
    with ExitStack() as stack:
        try:
            with guarded("reading the Odemis file"):
                _hdf5.check_length(source)
                root = stack.enter_context(_hdf5.opened(source))
        except RefusedFileError:
            if _hdf5.tail_is_zero(source):
                raise unwritten(source, source.size_bytes, "the HDF5 file") from None
            raise
        yield root


DRIVER = DelmicDriver()
