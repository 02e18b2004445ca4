"""TESCAN's `Key=Value` text, from tag 50431 or the `.hdr` file, as facts.

Lengths are metres, angles degrees. The tag is a chain of blocks: four bytes of length,
two of kind (1 thumbnail, 2 MAIN, 3 SEM, 4 GAMA, 5 FIB, 0 end), then the text; the
length counts the kind.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from clemd.model import ChannelKind, PixelSize, StagePose
from clemd_drivers.formats._beside import decoded
from clemd_drivers.formats._notes import Notes, bar_below, checked_size
from clemd_drivers.formats._values import clean, instant

_KINDS = {2: "MAIN", 3: "SEM", 4: "GAMA", 5: "FIB"}
_MAX_BLOCKS = 64
_PLAUSIBLE_SAVING = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class TescanHeader:
    """Sections of `Key=Value` lines, as written."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, key: str) -> str | None:
        """One value of [MAIN] or of the beam's section, or None."""
        for section in ("MAIN", "SEM", "FIB"):
            value = self.sections.get(section, {}).get(key)
            if value:
                return value
        return None

    def add(self, section: str, lines: Iterable[str]) -> None:
        """Add `Key=Value` lines; the first value of a key stays."""
        for line in lines:
            text = line.strip("\0 \t\r")
            if text.startswith("[") and text.endswith("]"):
                section = text[1:-1].strip().upper()
            elif "=" in text:
                key, _, value = text.partition("=")
                values = self.sections.setdefault(section, {})
                values.setdefault(key.strip(), value.strip())


def from_tag(data: bytes, order: str) -> TescanHeader:
    """Read the blocks; where the chain is broken, whatever text can be found."""
    header = TescanHeader()
    at = 0
    for _ in range(_MAX_BLOCKS):
        if at + 6 > len(data):
            break
        size, kind = struct.unpack_from(f"{order}IH", data, at)
        if kind == 0 or size < 2:
            break
        if kind in _KINDS:
            body = data[at + 6 : at + 4 + size]
            header.add(_KINDS[kind], decoded(body).splitlines())
        at += 4 + size
    if "MAIN" not in header.sections:
        found = re.search(rb"\[MAIN\]|AccFrames=|AccType=|Date=\d", data)
        if found:
            text = data[found.start() :].split(b"\0", 1)[0]
            header.add("MAIN", decoded(text).splitlines())
    return header


def from_lines(lines: Iterable[str]) -> TescanHeader:
    """Read the text of a `.hdr` file."""
    header = TescanHeader()
    header.add("", lines)
    return header


def pixel_size(header: TescanHeader, view_px: int, notes: Notes) -> PixelSize | None:
    """The size of one pixel, compared with the field width where both are stated.

    Args:
        header: The text.
        view_px: Columns of one view.
        notes: Takes what does not fit.
    """
    x = notes.size_um("PixelSizeX", header.get("PixelSizeX"), 1e6)
    y = notes.size_um("PixelSizeY", header.get("PixelSizeY"), 1e6)
    zoom = notes.above_zero("Magnification", header.get("Magnification"))
    # Field width at magnification 1, in metres; older software does not state it.
    reference = notes.above_zero(
        "MagnificationReference", header.get("MagnificationReference")
    )
    by_field = reference / zoom / view_px * 1e6 if reference and zoom else None
    return checked_size(
        (
            ("PixelSizeX", x),
            ("PixelSizeY", None if x else y),
            ("MagnificationReference/Magnification", by_field),
        ),
        notes,
        ratio_y=y / x if x and y else 1.0,
    )


def stage(header: TescanHeader, notes: Notes) -> StagePose | None:
    """Where the stage was, on TESCAN's own axes; the scan rotation has no switch."""
    x, y, z = (
        notes.position_um(key, header.get(key), 1e6)
        for key in ("StageX", "StageY", "StageZ")
    )
    if x is None and y is None:
        return None
    turned = notes.angle_deg("ScanRotation", header.get("ScanRotation"))
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=notes.angle_deg("StageRotation", header.get("StageRotation")),
        tilt_deg=notes.angle_deg("StageTilt", header.get("StageTilt"), most=180.0),
        scan_rotation_deg=turned or 0.0,
    )


def bar_rows(header: TescanHeader, height: int, notes: Notes) -> int | None:
    """Rows of the strip below the image; None where the text does not tell."""
    text = header.get("ImageStripSize")
    if text is not None and text.strip() == "0":
        return 0
    return bar_below(height, None, notes.above_zero("ImageStripSize", text), notes)


def views(header: TescanHeader, width: int, notes: Notes) -> int:
    """Views of one scan that lie side by side, one detector each."""
    across, down = (
        notes.above_zero(key, header.get(key)) or 1
        for key in ("ViewFieldsCountX", "ViewFieldsCountY")
    )
    if down > 1 or across > 16 or width % int(across):
        notes.add(
            f"{across:g} x {down:g} views in one image are not taken apart: "
            "export each detector on its own"
        )
        return 1
    return int(across)


def acquired_at(
    header: TescanHeader, saved: str | None, notes: Notes
) -> datetime | None:
    """Wall-clock time without a zone, or None.

    Args:
        header: The text.
        saved: TIFF's own date, the PC's clock when the file was written.
        notes: Takes a line where the two clocks are far apart: one software version
            states universal time, and nothing in the file says so.
    """
    text = f"{header.get('Date') or ''} {header.get('Time') or ''}"
    taken = instant(text, "%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M:%S")
    written = instant(saved or "", "%Y:%m:%d %H:%M:%S")
    if taken and written and abs(written - taken) > _PLAUSIBLE_SAVING:
        notes.add(
            f"taken {taken:%Y-%m-%d %H:%M:%S}, saved {written:%Y-%m-%d %H:%M:%S} by "
            "another clock: the time of acquisition may be universal time"
        )
    return taken


def channel_kind(detector: str) -> tuple[ChannelKind, str]:
    """What a detector of that name sees, and why."""
    name = detector.upper()
    if "BSE" in name:
        return ChannelKind.BSE, f"detector {detector} collects backscattered electrons"
    if name.startswith(("SE", "E-T", "ET", "LVSTD", "IN-BEAM SE", "INBEAM SE")):
        return ChannelKind.SE, f"detector {detector} collects secondary electrons"
    return ChannelKind.UNKNOWN, f"detector {detector or 'not named'}"


def instrument(header: TescanHeader, model: str) -> str:
    """Maker, model and serial number."""
    device = clean(header.get("Device") or model)
    number = clean(header.get("SerialNumber"))
    words = device if device.upper().startswith("TESCAN") else f"TESCAN {device}"
    return words.strip() if number in words else f"{words.strip()} {number}".strip()
