"""The record that makes a TIFF file an LSM file, and the tables that it points to."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd_drivers.formats._spans import read

TAG = 34412
_MAGICS = {0x0300494C, 0x0400494C}
_RECORD_BYTES = 380
_MAX_TABLE = 100_000
# Where the fields are: name -> (offset, form).
_FIELDS = {
    "magic": (0, "I"), "z": (16, "i"), "c": (20, "i"), "t": (24, "i"),
    "voxel_x_m": (40, "d"), "voxel_y_m": (48, "d"),
    "origin_x_m": (64, "d"), "origin_y_m": (72, "d"), "origin_z_m": (80, "d"),
    "scan_type": (88, "H"), "colours_at": (108, "I"), "scan_at": (124, "I"),
    "wavelengths_at": (204, "I"), "p": (264, "i"), "m": (268, "i"),
    "tiles_at": (336, "I"), "positions_at": (376, "I"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class LsmInfo:
    """Sizes, lengths in metres, and where the tables are; 0 where nothing is said."""

    n_depths: int
    n_channels: int
    n_times: int
    n_positions: int
    n_tiles: int
    voxel_m: tuple[float, float]
    origin_m: tuple[float, float, float]
    scan_type: int
    colours_at: int
    scan_at: int
    wavelengths_at: int
    tiles_at: int
    positions_at: int


def parse_info(data: bytes) -> LsmInfo:
    """The record; fields that a short one lacks are 0.

    Raises:
        RefusedFileError: it is no such record, or its sizes make no sense.
    """
    data = data[:_RECORD_BYTES]
    (stated,) = struct.unpack_from("<I", data.ljust(8, b"\0"), 4)
    data = data[: max(8, stated)].ljust(_RECORD_BYTES, b"\0")
    found = {
        name: struct.unpack_from(f"<{form}", data, at)[0]
        for name, (at, form) in _FIELDS.items()
    }
    if found["magic"] not in _MAGICS:
        raise RefusedFileError(
            f"an LSM record that starts with {found['magic']:#x}: export it again"
        )
    counts = [max(1, found[name]) for name in ("z", "c", "t", "p", "m")]
    if max(counts) > _MAX_TABLE:
        raise RefusedFileError(f"an LSM file of {counts} planes: export it again")
    return LsmInfo(
        n_depths=counts[0],
        n_channels=counts[1],
        n_times=counts[2],
        n_positions=counts[3],
        n_tiles=counts[4],
        voxel_m=(found["voxel_x_m"], found["voxel_y_m"]),
        origin_m=(found["origin_x_m"], found["origin_y_m"], found["origin_z_m"]),
        scan_type=found["scan_type"],
        colours_at=found["colours_at"],
        scan_at=found["scan_at"],
        wavelengths_at=found["wavelengths_at"],
        tiles_at=found["tiles_at"],
        positions_at=found["positions_at"],
    )


def table(source: SourceFile, at: int, columns: int) -> NDArray[np.float64]:
    """Rows of numbers behind their count; none where the file says nothing.

    Raises:
        IncompleteFileError: it is not all there.
    """
    if at == 0:
        return np.zeros((0, columns))
    (count,) = struct.unpack("<i", read(source, at, 4, "an LSM table", limit=4))
    if not 0 < count <= _MAX_TABLE:
        return np.zeros((0, columns))
    n_bytes = 8 * columns * count
    data = read(source, at + 4, n_bytes, "an LSM table", limit=n_bytes)
    return np.frombuffer(data, "<f8").reshape(count, columns)


def colour_names(source: SourceFile, info: LsmInfo) -> list[str]:
    """Names of the channels; none where the file says nothing sensible."""
    at = info.colours_at
    if at == 0:
        return []
    try:
        head = read(source, at, 24, "the LSM channel names", limit=24)
        size, _, count, _, names_at, _ = struct.unpack("<6i", head)
        if not 24 <= names_at <= size <= 1 << 20 or not 0 <= count <= 4096:
            return []
        length = size - names_at
        data = read(source, at + names_at, length, "the LSM names", limit=length)
    except (IncompleteFileError, RefusedFileError):
        return []
    names, position = [], 0
    for _ in range(count):
        if position + 4 > len(data):
            break
        (length,) = struct.unpack_from("<I", data, position)
        raw = data[position + 4 : position + 4 + length]
        names.append(raw.partition(b"\0")[0].decode("cp1252", "replace"))
        position += 4 + length
    return names
