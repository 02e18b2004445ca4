"""Open a SER file: its last image, and what the `.emi` beside it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from clemd.driver_api import SourceFile
from clemd.model import Frame, PixelSize
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._electron import channel_of, modality_of
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._raw import Pixels, RawReader, read_plane
from clemd_drivers.formats._values import cleaned

from . import _emi
from ._series import Element, is_ser, read_last

_KEPT = {
    "magnification": "Magnification",
    "mode": "Mode",
    "tension_kv": "High tension",
    "operator": "User",
    "tilt_beta_deg": "Stage B",
    "defocus": "Defocus",
}


class SerDriver:
    """Reads SER files of TIA (Tecnai, Titan); parses them itself."""

    name = "ser"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as SER files do?"""
        return is_ser(source.head)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[RawReader]:
        """Read the header and the `.emi`; see `FormatDriver.open`."""
        notes = Notes()
        with guarded("reading the SER header"):
            element = read_last(source)
            frame = self._frame(element, _emi.read_emi(source, notes), notes)

        def decode(*_: object) -> Pixels:
            rows = read_plane(source, element.offset, element.shape, element.dtype)
            return np.ascontiguousarray(rows[::-1])  # stored from below

        span = element.offset, element.offset + element.n_bytes
        yield RawReader(source, frame, [PlaneKey()], decode, [span])

    def _frame(self, element: Element, emi: _emi.Emi, notes: Notes) -> Frame:
        if element.n_planned > 1:
            notes.add(f"time point {element.index + 1} of {element.n_planned}")
        microscope = emi.text("Microscope")
        modality = modality_of([microscope], _emi.tension_kv(emi))
        size = _pixel_size(element, notes)
        pose = _emi.stage(emi, notes)
        moment = _emi.acquired_at(emi, notes) or element.taken_at
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality,
            shape=element.shape,
            dtype=element.dtype.name,
            channels=(channel_of("", modality),),
            pixel_size=size,
            stage=pose,
            acquired_at=moment,
            instrument=" ".join(w for w in (emi.maker, microscope) if w) or None,
            extra=cleaned({key: emi.text(label) for key, label in _KEPT.items()}),
            warnings=tuple(notes.lines),
        )


def _pixel_size(element: Element, notes: Notes) -> PixelSize | None:
    x, y = (
        notes.size_um(f"CalibrationDelta{axis}", f"{delta:.9g}", 1e6)
        for axis, delta in zip("XY", element.delta_m, strict=True)
    )
    return size_of_edges("CalibrationDelta", x, y, notes)


DRIVER = SerDriver()
