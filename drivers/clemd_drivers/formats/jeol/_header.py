"""JEOL's `$KEY value` text, in both dialects, as facts.

Keys start with one or two dollar signs, which say nothing more. The older dialect
states a scale bar (length and px), the newer one the pixel size itself; stage
positions are millimetres and degrees.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from clemd.model import ChannelKind, Modality, PixelSize, StagePose
from clemd_drivers.formats._clock import local_time
from clemd_drivers.formats._notes import Notes, bar_below, checked_size
from clemd_drivers.formats._values import clean, length_um

_PHOTOGRAPHS_UM = (128_000.0, 120_000.0)
"""Width of the photograph that magnifications refer to; newer and older columns."""
_PHOTOGRAPH_SIGMA = 0.07
_PHOTOGRAPH_SLACK = 0.02
_STAGE_AXIS = re.compile(r"([XYZRT])\s*=\s*([^\s,;]+)")
_SE = {"SEI", "LEI", "LED", "SED", "UED", "USD", "UHD", "SEI(U)", "SE", "GB-H", "LVSED"}
_BSE = ("BE", "BSE", "COMPO", "TOPO", "RBEI", "LABE", "LBE", "SHADOW", "RBED")


@dataclass(frozen=True, slots=True)
class JeolHeader:
    """Keys without their dollar signs, values as written."""

    values: dict[str, str] = field(default_factory=dict)

    def get(self, *keys: str) -> str | None:
        """The first of these keys that says something, or None."""
        return next((self.values[key] for key in keys if self.values.get(key)), None)

    def part(self, key: str, index: int) -> str | None:
        """One of several words of a value, or None."""
        words = (self.get(key) or "").replace(",", " ").split()
        return words[index] if index < len(words) else None


def parse(lines: Iterable[str]) -> JeolHeader:
    """Read the text; lines that make no sense are passed over."""
    header = JeolHeader()
    for line in lines:
        key, _, value = line.strip().partition(" ")
        if key.startswith("$"):
            header.values.setdefault(key.lstrip("$").upper(), value.strip())
    return header


def full_size(header: JeolHeader, notes: Notes) -> tuple[float, float] | None:
    """(width, height) of the image area as scanned, px, or None."""
    for key in ("CM_FULL_SIZE", "CM_IMAGE_SIZE"):
        width = notes.above_zero(key, header.part(key, 0))
        height = notes.above_zero(key, header.part(key, 1))
        if width and height:
            return width, height
    return None


def pixel_size(
    header: JeolHeader, width: int, full: tuple[float, float] | None, notes: Notes
) -> PixelSize | None:
    """The size of one pixel of the file.

    Args:
        header: The text.
        width: Columns of the file.
        full: The area scanned; a file of other width has been rescaled.
        notes: Takes what does not fit.
    """
    columns = full[0] if full else float(width)
    rescaled = columns / width
    stated = notes.size_um("CM_PIXEL_SIZE", header.part("CM_PIXEL_SIZE", 0))
    across = notes.field_um("CM_FIELD_OF_VIEW", header.part("CM_FIELD_OF_VIEW", 0))
    bar_um = length_um(header.get("SM_MICRON_MARKER"))
    bar_px = notes.above_zero("SM_MICRON_BAR", header.get("SM_MICRON_BAR"))
    by_bar = bar_um / bar_px if bar_um and bar_um > 0 and bar_px else None
    zoom = notes.above_zero("CM_MAG", header.get("CM_MAG"))
    by_zoom = [mm / zoom / columns for mm in _PHOTOGRAPHS_UM] if zoom else []
    if not (stated or across or by_bar):
        return _from_photograph(by_zoom, rescaled, notes)
    # The newer dialect may state the magnification of a screen: no check there.
    doubt = _contradiction(by_bar, by_zoom) if not (stated or across) else None
    found = (
        ("CM_PIXEL_SIZE", stated),
        ("CM_FIELD_OF_VIEW", across and across / columns),
        ("SM_MICRON_MARKER/SM_MICRON_BAR", by_bar),
        ("CM_MAG", doubt),
    )
    # The bar is a whole number of px.
    sigma = max(0.03, 0.5 / bar_px) if bar_px and not (stated or across) else 0.03
    scaled = [(source, value and value * rescaled) for source, value in found]
    return checked_size(scaled, notes, sigma=sigma)


def _from_photograph(
    by_zoom: list[float], rescaled: float, notes: Notes
) -> PixelSize | None:
    if not by_zoom:
        return None
    notes.add(
        "no scale bar length in px: the pixel size is that of $CM_MAG on a 128 mm wide "
        "photograph, 6 % less on older columns"
    )
    stated = (("CM_MAG", by_zoom[0] * rescaled),)
    return checked_size(stated, notes, sigma=_PHOTOGRAPH_SIGMA)


def _contradiction(by_bar: float | None, by_zoom: list[float]) -> float | None:
    """The size by magnification where it fits the bar on no photograph."""
    if by_bar is None or not by_zoom:
        return None
    nearest = min(by_zoom, key=lambda size: abs(math.log(size / by_bar)))
    apart = abs(math.log(nearest / by_bar))
    return nearest if apart > _PHOTOGRAPH_SLACK else None


def stage(header: JeolHeader, notes: Notes) -> StagePose | None:
    """Where the stage was, on JEOL's own axes; the scan rotation has no switch."""
    key, named = "CM_STAGE_POSITION", header.get("CM_STAGE_POSITION")
    if named:
        words: dict[str, str | None] = dict(_STAGE_AXIS.findall(named))
    else:
        key = "CM_STAGE_POS"
        words = {axis: header.part(key, k) for k, axis in enumerate("XYZRT")}
    x, y, z = (notes.position_um(f"{key} {a}", words.get(a), 1e3) for a in "XYZ")
    if x is None and y is None:
        return None
    rotation = notes.angle_deg(f"{key} R", words.get("R"))
    tilt = notes.angle_deg(f"{key} T", words.get("T"), most=180.0)
    if not named and (rotation or tilt):
        notes.add("the last numbers of $CM_STAGE_POS are taken for rotation and tilt")
    turned = notes.angle_deg(
        "SCAN_ROTATION", header.get("SM_SCAN_ROTATION", "CM_SCAN_ANGLE")
    )
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=rotation,
        tilt_deg=tilt,
        scan_rotation_deg=turned or 0.0,
    )


