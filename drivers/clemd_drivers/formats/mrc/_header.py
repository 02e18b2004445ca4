"""The header of an MRC file, and what Thermo Fisher writes behind it."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._spans import need, read
from clemd_drivers.formats._values import clean

HEADER_BYTES = 1024
_MARKS = (b"MAP ", b"MAP\0")
_MODES = {1: "i2", 2: "f4", 6: "u2", 12: "f2"}
_REFUSED = {
    3: "a Fourier transform",
    4: "a Fourier transform",
    16: "an image in colour",
    101: "an image of 4 bits",
}
_MOST_PX = 1 << 20
_MOST_BEHIND_BYTES = 1 << 30
_IMOD, _SIGNED = 1_146_047_817, 1
_THERMO_NEEDS_BYTES = 172
_A_UM = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class MrcHeader:
    """What the first kilobyte says."""

    shape: tuple[int, int]
    """(height, width) of a section in px."""
    n_sections: int
    dtype: np.dtype[Any]
    data_offset: int
    kind_behind: str
    """Type of the extended header."""
    cell_um: tuple[float | None, float | None]
    """Pixel edges by the cell, along x and y."""
    labels: tuple[str, ...]

    @property
    def section_bytes(self) -> int:
        """Of one section."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    def offset(self, section: int) -> int:
        """Where a section starts."""
        return self.data_offset + section * self.section_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What Thermo Fisher's extended header says; lengths in metres."""

    microscope: str = ""
    volts: str | None = None
    tilt_deg: str | None = None
    stage_m: tuple[str | None, ...] = (None, None, None)
    pixel_m: tuple[str | None, str | None] = (None, None)


def is_mrc(head: bytes) -> bool:
    """Does a file with these first bytes start as MRC files do?"""
    if len(head) < 216 or head[208:212] not in _MARKS:
        return False
    nx, ny, nz, mode = struct.unpack_from(_order(head) + "4i", head)
    known = mode in {0, *_MODES, *_REFUSED}
    return known and all(0 < count <= _MOST_PX for count in (nx, ny, nz))


def read_header(source: SourceFile, notes: Notes) -> MrcHeader:
    """The header, with every section inside the file.

    Raises:
        IncompleteFileError: sections reach past the end.
        RefusedFileError: samples that are no image, or absurd sizes.
    """
    need(source, 0, HEADER_BYTES, "the MRC header")
    head = source.head
    order = _order(head)
    nx, ny, nz, mode = struct.unpack_from(order + "4i", head)
    mx, my = struct.unpack_from(order + "2i", head, 28)
    cells = struct.unpack_from(order + "2f", head, 40)
    (behind,) = struct.unpack_from(order + "i", head, 92)
    if mode in _REFUSED:
        raise RefusedFileError(f"{_REFUSED[mode]} (MRC mode {mode}): export TIFF")
    if not 0 <= behind <= _MOST_BEHIND_BYTES:
        raise RefusedFileError(
            f"an extended MRC header of {behind} bytes: export the image again"
        )
    dtype = np.dtype(_bytes_of(head, order) if mode == 0 else _MODES[mode])
    header = MrcHeader(
        shape=(ny, nx),
        n_sections=nz,
        dtype=dtype.newbyteorder(order),
        data_offset=HEADER_BYTES + behind,
        kind_behind=head[104:108].decode("ascii", "replace") if behind else "",
        cell_um=(_cell("x", cells[0], mx, notes), _cell("y", cells[1], my, notes)),
        labels=_labels(head, order),
    )
    total = header.section_bytes * nz
    need(source, header.data_offset, total, f"{nz} MRC sections")
    return header


def _order(head: bytes) -> Literal["<", ">"]:
    if head[212] in {0x11, 0x44}:
        return ">" if head[212] == 0x11 else "<"
    nx, ny, nz = struct.unpack_from("<3i", head)
    return "<" if all(0 < count <= _MOST_PX for count in (nx, ny, nz)) else ">"


def _bytes_of(head: bytes, order: str) -> str:
    """Bytes are signed by the standard; IMOD says so, others show it."""
    stamp, flags = struct.unpack_from(order + "2i", head, 152)
    if stamp == _IMOD:
        return "i1" if flags & _SIGNED else "u1"
    least, most = struct.unpack_from(order + "2f", head, 76)
    return "u1" if least >= 0 and 127 < most <= 255 else "i1"


def _cell(axis: str, length_a: float, samples: int, notes: Notes) -> float | None:
    if length_a == 0 or samples <= 0:
        return None
    if length_a == samples:
        notes.add("the MRC cell has pixels of exactly 1 Å: taken as not stated")
        return None
    name = f"MRC cell {axis}/{samples}"
    return notes.size_um(name, f"{length_a / samples:.9g}", _A_UM)


def _labels(head: bytes, order: str) -> tuple[str, ...]:
    (count,) = struct.unpack_from(order + "i", head, 220)
    texts = (head[224 + 80 * i : 304 + 80 * i] for i in range(min(max(count, 0), 10)))
    labels = (clean(text.decode("latin-1"), 80) for text in texts)
    return tuple(label for label in labels if label)


def read_behind(source: SourceFile, header: MrcHeader, section: int) -> Behind | None:
    """Thermo Fisher's record of one section, or None."""
    if header.kind_behind not in {"FEI1", "FEI2"}:
        return None
    room = header.data_offset - HEADER_BYTES
    if room < _THERMO_NEEDS_BYTES:
        return None
    first = read(source, HEADER_BYTES, 4, "the extended MRC header", limit=4)
    (size,) = struct.unpack("<i", first)
    start = size * section
    if size < _THERMO_NEEDS_BYTES or start + size > room:
        return None
    data = read(
        source,
        HEADER_BYTES + start,
        _THERMO_NEEDS_BYTES,
        "the extended MRC header",
        limit=_THERMO_NEEDS_BYTES,
    )
    return _behind(data)


def _behind(data: bytes) -> Behind:
    (valid,) = struct.unpack_from("<I", data, 8)

    def number(bit: int, at: int) -> str | None:
        if not valid >> bit & 1:
            return None
        return f"{struct.unpack_from('<d', data, at)[0]:.9g}"

    names = (data[20:36], data[36:52])
    words = (name.partition(b"\0")[0].decode("latin-1") for name in names)
    return Behind(
        microscope=clean(" ".join(words)),
        volts=number(5, 84),
        tilt_deg=number(7, 100),
        stage_m=(number(9, 116), number(10, 124), number(11, 132)),
        pixel_m=(number(14, 156), number(15, 164)),
    )
