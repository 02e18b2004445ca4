"""Open a Velox file: the detectors of its largest scan, and its facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from clemd.driver_api import SourceFile
from clemd.errors import ClemdError, RefusedFileError
from clemd.model import Frame, Modality
from clemd_drivers.formats import _hdf5
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._raw import Pixels, RawReader
from clemd_drivers.formats._spans import unwritten
from clemd_drivers.formats._values import cleaned

from . import _facts
from ._images import Image, choose_images


class EmdDriver:
    """Reads EMD files of Velox through the HDF5 library."""

    name = "emd"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Is it HDF5, and by its content or its name an EMD file?"""
        if not source.head.startswith(_hdf5.MAGIC):
            return False
        # An incomplete one, or one whose extra is missing, is ours by its name.
        if source.path.suffix.lower() == ".emd":
            return True
        return _hdf5.library() is not None and _is_velox(source)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[RawReader]:
        """Read the metadata; see `FormatDriver.open`."""
        with ExitStack() as stack:
            with _maybe_unwritten(source), guarded("reading the EMD file"):
                _hdf5.check_length(source)
                root = stack.enter_context(_hdf5.opened(source))
                images, said = choose_images(source, root)
                spans = [s for i in images for s in _hdf5.spans(source, i.data)]
                frame = self._frame(images, Notes(said))

            def decode(channel: int, key: PlaneKey) -> Pixels:
                plane = images[channel].data[:, :, key.t]
                return np.asarray(plane, images[channel].dtype)

            keys = [PlaneKey(t=index) for index in range(images[0].n_frames)]
            yield RawReader(source, frame, keys, decode, spans)

    def _frame(self, images: list[Image], notes: Notes) -> Frame:
        first, facts = images[0], images[0].facts
        size = _facts.pixel_size(facts, notes)
        pose = _facts.stage(facts, notes)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.TEM,
            shape=first.shape,
            dtype=first.dtype.name,
            channels=_facts.channels(images),
            pixel_size=size,
            stage=pose,
            acquired_at=_facts.acquired_at(facts),
            instrument=_facts.instrument(facts),
            sample=_facts.sample(facts),
            extra=cleaned(_facts.remarks(facts)),
            warnings=tuple(notes.lines),
        )


@contextmanager
def _maybe_unwritten(source: SourceFile) -> Iterator[None]:
    """What the library cannot read may be still to come."""
    try:
        yield
    except RefusedFileError:
        if _hdf5.tail_is_zero(source):
            raise unwritten(source, source.size_bytes, "the HDF5 file") from None
        raise


def _is_velox(source: SourceFile) -> bool:
    try:
        with guarded("reading the EMD file"):
            _hdf5.check_length(source)
            with _hdf5.opened(source) as root:
                return hasattr(_hdf5.child(root, "Data", "Image"), "keys")
    except ClemdError:
        return False


DRIVER = EmdDriver()