def bar_rows(
    width: int, height: int, full: tuple[float, float] | None, notes: Notes
) -> int | None:
    """Rows appended below the image; None where the pixels must tell."""
    if full is None:
        return None
    # Text may still be painted over an image that has no rows below it.
    return bar_below(height, full[1] * width / full[0], None, notes) or None


def acquired_at(header: JeolHeader, notes: Notes) -> datetime | None:
    """Wall-clock time without a zone, or None."""
    return local_time(header.get("CM_DATE"), header.get("CM_TIME"), notes)


def channel(header: JeolHeader) -> tuple[str, ChannelKind, str]:
    """Name and kind of the detector, and why that kind."""
    keys = ("CM_DETECTOR", "CM_DETECTOR_NAME", "FE_DETECTOR_NAME")
    name = clean(header.get("CM_SIGNAL", "CM_SIGNAL_NAME", *keys))
    words = {name.upper(), clean(header.get(*keys)).upper()}
    if any(word.startswith(_BSE) for word in words):
        return name, ChannelKind.BSE, f"signal {name} is of backscattered electrons"
    if words & _SE:
        return name, ChannelKind.SE, f"signal {name} is of secondary electrons"
    return name or "SEM", ChannelKind.UNKNOWN, f"signal {name or 'not named'}"


def modality(header: JeolHeader) -> Modality:
    """TEM for columns called JEM, else SEM."""
    model = clean(header.get("CM_INSTRUMENT")).upper()
    return Modality.TEM if model.startswith("JEM") else Modality.SEM
