"""What Olympus' texts say of an image."""

from __future__ import annotations

from datetime import datetime

from clemd.model import Channel, PixelSize, StagePose
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._notes import Notes, checked_size, size_of_edges
from clemd_drivers.formats._values import clean, instant, number, positive, um_per

from ._ini import Sections

_AXES = range(8)
_THROUGH = "transmitted"


def sizes(main: Sections) -> dict[str, int]:
    """Axis letter -> declared places, at least one."""
    found = {}
    for n in _AXES:
        axis = main.get(f"Axis {n} Parameters Common", {})
        code, count = axis.get("AxisCode", ""), number(axis.get("MaxSize"))
        if code and count is not None:
            found[code[0].upper()] = min(1_000_000, max(1, int(count)))
    return found


def pixel_size(main: Sections, notes: Notes) -> PixelSize | None:
    """From the reference image, cross-checked with the length of the X axis."""
    said = main.get("Reference Image Parameter", {})
    sides = []
    for axis in ("Width", "Height"):
        value = positive(number(said.get(f"{axis}ConvertValue")))
        factor = um_per(said.get(f"{axis}Unit", "um"))
        sides.append(value * factor if value and factor else None)
    size = size_of_edges("Reference Image Parameter", sides[0], sides[1], notes)
    if size is None:
        notes.add("no pixel size in the Olympus metadata")
        return None
    stated = ((size.source, size.x_um), ("the X axis", _by_axis(main)))
    return checked_size(stated, notes, ratio_y=size.y_um / size.x_um)


def _by_axis(main: Sections) -> float | None:
    axis = main.get("Axis 0 Parameters Common", {})
    start, end = number(axis.get("StartPosition")), number(axis.get("EndPosition"))
    count = positive(number(axis.get("MaxSize")))
    factor = um_per(axis.get("UnitName", "") or axis.get("PixUnit", ""))
    if axis.get("AxisCode") != "X" or start is None or end is None:
        return None
    if not count or not factor:
        return None
    return positive(abs(end - start) * factor / count)


def stage(plane: Sections, notes: Notes) -> StagePose | None:
    """Of the first plane's own text."""
    said = plane.get("Axis 7 Parameters", {})
    x, y = (number(said.get(f"AbsPositionValue{axis}")) for axis in "XY")
    if x is None or y is None or (x == 0 and y == 0):
        return None
    notes.add("the stage position is taken for nanometres, which no text states")
    return StagePose(x_um=x / 1000, y_um=y / 1000)


def channels(main: Sections, count: int) -> tuple[Channel, ...]:
    """As many as there are planes along C."""
    numbers = [n for n in range(1, 33) if f"GUI Channel {n} Parameters" in main]
    active = [n for n in numbers if _is_active(main[f"GUI Channel {n} Parameters"])]
    chosen = active if len(active) == count else numbers
    found = []
    for index in range(count):
        n = chosen[index] if index < len(chosen) else 0
        shown = main.get(f"GUI Channel {n} Parameters", {})
        light = main.get(f"Channel {n} Parameters", {}).get("LightType", "")
        through = _THROUGH in light.lower()
        clues = ChannelClues(
            name=clean(shown.get("CH Name")),
            fluor="" if through else clean(shown.get("DyeName")).replace("None", ""),
            illumination="Transmitted" if through else "",
            acquisition_mode="LaserScanningConfocalMicroscopy",
            contrast="Fluorescence" if "fluorescence" in light.lower() else "",
            excitation_nm=positive(number(shown.get("ExcitationWavelength"))),
            emission_nm=positive(number(shown.get("EmissionWavelength"))),
        )
        found.append(channel_of(clues, index))
    return tuple(found)


def _is_active(shown: dict[str, str]) -> bool:
    return shown.get("CH Activate", "1") not in {"0", "false", "False"}


def acquired_at(main: Sections) -> datetime | None:
    """Wall-clock time without a zone; the key is misspelt in the files."""
    said = main.get("Acquisition Parameters Common", {})
    text = said.get("ImageCaputreDate") or said.get("ImageCaptureDate") or ""
    return instant(text, "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S")


def instrument(main: Sections) -> str:
    """Maker and system."""
    system = clean(main.get("Version Info", {}).get("SystemName"))
    return f"Olympus {system}".strip()
