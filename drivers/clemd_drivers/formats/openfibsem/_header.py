"""OpenFIBSEM's JSON of tag 270, as facts: metres, radians, seconds since 1970.

Names changed between versions (`absolute_position` became `stage_position`,
`eb_settings` became `electron_beam`); both are looked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from clemd.model import ChannelKind, PixelSize, StagePose
from clemd_drivers.formats._clock import local_time
from clemd_drivers.formats._notes import Notes, checked_size
from clemd_drivers.formats._values import clean, instant

_EARLIEST_S, _LATEST_S = 946_684_800.0, 4_102_444_800.0  # the years 2000 and 2100
_DEG = 180 / math.pi


@dataclass(frozen=True, slots=True)
class FibsemHeader:
    """The object as written."""

    values: Mapping[str, Any] = field(default_factory=dict)

    def at(self, *path: str) -> Any:
        """What lies at `path`, None where there is nothing."""
        found: Any = self.values
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def text(self, *path: str) -> str | None:
        """A number or text as text, None for anything else."""
        found = self.at(*path)
        if isinstance(found, bool) or not isinstance(found, (int, float, str)):
            return None
        return str(found)

    @property
    def is_ion(self) -> bool:
        """Made by the ion beam?"""
        return clean(self.text("beam_type")).upper() == "ION"

    def beam(self, *path: str) -> str | None:
        """A setting of the beam that made the image."""
        names = ("ib_settings", "ion_beam") if self.is_ion else (
            "eb_settings", "electron_beam")  # fmt: skip
        found = (self.text("microscope_state", name, *path) for name in names)
        return next((text for text in found if text is not None), None)

    def detector(self, key: str) -> str:
        """A setting of the detector of that beam."""
        beside = "ion_detector" if self.is_ion else "electron_detector"
        return clean(
            self.text("detector_settings", key)
            or self.text("microscope_state", beside, key)
        )


def parse(data: bytes, notes: Notes) -> FibsemHeader:
    """Read the object; text that is none gives an empty header and a note."""
    try:
        values = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, dict):
        return FibsemHeader(values)
    notes.add("the OpenFIBSEM metadata cannot be parsed")
    return FibsemHeader()


def resolution(header: FibsemHeader) -> tuple[int, int] | None:
    """(width, height) that was asked for: `1536x1024` or a list of both."""
    found = header.at("resolution")
    words = found.split("x") if isinstance(found, str) else found
    if not isinstance(words, list) or len(words) != 2:
        return None
    try:
        width, height = (int(word) for word in words)
    except (TypeError, ValueError, OverflowError):
        return None
    return (width, height) if min(width, height) > 0 else None


def pixel_size(
    header: FibsemHeader, shape: tuple[int, int], notes: Notes
) -> PixelSize | None:
    """The size of one pixel, compared with the field width.

    Args:
        header: The object.
        shape: (height, width) of the file.
        notes: Takes what does not fit.
    """
    x = notes.size_um("pixel_size/x", header.text("pixel_size", "x"), 1e6)
    y = notes.size_um("pixel_size/y", header.text("pixel_size", "y"), 1e6)
    across = notes.field_um("hfw", header.text("hfw") or header.beam("hfw"), 1e6)
    asked = resolution(header)
    if asked and asked != (shape[1], shape[0]):
        notes.add(
            f"the metadata say {asked[0]} x {asked[1]} px, the image has "
            f"{shape[1]} x {shape[0]}"
        )
    columns = asked[0] if asked else shape[1]
    by_field = across / columns if across else None
    # Other columns than were asked for: cut out, or made smaller afterwards.
    cut = header.at("reduced_area") is not None
    doubt = None if cut or not across or columns == shape[1] else across / shape[1]
    return checked_size(
        (
            ("pixel_size", x or y),
            ("hfw/resolution", by_field),
            ("hfw/width", doubt),
        ),
        notes,
        ratio_y=y / x if x and y else 1.0,
    )


def stage(header: FibsemHeader, notes: Notes) -> StagePose | None:
    """Where the stage was, on the microscope's own axes."""
    for name in ("stage_position", "absolute_position"):
        if isinstance(header.at("microscope_state", name), Mapping):
            break
    words = {a: header.text("microscope_state", name, a) for a in "xyzrt"}
    x, y, z = (notes.position_um(f"{name}/{a}", words[a], 1e6) for a in "xyz")
    if x is None and y is None:
        return None
    before = len(notes.lines)
    rotation = notes.angle_deg(f"{name}/r (rad)", words["r"], _DEG, most=360.0)
    tilt = notes.angle_deg(f"{name}/t (rad)", words["t"], _DEG, most=180.0)
    if len(notes.lines) > before:
        # One of them cannot be radians, so the unit of the other is unknown too.
        rotation = tilt = None
    turned = notes.angle_deg("scan_rotation", header.beam("scan_rotation"), _DEG)
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=rotation,
        tilt_deg=tilt,
        scan_rotation_deg=turned or 0.0,
    )


def acquired_at(header: FibsemHeader, notes: Notes) -> datetime | None:
    """UTC where seconds since 1970 are stated, else wall-clock time, or None."""
    stated = header.at("microscope_state", "timestamp")
    if isinstance(stated, (int, float)) and not isinstance(stated, bool):
        if _EARLIEST_S <= stated <= _LATEST_S:
            return datetime.fromtimestamp(float(stated), UTC)
        notes.add(f"timestamp = {clean(repr(stated), 40)} cannot be true")
        return None
    text = clean(header.text("microscope_state", "timestamp"), 60)
    iso = instant(text, "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f")
    date, _, time = text.partition(" ")
    return iso or (local_time(date, time, notes) if text else None)


def channel(header: FibsemHeader) -> tuple[str, ChannelKind, str]:
    """Name and kind of the detector, and why that kind."""
    name, mode = header.detector("type"), header.detector("mode")
    beam = "ion beam" if header.is_ion else "electron beam"
    shown = f"detector {name or 'not named'}, mode {mode or 'not named'}, {beam}"
    if mode.upper().startswith(("SECONDARY", "SE")):
        return name or beam, ChannelKind.SE, shown
    if mode.upper().startswith(("BACK", "BSE")):
        return name or beam, ChannelKind.BSE, shown
    return name or beam, ChannelKind.UNKNOWN, shown


def instrument(header: FibsemHeader) -> str:
    """Maker, model and number, where the newer versions say so."""
    keys = ("manufacturer", "model", "serial_number")
    words = [clean(header.text("system", "info", key)) for key in keys]
    return " ".join(word for word in words if word) or "OpenFIBSEM"
