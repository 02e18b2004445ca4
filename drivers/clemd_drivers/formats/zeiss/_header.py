"""The SmartSEM text of tag 34118, as facts.

A few dozen numbers come first, then pairs of lines: a key, and `Label = value unit`.
Text is cp1252 with CRLF. Numbers are rounded for display, so the unnamed fourth
number (the pixel size of a 1024 px wide display, in metres) is the most precise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from clemd.model import ChannelKind, PixelSize, StagePose
from clemd_drivers.formats._notes import Notes, checked_size
from clemd_drivers.formats._values import clean, instant, length_um, number, positive

_DISPLAY_WIDTH_PX = 1024


@dataclass(frozen=True, slots=True)
class ZeissHeader:
    """Keys and unnamed numbers as written."""

    values: dict[str, str]
    unnamed: tuple[str, ...]

    def get(self, key: str) -> str | None:
        """The text after `=`, or None."""
        return self.values.get(key)

    def is_on(self, key: str) -> bool:
        """Is that switch on?"""
        return (self.get(key) or "").strip().lower() in {"on", "yes"}


def parse(data: bytes) -> ZeissHeader:
    """Read the tag; lines that make no sense are passed over."""
    lines = data.decode("cp1252", "replace").replace("\r\n", "\n").split("\n")
    keys = [i for i, line in enumerate(lines) if _is_key(line)]
    values: dict[str, str] = {}
    for i in keys:
        text = lines[i + 1] if i + 1 < len(lines) else ""
        # `Date :25 Sep 2018` has no equals sign, a Windows path has colons.
        mark = "=" if "=" in text else ":"
        values.setdefault(lines[i].strip(), text.partition(mark)[2].strip())
    unnamed = lines[: keys[0]] if keys else []
    return ZeissHeader(values, tuple(line.strip() for line in unnamed))


def _is_key(line: str) -> bool:
    return line[:3] in {"AP_", "DP_", "SV_"} and line.strip().isupper()


def pixel_size(
    header: ZeissHeader, width_px: int
) -> tuple[PixelSize | None, list[str]]:
    """The size of one pixel as saved, and what does not fit."""
    notes = Notes()
    size = checked_size(_pixel_sizes(header, width_px), notes)
    if size is None:
        notes.add("no pixel size in the Zeiss metadata")
    return size, notes.lines


def _pixel_sizes(header: ZeissHeader, width_px: int) -> Iterator[tuple[str, float]]:
    # AP_PIXEL_SIZE belongs to the display, not to the file.
    shown = _DISPLAY_WIDTH_PX / width_px
    fourth = positive(number(header.unnamed[3])) if len(header.unnamed) > 3 else None
    field = positive(length_um(header.get("AP_WIDTH")))
    display = positive(length_um(header.get("AP_PIXEL_SIZE")))
    candidates = (
        ("AP_IMAGE_PIXEL_SIZE", positive(length_um(header.get("AP_IMAGE_PIXEL_SIZE")))),
        ("CZ_SEM unnamed pixel size", fourth and fourth * 1e6 * shown),
        ("AP_WIDTH", field and field / width_px),
        ("AP_PIXEL_SIZE", display and display * shown),
    )
    for source, value in candidates:
        if value:
            yield source, value


def stage(header: ZeissHeader) -> StagePose | None:
    """Where the stage was; AP_STAGE_GOTO_* are targets and are not looked at."""
    x, y, z = (length_um(header.get(f"AP_STAGE_AT_{axis}")) for axis in "XYZ")
    # R is rotation and T is tilt: the labels invite swapping them.
    rotation = number(header.get("AP_STAGE_AT_R"))
    tilt = number(header.get("AP_STAGE_AT_T"))
    turned = number(header.get("AP_SCANROTATION"))
    if x is None and y is None and rotation is None:
        return None
    on = header.is_on("DP_SCAN_ROT")
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=rotation,
        tilt_deg=tilt,
        scan_rotation_deg=turned if on and turned is not None else 0.0,
    )


def acquired_at(header: ZeissHeader) -> datetime | None:
    """Local wall-clock time without a zone, or None."""
    text = f"{header.get('AP_DATE') or ''} {header.get('AP_TIME') or ''}"
    return instant(text, "%d %b %Y %H:%M:%S", "%d %B %Y %H:%M:%S")


def channel_kind(detector: str) -> tuple[ChannelKind, str]:
    """What a detector of that name sees, and why."""
    name = detector.lower()
    if any(mark in name for mark in ("bsd", "asb", "esb", "bse", "backsc")):
        return ChannelKind.BSE, f"detector {detector} collects backscattered electrons"
    if any(mark in name for mark in ("inlens", "se2", "sesi", "vpse", "etse", "se")):
        return ChannelKind.SE, f"detector {detector} collects secondary electrons"
    return ChannelKind.UNKNOWN, f"detector {detector or 'not named'}"


def instrument(header: ZeissHeader) -> str | None:
    """Maker and serial number."""
    serial = clean(header.get("SV_SERIAL_NUMBER"))
    return f"Zeiss {serial}" if serial else "Zeiss"
