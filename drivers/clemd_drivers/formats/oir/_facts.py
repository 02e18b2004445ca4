"""What the XML of an OIR file says of its image; names without their namespaces."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element

from clemd.model import Channel, PixelSize
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, number, positive, um_per
from clemd_drivers.formats._xml import text_at

AXES = {"TIMELAPSE": "t", "ZSTACK": "z", "LAMBDA": "l"}
_EMPTY = Element("none")
_SIGHT_NM = (200.0, 2000.0)
_TRANSMITTED = re.compile(r"(ch)?td\d*|trans\w*", re.IGNORECASE)
_NO_DYE = {"", "none", "no dye", "-"}
_EARLIEST_YEAR = 1990


@dataclass(frozen=True, slots=True)
class FrameSize:
    """Of every plane."""

    shape: tuple[int, int]
    depth: int
    """Bytes of a sample."""
    colour: str


def frame_size(frame: Element) -> FrameSize:
    """What a plane's own XML says; zeros where it says nothing."""

    def count(name: str) -> int:
        value = number(_first(frame, name).text)
        return int(value) if value is not None and 0 < value < 1e9 else 0

    return FrameSize(
        shape=(count("height"), count("width")),
        depth=count("depth"),
        colour=clean(_first(frame, "colorType").text, 40),
    )


def declared(image: Element) -> dict[str, int]:
    """Axis letter -> places that were to be recorded, where more than one."""
    found: dict[str, int] = {}
    # What was recorded stands with the image, what was asked for with the settings.
    for where in (_first(image, "imageInfo"), image):
        for axis in where.iter("axis"):
            letter = AXES.get((text_at(axis, "axis") or "").strip())
            count = number(text_at(axis, "maxSize"))
            is_on = all(
                axis.get(switch, "true") == "true"
                for switch in ("enable", "paramEnable")
            )
            if letter and is_on and count is not None and count > 1:
                found.setdefault(letter, int(min(count, 1e9)))
        if found:
            break
    return found


def pixel_size(image: Element, notes: Notes) -> PixelSize | None:
    """Edges as stated with the channels, which state them alike."""
    for channel in _first(image, "imageInfo").iter("channel"):
        sides = _edges(channel)
        size = size_of_edges("OIR commonphase:length", sides[0], sides[1], notes)
        if size is not None:
            return size
    notes.add("no pixel size in the OIR metadata")
    return None


def _edges(channel: Element) -> tuple[float | None, float | None]:
    length, units = _first(channel, "length"), _first(channel, "pixelUnit")

    def side(axis: str) -> float | None:
        factor = um_per(text_at(units, axis) or "um")
        value = positive(number(text_at(length, axis)))
        return value * factor if value is not None and factor is not None else None

    return side("x"), side("y")


def acquired_at(image: Element) -> datetime | None:
    """When the image was made; naive where it states no zone."""
    text = clean(_first(image, "creationDateTime").text, 60)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.year >= _EARLIEST_YEAR else None


def instrument(image: Element) -> str:
    """Maker and system."""
    system = clean(
        _first(image, "systemName").text
        or text_at(_first(image, "microscope"), "name"),
        80,
    )
    return system if "olympus" in system.lower() else f"Olympus {system}".strip()


def remarks(image: Element) -> dict[str, str | None]:
    """Values worth keeping."""
    lens = _first(image, "objectiveLens")
    magnification = positive(number(text_at(lens, "magnification")))
    aperture = positive(number(text_at(lens, "naValue")))
    return {
        "objective": text_at(lens, "displayName") or text_at(lens, "name"),
        "magnification": f"{magnification:g}" if magnification else None,
        "numerical_aperture": f"{aperture:g}" if aperture else None,
        "zoom": _first(image, "zoom").text,
        "software": _first(image, "systemVersion").text,
    }


def channels(image: Element, ids: Sequence[str], *, spectral: bool) -> list[Channel]:
    """One for each id, whatever is said of it and in which order.

    Args:
        image: the metadata.
        ids: of the channels that have pixels, in their order.
        spectral: they were recorded at several wavelengths.
    """
    lasers = _lasers(image)
    said = [(one.get("id"), one) for one in _channel_elements(image)]
    return [
        channel_of(
            _clues([element for own, element in said if own == wanted], lasers),
            index,
            spectral=spectral,
        )
        for index, wanted in enumerate(ids)
    ]


def _clues(said: list[Element], lasers: dict[str, float]) -> ChannelClues:
    def text(name: str) -> str:
        """Of the first that says anything; its own, then anything inside it."""
        own = (text_at(one, name) for one in said)
        inside = (found.text for one in said for found in one.iter(name))
        return next((clean(words, 80) for words in (*own, *inside) if clean(words)), "")

    name = next((clean(text_at(one, "name"), 80) for one in said), "")
    device, dye = text("deviceName"), text("dyeName")
    through = any(_TRANSMITTED.fullmatch(words) for words in (name, device))
    laser = _laser_of(said, lasers)
    bands = _band(text("startWavelength"), text("endWavelength"))
    emission = None if through else _nm(text("emissionWavelength"))
    if emission is None and not through and laser and bands and bands[0][0] > laser + 3:
        # A band beyond the laser line sees what the specimen emits, nothing else.
        emission = sum(bands[0]) / 2
    return ChannelClues(
        name=name,
        fluor="" if through or dye.lower() in _NO_DYE else dye,
        illumination="Transmitted" if through else "",
        acquisition_mode="LaserScanningConfocalMicroscopy",
        excitation_nm=laser or _nm(text("excitationWavelength")),
        emission_nm=emission,
        detector=device,
        bands_nm=bands,
    )


def _band(low: str, high: str) -> tuple[tuple[float, float], ...]:
    edges = _nm(low), _nm(high)
    if edges[0] is None or edges[1] is None or edges[0] >= edges[1]:
        return ()
    return ((edges[0], edges[1]),)


def _laser_of(said: list[Element], lasers: dict[str, float]) -> float | None:
    """The line of the only laser that a channel is linked with."""
    linked = {clean(e.text) for one in said for e in one.iter("laserDataId")}
    if not linked and len(lasers) == 1:
        return next(iter(lasers.values()))
    lines = {lasers[one] for one in linked if one in lasers}
    return lines.pop() if len(lines) == 1 else None


def _lasers(image: Element) -> dict[str, float]:
    """Lasers that were on: id -> wavelength in nm."""
    found = {}
    for laser in image.iter("imagingMainLaser"):
        line = _nm(text_at(laser, "wavelength"))
        if line is not None and laser.get("enable", "true") == "true":
            found[clean(laser.get("id"))] = line
    return found


def _channel_elements(image: Element) -> Iterator[Element]:
    for element in image.iter("channel"):
        if element.get("id"):
            yield element


def _nm(text: str | None) -> float | None:
    value = number(text)
    low, high = _SIGHT_NM
    return value if value is not None and low < value < high else None


def _first(element: Element, name: str) -> Element:
    """The first of that name, however deep; an empty one where there is none."""
    return next(element.iter(name), _EMPTY)
