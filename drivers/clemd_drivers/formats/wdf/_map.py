"""Where each spectrum of a map lies: points on a grid, x right, y down as on the stage.

The coordinates that were recorded with each spectrum decide (rows, columns, snakes
and line-focus scans all come out right); without them the order that the map states.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats import _spans
from clemd_drivers.formats._notes import Notes

from ._blocks import Block, Header, content

_WMAP = struct.Struct("<II3f3f3II")
_RANDOM, _COLUMNS, _SNAKE, _LINE = 1, 2, 4, 128
_X, _Y = 3, 4
_ORIGIN_HEAD = 24
_OFF_GRID = 0.2
"""Share of a step by which a recorded point may be off its place."""
_UNITS = {1: "1/cm", 2: "1/cm", 3: "nm", 4: "eV", 5: "µm"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapGrid:
    """The grid of a map."""

    shape: tuple[int, int]
    """(height, width) in points."""
    first_um: tuple[float, float]
    """Stage (x, y) of the middle of the first point."""
    step_um: tuple[float, float]
    order: NDArray[np.intp]
    """(height, width): which spectrum lies there; -1 = none was taken."""

    @property
    def centre_um(self) -> tuple[float, float]:
        """Stage (x, y) of the middle of the map."""
        height, width = self.shape
        return (
            self.first_um[0] + self.step_um[0] * (width - 1) / 2,
            self.first_um[1] + self.step_um[1] * (height - 1) / 2,
        )


def read_grid(
    source: SourceFile, header: Header, blocks: dict[str, Block], notes: Notes
) -> MapGrid:
    """The grid of the map, and which spectrum lies where.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: the points do not form a grid.
    """
    raw = content(source, blocks["WMAP"], "the WDF map area")
    if len(raw) < _WMAP.size:
        raise RefusedFileError("the WDF map area is cut off: save the file again")
    flags, _, x0, y0, _, dx, dy, _, nx, ny, nz, _ = _WMAP.unpack_from(raw)
    if flags & (_RANDOM | _LINE):
        raise RefusedFileError(
            "the spectra lie on single points or a line, not on a grid: measure a map"
        )
    if not 1 <= nx * ny <= header.capacity or not all(
        1e-4 < abs(step) < 1e5 for step in (dx, dy)
    ):
        raise RefusedFileError(
            f"a WDF map of {nx} x {ny} points in steps of {dx:g} x {dy:g} µm cannot "
            "be: save the file again"
        )
    first = min(x0, x0 + dx * (nx - 1)), min(y0, y0 + dy * (ny - 1))
    places = _recorded(source, header, blocks)
    if places is None:
        notes.add("no recorded coordinates: the order stated for the map is used")
        columns, rows = _stated_order(nx * ny, nx, ny, flags)
        columns = nx - 1 - columns if dx < 0 else columns
        rows = ny - 1 - rows if dy < 0 else rows
    else:
        columns, rows = _snapped(places, first, (abs(dx), abs(dy)))
    taken = min(header.count, nx * ny)
    if nz > 1:
        notes.add(f"{nz} layers in depth: the first is used")
    order = _ordered(columns[:taken], rows[:taken], (ny, nx))
    missing = int((order < 0).sum())
    if missing:
        notes.add(f"{missing} of {nx * ny} points were not measured: not a number")
    return MapGrid(
        shape=(ny, nx), first_um=first, step_um=(abs(dx), abs(dy)), order=order
    )


def read_axis(
    source: SourceFile, header: Header, blocks: dict[str, Block]
) -> tuple[tuple[float, ...], str]:
    """Where each sample of a spectrum lies, and its unit.

    Raises:
        RefusedFileError: none, or of another length.
    """
    block = blocks.get("XLST")
    if block is None or block.n_bytes < 8 + 4 * header.points:
        raise RefusedFileError(
            "the WDF file states no spectral axis for its spectra: save it again"
        )
    raw = content(source, block, "the WDF spectral axis")
    _, unit = struct.unpack_from("<II", raw)
    values = np.frombuffer(raw, "<f4", header.points, 8)
    if not np.isfinite(values).all():
        raise RefusedFileError("the WDF spectral axis holds no numbers: save it again")
    return tuple(float(f"{value:.7g}") for value in values), _UNITS.get(unit, "")


def load_bands(source: SourceFile, header: Header, block: Block, grid: MapGrid) -> Any:
    """A function that gives bands `first` to `end`, (bands, height, width)."""
    rows = max(1, (32 << 20) // (4 * header.points))

    def load(first: int, end: int) -> NDArray[np.float32]:
        flat = np.full((header.capacity + 1, end - first), np.nan, np.float32)
        with source.stream() as stream:
            stream.seek(block.offset)
            for start in range(0, header.count, rows):
                count = min(rows, header.count - start)
                raw = stream.read(4 * header.points * count)
                whole = np.frombuffer(raw, "<f4").reshape(count, header.points)
                flat[start : start + count] = whole[:, first:end]
        return np.ascontiguousarray(np.moveaxis(flat[grid.order], 2, 0))

    return load


def data_span(source: SourceFile, header: Header, block: Block) -> tuple[int, int]:
    """Where the spectra lie.

    Raises:
        IncompleteFileError: they are not all there.
        RefusedFileError: the block is shorter than it must be.
    """
    wanted = 4 * header.points * header.count
    if block.n_bytes < wanted:
        raise RefusedFileError(
            f"{header.count} spectra of {header.points} samples do not fit the "
            f"{block.n_bytes} bytes that hold them: save the file again"
        )
    _spans.need(source, block.offset, wanted, "the spectra")
    return block.offset, block.offset + wanted


def _recorded(
    source: SourceFile, header: Header, blocks: dict[str, Block]
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Stage x and y of every spectrum, µm, or None."""
    block = blocks.get("ORGN")
    each = _ORIGIN_HEAD + 8 * header.capacity
    needed = 4 + header.origins * each
    if block is None or header.origins > 64 or block.n_bytes < needed:
        return None
    raw = content(source, block, "the recorded coordinates")
    found: dict[int, NDArray[np.float64]] = {}
    for number in range(header.origins):
        at = 4 + number * each
        (kind,) = struct.unpack_from("<I", raw, at)
        values = np.frombuffer(raw, "<f8", header.capacity, at + _ORIGIN_HEAD)
        found.setdefault(kind & 0x7FFFFFFF, values)
    if _X not in found or _Y not in found:
        return None
    x, y = found[_X][: header.count], found[_Y][: header.count]
    return (x, y) if np.isfinite(x).all() and np.isfinite(y).all() else None


def _snapped(
    places: tuple[NDArray[np.float64], NDArray[np.float64]],
    first: tuple[float, float],
    step: tuple[float, float],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    found = []
    for values, start, width in zip(places, first, step, strict=True):
        at = (values - start) / width
        if len(at) and not float(np.abs(at - np.round(at)).max()) <= _OFF_GRID:
            raise RefusedFileError(
                "the recorded points do not lie on the map's grid: measure a "
                "rectangular map"
            )
        found.append(np.round(at).astype(np.intp))
    return found[0], found[1]


def _stated_order(
    count: int, nx: int, ny: int, flags: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    index = np.arange(count)
    fast = ny if flags & _COLUMNS else nx
    slow, along = index // fast, index % fast
    if flags & _SNAKE:
        along = np.where(slow % 2, fast - 1 - along, along)
    return (slow, along) if flags & _COLUMNS else (along, slow)


def _ordered(
    columns: NDArray[np.intp], rows: NDArray[np.intp], shape: tuple[int, int]
) -> NDArray[np.intp]:
    order = np.full(shape, -1, np.intp)
    inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
    if not inside.all():
        raise RefusedFileError(
            "recorded points lie outside the map's area: save the file again"
        )
    order[rows, columns] = np.arange(len(rows))
    return order
