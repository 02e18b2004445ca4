"""Hitachi's `Key=Value` text below [SemImageFile] or [TemImageFile], as facts.

Pixel sizes and stage positions are nanometres. Magnifications refer to a photograph
127 mm wide, which is all that the oldest models state.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from clemd.model import ChannelKind, Modality, PixelSize, StagePose
from clemd_drivers.formats._clock import local_time
from clemd_drivers.formats._notes import Notes, bar_below, checked_size
from clemd_drivers.formats._values import clean, number

SECTIONS = {"[SemImageFile]": Modality.SEM, "[TemImageFile]": Modality.TEM}
_PHOTOGRAPH_UM = 127_000.0
_NM = 1e-3
_SIZE = re.compile(r"\s*(\d{1,9})\s*[xX*]\s*(\d{1,9})\s*$")
_SE = ("SE", "UPPER", "LOWER", "MIX", "TOP", "UVD", "ESED")
_BSE = ("BSE", "LA-BSE", "HA-BSE", "LA(", "HA(", "PDBSE", "YAGBSE", "PD-BSE", "COMP")


@dataclass(frozen=True, slots=True)
class HitachiHeader:
    """Keys and values as written."""

    modality: Modality = Modality.SEM
    values: dict[str, str] = field(default_factory=dict)

    def get(self, key: str) -> str | None:
        """One value, or None where it is absent or empty."""
        return self.values.get(key.lower()) or None


def parse(lines: Iterable[str]) -> HitachiHeader:
    """Read the text; lines before the section and without sense are passed over."""
    modality: Modality | None = None
    values: dict[str, str] = {}
    for line in lines:
        text = line.strip("\0 \t\r")
        if text in SECTIONS and modality is None:
            modality = SECTIONS[text]
        elif modality is not None and "=" in text:
            key, _, value = text.partition("=")
            values.setdefault(key.strip().lower(), value.strip())
    return HitachiHeader(modality or Modality.SEM, values)


def data_size(header: HitachiHeader, notes: Notes) -> tuple[int, int] | None:
    """(width, height) as scanned, px, or None."""
    text = header.get("DataSize")
    found = _SIZE.match(text or "")
    width, height = (int(part) for part in found.groups()) if found else (0, 0)
    if width and height:
        return width, height
    if text:
        notes.add(f"DataSize = {clean(text, 40)} cannot be true and is not used")
    return None


def pixel_size(
    header: HitachiHeader, width: int, scanned: tuple[float, float] | None, notes: Notes
) -> PixelSize | None:
    """The size of one pixel of the file.

    Args:
        header: The text.
        width: Columns of the file.
        scanned: The area scanned; a file of other width has been rescaled.
        notes: Takes what does not fit.
    """
    columns = scanned[0] if scanned else width
    rescaled = columns / width
    stated = notes.size_um("PixelSize", header.get("PixelSize"), _NM)
    zoom = notes.above_zero("Magnification", header.get("Magnification"))
    by_zoom = _PHOTOGRAPH_UM / zoom / columns if zoom else None
    return checked_size(
        (
            ("PixelSize", stated and stated * rescaled),
            ("Magnification/DataSize", by_zoom and by_zoom * rescaled),
        ),
        notes,
    )


def stage(header: HitachiHeader, notes: Notes) -> StagePose | None:
    """Where the stage was, on Hitachi's own axes; no scan rotation is stated."""
    x, y, z = (
        notes.position_um(key, header.get(key), _NM)
        for key in ("StagePositionX", "StagePositionY", "StagePositionZ")
    )
    if x is None and y is None:
        return None
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=_angle_deg(header, "StagePositionR", notes),
        tilt_deg=_angle_deg(header, "StagePositionT", notes),
    )


def _angle_deg(header: HitachiHeader, key: str, notes: Notes) -> float | None:
    """Zero is zero in every unit; what the others are in is written nowhere."""
    text = header.get(key)
    value = number(text)
    if value == 0:
        return 0.0
    if text:
        notes.add(f"{key} = {clean(text, 40)} is in an unknown unit and is not used")
    return None


def bar_rows(
    width: int, height: int, scanned: tuple[float, float] | None, notes: Notes
) -> int | None:
    """Rows appended below the image; None where the pixels must tell."""
    if scanned is None:
        return None
    # A bar may still be painted over an image that has no rows below it.
    return bar_below(height, scanned[1] * width / scanned[0], None, notes) or None


def acquired_at(header: HitachiHeader, notes: Notes) -> datetime | None:
    """Wall-clock time without a zone, or None."""
    return local_time(header.get("Date"), header.get("Time"), notes)


def channel(header: HitachiHeader) -> tuple[str, ChannelKind, str]:
    """Name and kind of the signal, and why that kind."""
    name = clean(header.get("SignalName"))
    word = name.upper()
    if word.startswith(_BSE):
        return name, ChannelKind.BSE, f"signal {name} is of backscattered electrons"
    if word.startswith(_SE):
        return name, ChannelKind.SE, f"signal {name} is of secondary electrons"
    return name or "SEM", ChannelKind.UNKNOWN, f"signal {name or 'not named'}"


def instrument(header: HitachiHeader) -> str:
    """Maker, model and serial number."""
    words = (header.get("InstructName"), header.get("SerialNumber"))
    return " ".join(["Hitachi", *(clean(word) for word in words if word)])
