"""The fields of a LIF document that clemd uses; every length is in metres there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

from clemd.model import PixelSize, StagePose
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, number, positive, um_per
from clemd_drivers.formats._xml import children

from ._image import Image, X, Y

_SETTINGS = ("ATLConfocalSettingDefinition", "ATLCameraSettingDefinition")
_FILETIME_START = datetime(1601, 1, 1, tzinfo=UTC)
_KEPT = {
    "objective": "ObjectiveName",
    "magnification": "Magnification",
    "numerical_aperture": "NumericalAperture",
    "microscope": "MicroscopeModel",
    "zoom": "Zoom",
    "flip_x": "FlipX",
    "flip_y": "FlipY",
    "swap_xy": "SwapXY",
    "rotator_angle": "RotatorAngle",
    "scan_mode": "ScanMode",
}


def settings(image: Element) -> Element:
    """What the hardware was set to; an empty element where nothing is said."""
    for name in _SETTINGS:
        for found in image.iter(name):
            return found
    return Element("none")


def pixel_size(image: Image) -> tuple[PixelSize | None, list[str]]:
    """Edge lengths of a pixel, and what is wrong with them.

    Length runs from the centre of the first pixel to the centre of the last.
    """
    sizes = []
    for axis in (X, Y):
        element, count = image.axes[axis].element, image.axes[axis].count
        length = number(element.get("Length"))
        factor = um_per(element.get("Unit") or "")
        known = length is not None and factor is not None and count > 1
        sizes.append(
            positive(abs(length) * factor / (count - 1))
            if known and length is not None and factor is not None
            else None
        )
    notes = Notes()
    size = size_of_edges("LIF Length/(N-1)", sizes[0], sizes[1], notes)
    if size is None:
        notes.add("no pixel size in the LIF metadata")
    return size, notes.lines


def tiles_um(image: Element) -> list[tuple[float, float]]:
    """Stage positions of the tiles of a mosaic, in the order of their numbers."""
    found = []
    for info in image.iter("TileScanInfo"):
        for tile in children(info, "Tile"):
            x, y = number(tile.get("PosX")), number(tile.get("PosY"))
            if x is not None and y is not None:
                found.append((x * 1e6, y * 1e6))
        break
    return found


def turned(image: Element) -> tuple[bool, bool, bool]:
    """Is the stage flipped in x, flipped in y, swapped, as seen in the image?"""
    for info in [*image.iter("TileScanInfo"), settings(image)]:
        if info.get("FlipX") is not None:
            flip_x, flip_y, swap = (info.get(k) for k in ("FlipX", "FlipY", "SwapXY"))
            return flip_x == "1", flip_y == "1", swap == "1"
    return False, False, False


def stage(image: Element) -> StagePose | None:
    """Middle between the outermost tiles, else where the stage stood."""
    setting = settings(image)
    z = number(setting.get("ZPosition"))
    z_um = z * 1e6 if z is not None else None
    tiles = tiles_um(image)
    if tiles:
        xs, ys = zip(*tiles, strict=True)
        middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
        return StagePose(x_um=middle[0], y_um=middle[1], z_um=z_um)
    x, y = number(setting.get("StagePosX")), number(setting.get("StagePosY"))
    if x is None or y is None:
        return None
    return StagePose(x_um=x * 1e6, y_um=y * 1e6, z_um=z_um)


def acquired_at(image: Element) -> datetime | None:
    """Time of the first plane, in UTC."""
    for stamps in image.iter("TimeStampList"):
        words = (stamps.text or "").split()
        if words:
            return _moment(_hex(words[0]))
        for stamp in children(stamps, "TimeStamp"):
            high = number(stamp.get("HighInteger")) or 0
            low = number(stamp.get("LowInteger")) or 0
            return _moment((int(high) << 32) + int(low))
    return None


def _hex(word: str) -> int:
    try:
        return int(word[:16], 16)
    except ValueError:
        return 0


def _moment(ticks: int) -> datetime | None:
    # A tick is 100 ns; nothing was recorded before 1980.
    seconds = ticks // 10_000_000
    if not 11_960_000_000 < seconds < 20_000_000_000:
        return None
    return _FILETIME_START + timedelta(microseconds=ticks // 10)


def instrument(image: Element) -> str | None:
    """Model and serial number."""
    models = [
        a.get("SystemTypeName") for a in image.iter("Attachment") if a.get("SystemType")
    ]
    serial = settings(image).get("SystemSerialNumber")
    return clean(" ".join(part for part in [*models[:1], serial] if part)) or None


def source_kind(image: Element) -> str:
    """`Confocal`, `Camera` or whatever the file calls it."""
    for attachment in image.iter("Attachment"):
        if attachment.get("DataSourceTypeName"):
            return clean(attachment.get("DataSourceTypeName"))
    return ""


def remarks(image: Image) -> dict[str, str | None]:
    """Values worth keeping."""
    setting = settings(image.element)
    return {
        "image": image.path,
        **{key: setting.get(name) for key, name in _KEPT.items()},
    }
