"""The <FeiImage> XML as facts; every length has its unit in an attribute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from xml.etree.ElementTree import Element

from clemd.model import ChannelKind, PixelSize, StagePose
from clemd_drivers.formats._clock import local_time
from clemd_drivers.formats._notes import Notes, bar_below, checked_size
from clemd_drivers.formats._values import clean, um_per
from clemd_drivers.formats._xml import children, text_at

_DEG_PER = {"deg": 1.0, "°": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / math.pi}
_SCAN = ("acquisition", "scan")


def _element(root: Element, *path: str) -> Element | None:
    at: Element | None = root
    for name in path:
        at = next(children(at, name), None) if at is not None else None
    return at


def _um(element: Element | None, notes: Notes, usual: str = "") -> float | None:
    """Micrometres in one of an element's units, or None."""
    if element is None or not clean(element.text):
        return None
    unit = element.get("unit") or usual
    factor = um_per(unit)
    if factor is None:
        notes.add(f"{element.tag} in {clean(unit, 20) or 'no unit'} is not used")
    return factor


def pixel_size(root: Element, notes: Notes) -> PixelSize | None:
    """The size of one pixel, or None."""
    sizes: list[float | None] = []
    for name in ("pixelWidth", "pixelHeight"):
        element = _element(root, name)
        factor = _um(element, notes)
        stated = element.text if element is not None and factor else None
        sizes.append(notes.size_um(name, stated, factor or 1.0))
    x, y = sizes
    ratio = y / x if x and y else 1.0
    return checked_size((("pixelWidth", x), ("pixelHeight", y if not x else None)),
                        notes, ratio_y=ratio)  # fmt: skip


def stage(root: Element, notes: Notes) -> StagePose | None:
    """Where the sample was, on the Phenom's own axes."""
    axes = {
        (axis.get("id") or "").upper(): axis
        for part in children(root, "multiStage")
        for axis in children(part, "axis")
    }
    places: list[float | None] = []
    for name in "xyz":
        sample = _element(root, "samplePosition", name)
        # The sample's own position is always stated in micrometres.
        element, usual = (sample, "um") if sample is not None else (
            axes.get(name.upper()), "")  # fmt: skip
        factor = _um(element, notes, usual)
        stated = element.text if element is not None and factor else None
        places.append(notes.position_um(f"position {name}", stated, factor or 1.0))
    x, y, z = places
    if x is None and y is None:
        return None
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=_angle_deg(axes.get("R"), "stage rotation", notes),
        tilt_deg=_angle_deg(axes.get("T"), "stage tilt", notes),
        scan_rotation_deg=_angle_deg(
            _element(root, *_SCAN, "rotation"), "scan rotation", notes
        )
        or 0.0,
    )


def _angle_deg(element: Element | None, name: str, notes: Notes) -> float | None:
    """Degrees, where the element says in which unit it is."""
    if element is None or not clean(element.text):
        return None
    unit = (element.get("unit") or "").strip().lower()
    if unit not in _DEG_PER:
        notes.add(f"{name} in {clean(unit, 20) or 'no unit'} is not used")
        return None
    return notes.angle_deg(name, element.text, _DEG_PER[unit])


def bar_rows(root: Element, height: int, notes: Notes) -> int | None:
    """Rows of the info bar below the image; None where the pixels must tell."""
    stated = notes.above_zero("databarHeight", text_at(root, "databarHeight"))
    bottom = notes.above_zero("cropHint/bottom", text_at(root, "cropHint", "bottom"))
    if bottom is None:
        return bar_below(height, None, stated, notes)
    rows = bar_below(height, bottom, None, notes)
    if rows and stated and rows != round(stated):
        notes.add(f"info bar is {rows} rows high, the metadata say {stated:g}")
    # The bar may be painted over an image that has no rows below it.
    return rows or None


def acquired_at(root: Element, notes: Notes) -> datetime | None:
    """The time as stated, with its zone where there is one, or None."""
    text = clean(text_at(root, "time"), 60)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        date, _, time = text.partition(" ")
        return local_time(date, time, notes) if text else None


def channel(root: Element) -> tuple[str, ChannelKind, str]:
    """Name and kind of the detector, and why that kind."""
    name = clean(text_at(root, *_SCAN, "detector"))
    word = name.upper()
    if word.startswith("SE"):
        return name, ChannelKind.SE, f"detector {name} collects secondary electrons"
    if word.startswith(("BS", "ALL", "FULL", "TOPO")):
        why = f"detector {name} is of segments for backscattered electrons"
        return name, ChannelKind.BSE, why
    return name or "SEM", ChannelKind.UNKNOWN, f"detector {name or 'not named'}"


def instrument(root: Element) -> str:
    """Maker and model."""
    model = clean(
        text_at(root, "instrument", "edition") or text_at(root, "instrument", "type")
    )
    words = model if "phenom" in model.lower() else f"Phenom {model}"
    return f"Thermo Fisher {words}".strip()


def kept(root: Element) -> dict[str, str | None]:
    """Values worth keeping, with the unit each one states."""
    paths: Sequence[tuple[str, ...]] = (
        (*_SCAN, "highVoltage"),
        (*_SCAN, "dwellTime"),
        (*_SCAN, "spotSize"),
        (*_SCAN, "emissionCurrent"),
        ("workingDistance",),
        ("instrument", "softwareVersion"),
    )
    found = ((path[-1], _element(root, *path)) for path in paths)
    return {
        name: f"{element.text or ''} {element.get('unit') or ''}"
        for name, element in found
        if element is not None
    }
