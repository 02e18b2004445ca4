"""Which section of a stack becomes the image; the pieces of a montage become one.

SerialEM counts rows from below: coordinates here do too, and the image is turned over
at the end.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._raw import Pixels, read_plane
from clemd_drivers.formats._values import number

from ._header import MrcHeader
from ._mdoc import Mdoc, numbers

_SPARSEST = 64
_ALIGNED, _PLANNED = ("AlignedPieceCoordsVS", "AlignedPieceCoords"), "PieceCoordinates"
_TILTED_DEG = 0.5
_FARTHEST_PX = 1e6


@dataclass(frozen=True, slots=True)
class Choice:
    """Sections and the left lower corner of each on the canvas."""

    shape: tuple[int, int]
    """(height, width) of the canvas in px."""
    places: tuple[tuple[int, int, int], ...]
    """(section, x, y) in px, y upwards."""

    @property
    def first(self) -> int:
        """The section whose facts are the image's."""
        return self.places[0][0]


def choose_sections(header: MrcHeader, mdoc: Mdoc, notes: Notes) -> Choice:
    """The montage, else the least tilted section, else the first.

    Raises:
        RefusedFileError: pieces so far apart that they are no montage.
    """
    count = header.n_sections
    pieces = _pieces(header, mdoc)
    if len(pieces) > 1:
        choice = _canvas(header, pieces)
        said = f"a montage of {len(pieces)} pieces lies where the .mdoc places them"
        notes.add(f"{said}; its seams are not refined")
        left = count - len(pieces)
        if left > 0:
            notes.add(f"{left} sections are no part of the first montage")
        return choice
    tilts = {
        section: tilt
        for section, block in mdoc.sections.items()
        if section < count and (tilt := number(block.get("TiltAngle"))) is not None
    }
    section = 0
    if tilts and max(tilts.values()) - min(tilts.values()) > _TILTED_DEG:
        section = min(tilts, key=lambda at: (abs(tilts[at]), at))
        notes.add(f"section {section} of {count}, tilted by {tilts[section]:g}°")
    elif count > 1:
        notes.add(f"{count} sections: the first is used")
    return Choice(header.shape, ((section, 0, 0),))


def _pieces(header: MrcHeader, mdoc: Mdoc) -> dict[int, tuple[float, float]]:
    """Corner of each piece of the first montage; empty where there is none."""
    blocks = [(s, b) for s, b in sorted(mdoc.sections.items()) if s < header.n_sections]
    key = next((k for k in _ALIGNED if all(k in b for _, b in blocks)), _PLANNED)
    stated = {
        section: place
        for section, block in blocks
        if (place := numbers(block.get(key), 3)) is not None
    }
    level = next(iter(stated.values()), (0.0, 0.0, 0.0))[2]
    found = {s: (p[0], p[1]) for s, p in stated.items() if p[2] == level}
    return found if len(set(found.values())) > 1 else {}


def _canvas(header: MrcHeader, pieces: dict[int, tuple[float, float]]) -> Choice:
    height, width = header.shape
    xs, ys = ([place[axis] for place in pieces.values()] for axis in (0, 1))
    reach = max(abs(value) for value in (*xs, *ys))
    shape = (
        round(min(max(ys) - min(ys), _FARTHEST_PX)) + height,
        round(min(max(xs) - min(xs), _FARTHEST_PX)) + width,
    )
    room = _SPARSEST * len(pieces) * height * width
    if reach > _FARTHEST_PX or shape[0] * shape[1] > room:
        raise RefusedFileError(
            f"{len(pieces)} pieces lie on {shape[1]} x {shape[0]} px: export them apart"
        )
    places = tuple(
        (section, round(x - min(xs)), round(y - min(ys)))
        for section, (x, y) in pieces.items()
    )
    return Choice(shape, places)


def read_choice(source: SourceFile, header: MrcHeader, choice: Choice) -> Pixels:
    """The chosen section or the whole montage, first row at the top."""

    def section(index: int) -> Pixels:
        return read_plane(source, header.offset(index), header.shape, header.dtype)

    if len(choice.places) == 1:
        return np.ascontiguousarray(section(choice.first)[::-1])
    height, width = header.shape
    canvas = np.zeros(choice.shape, header.dtype.newbyteorder("="))
    for index, x, y in choice.places:
        canvas[y : y + height, x : x + width] = section(index)
    return np.ascontiguousarray(canvas[::-1])
