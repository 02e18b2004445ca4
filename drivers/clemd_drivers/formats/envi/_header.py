"""The text of an ENVI header: `key = value`, long values in braces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import RefusedFileError
from clemd.model import PixelSize
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, instant, number, um_per

MARK = "ENVI"
_TYPES = {
    1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
_COMPLEX = {6, 9}
_UNITS = {
    "nanometers": "nm", "nm": "nm", "nanometer": "nm", "micrometers": "µm", "um": "µm",
    "µm": "µm", "micrometer": "µm", "microns": "µm", "micron": "µm",
    "wavenumber": "1/cm", "wavenumbers": "1/cm", "cm-1": "1/cm", "1/cm": "1/cm",
    "cm^-1": "1/cm",
    "raman shift": "1/cm", "raman shift (cm-1)": "1/cm", "ev": "eV",
}  # fmt: skip
_LENGTHS = {
    "meters": 1e6, "meter": 1e6, "metres": 1e6, "millimeters": 1e3, "millimetres": 1e3,
    "micrometers": 1.0, "micrometres": 1.0, "microns": 1.0, "nanometers": 1e-3,
    "nanometres": 1e-3,
}  # fmt: skip
_ENTRY = re.compile(r"^\s*([A-Za-z][^=\n{}]*?)\s*=\s*(\{[^}]*\}|[^\n]*)", re.M)
_MOST = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class EnviHeader:
    """What the text says about the samples."""

    bands: int
    lines: int
    samples: int
    offset: int
    dtype: np.dtype[Any]
    """With its byte order."""
    interleave: str
    """`bsq`, `bil` or `bip`."""
    values: dict[str, str]
    """All entries, keys in lower case."""

    @property
    def n_bytes(self) -> int:
        """Of all samples."""
        return self.bands * self.lines * self.samples * self.dtype.itemsize

    def listed(self, key: str) -> list[str]:
        """The parts of a value in braces."""
        return [part.strip() for part in self.values.get(key, "").split(",")]


def is_envi(lines: Iterable[str]) -> bool:
    """Is it the text of an ENVI file?"""
    first = next(iter(lines), "")
    return first.strip().upper() == MARK


def parse(lines: Iterable[str]) -> EnviHeader:
    """The whole text.

    Raises:
        RefusedFileError: what must be there is missing, or cannot be.
    """
    values = {
        " ".join(key.lower().split()): value.strip().strip("{}").strip()
        for key, value in _ENTRY.findall("\n".join(lines))
    }
    sizes = ("bands", "lines", "samples")
    bands, rows, columns = (_count(values, key) for key in sizes)
    code = _count(values, "data type")
    if code not in _TYPES:
        kind = "complex numbers" if code in _COMPLEX else f"data type {code}"
        raise RefusedFileError(f"an ENVI file of {kind}: export real numbers")
    interleave = values.get("interleave", "").lower()
    if interleave not in {"bsq", "bil", "bip"}:
        raise RefusedFileError(
            f"an ENVI interleave of {clean(interleave) or 'nothing'}: export bsq, bil "
            "or bip"
        )
    order = ">" if values.get("byte order", "0") == "1" else "<"
    return EnviHeader(
        bands=bands,
        lines=rows,
        samples=columns,
        offset=_count(values, "header offset", least=0, absent=0),
        dtype=np.dtype(order + _TYPES[code]),
        interleave=interleave,
        values=values,
    )


def axis_of(header: EnviHeader, notes: Notes) -> tuple[tuple[float, ...], str]:
    """Where each band lies and in which unit; empty where the text does not say."""
    if "wavelength" not in header.values:
        notes.add("no wavelengths in the ENVI header: the bands are only numbered")
        return (), ""
    found = [number(part) for part in header.listed("wavelength")]
    known = tuple(value for value in found if value is not None)
    if len(known) != header.bands or len(found) != header.bands:
        notes.add(
            f"{len(known)} wavelengths for {header.bands} bands are not used: the "
            "bands are only numbered"
        )
        return (), ""
    unit = header.values.get("wavelength units", "").lower()
    return known, _UNITS.get(unit, clean(unit, 20) if unit != "unknown" else "")


def pixel_size(header: EnviHeader, notes: Notes) -> PixelSize | None:
    """Edge lengths of a pixel; map coordinates in degrees are no lengths."""
    for key, at in (("pixel size", 0), ("map info", 5)):
        parts = header.listed(key)
        if len(parts) < at + 2:
            continue
        said = next((p for p in parts if p.lower().startswith("units")), "")
        unit = said.partition("=")[2].strip().lower() or "meters"
        factor = _LENGTHS.get(unit) or um_per(unit)
        if factor is None:
            notes.add(f"the {key} is in {clean(unit, 20)} and is not used")
            continue
        sizes = [notes.size_um(key, parts[at + k], factor) for k in (0, 1)]
        if sizes[0] is not None and sizes[1] is not None:
            return size_of_edges(key, sizes[0], sizes[1], notes)
    notes.add("no pixel size in the ENVI header")
    return None


def acquired_at(header: EnviHeader) -> datetime | None:
    """The acquisition time, naive unless it states a zone."""
    text = header.values.get("acquisition time", "").replace("Z", "+0000")
    forms = ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S")
    return instant(text, *(f + z for f in forms for z in ("%z", "")))


def ignored(header: EnviHeader) -> float | None:
    """The value that stands for no measurement."""
    return number(header.values.get("data ignore value"))


def as_cube(raw: NDArray[Any], header: EnviHeader, rows: int) -> NDArray[Any]:
    """`rows` lines of samples as stored, brought to (bands, rows, samples)."""
    if header.interleave == "bil":
        return raw.reshape(rows, header.bands, header.samples).transpose(1, 0, 2)
    return raw.reshape(rows, header.samples, header.bands).transpose(2, 0, 1)


def _count(
    values: dict[str, str], key: str, *, least: int = 1, absent: int | None = None
) -> int:
    text = values.get(key)
    if text is None and absent is not None:
        return absent
    found = number(text)
    if found is None or found != int(found) or not least <= found <= _MOST:
        raise RefusedFileError(
            f"the ENVI header says {key} = {clean(text, 20) or 'nothing'}: export it "
            "again"
        )
    return int(found)
