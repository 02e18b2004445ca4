"""What CZI metadata say about each channel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from clemd_drivers.formats._light import ChannelClues
from clemd_drivers.formats._values import clean, number, positive
from clemd_drivers.formats._xml import children, text_at

from ._facts import at

_PLACEHOLDER = re.compile(r"dye\s?\d*", re.I)
_RANGE = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")


def channel_clues(metadata: Element) -> list[ChannelClues]:
    """One entry per channel, in the order of their numbers."""
    stated = _list(at(metadata, "Information", "Image", "Dimensions", "Channels"))
    shown = _list(at(metadata, "DisplaySetting", "Channels"))
    parts = _parts(metadata)
    tracks = _tracks(metadata)
    return [
        _clues(channel, _display(channel, index, shown), parts, tracks)
        for index, channel in enumerate(stated)
    ]


def detectors(metadata: Element) -> list[str]:
    """Name of each channel's detector."""
    stated = _list(at(metadata, "Information", "Image", "Dimensions", "Channels"))
    parts = _parts(metadata)
    return [_detector(channel, parts) for channel in stated]


def _list(element: Element | None) -> list[Element]:
    return list(children(element, "Channel")) if element is not None else []


def _display(channel: Element, index: int, shown: list[Element]) -> Element:
    for one in shown:
        if one.get("Id") and one.get("Id") == channel.get("Id"):
            return one
    return shown[index] if index < len(shown) else Element("Channel")


def _parts(metadata: Element) -> dict[str, Element]:
    instrument = at(metadata, "Information", "Instrument")
    found: dict[str, Element] = {}
    for element in instrument.iter() if instrument is not None else ():
        # References carry the Id as well, and nothing else.
        if element.get("Id") and not element.tag.endswith("Ref"):
            found.setdefault(element.get("Id", ""), element)
    return found


def _clues(
    channel: Element,
    shown: Element,
    parts: dict[str, Element],
    tracks: dict[str, Element],
) -> ChannelClues:
    name = clean(channel.get("Name")) or clean(shown.get("Name"))
    dye = clean(text_at(channel, "Fluor")) or clean(text_at(shown, "DyeName"))
    lines = list(_laser_lines_nm(channel))
    stated_nm = _nm(text_at(channel, "ExcitationWavelength"))
    return ChannelClues(
        name=name,
        fluor="" if _PLACEHOLDER.fullmatch(dye) else dye,
        contrast=clean(text_at(channel, "ContrastMethod")),
        illumination=clean(text_at(channel, "IlluminationType")),
        acquisition_mode=clean(text_at(channel, "AcquisitionMode")),
        # The line that shone, not the one that the dye would like best.
        excitation_nm=lines[0] if len(lines) == 1 else stated_nm,
        emission_nm=_nm(text_at(channel, "EmissionWavelength")),
        detector=_detector(channel, parts),
        dichroic=_dichroic(channel, parts) or _splitter(tracks.get(name)),
        bands_nm=tuple(_bands(channel)),
    )


def _nm(text: str | None) -> float | None:
    return positive(number(text))


def _laser_lines_nm(channel: Element) -> Iterator[float]:
    for settings in channel.iter("LightSourceSettings"):
        # Fully attenuated: the laser was off.
        if (number(text_at(settings, "Attenuation")) or 0.0) < 1.0:
            line = _nm(text_at(settings, "Wavelength"))
            if line is not None:
                yield line


def _bands(channel: Element) -> Iterator[tuple[float, float]]:
    text = text_at(channel, "DetectionWavelength", "Ranges")
    for low, high in _RANGE.findall(text or "")[:16]:
        yield float(low), float(high)


def _linked(channel: Element, parts: dict[str, Element], *path: str) -> Element | None:
    reference = at(channel, *path)
    return parts.get(reference.get("Id", "")) if reference is not None else None


def _detector(channel: Element, parts: dict[str, Element]) -> str:
    found = _linked(channel, parts, "DetectorSettings", "Detector")
    if found is None:
        return ""
    named = clean(found.get("Name")) or clean(text_at(found, "Manufacturer", "Model"))
    return named or clean(text_at(found, "Type"))


def _dichroic(channel: Element, parts: dict[str, Element]) -> str:
    filters = _linked(channel, parts, "FilterSetRef")
    if filters is None:
        filters = _linked(channel, parts, "FilterSet")
    if filters is None:
        return ""
    found = _linked(filters, parts, "DichroicRef")
    return clean(found.get("Name")) if found is not None else ""


def _tracks(metadata: Element) -> dict[str, Element]:
    """Name of a channel -> the confocal track that recorded it."""
    experiment = at(metadata, "Experiment")
    found: dict[str, Element] = {}
    setups = experiment.iter("TrackSetup") if experiment is not None else ()
    for number_, setup in enumerate(setups, 1):
        for detector in setup.iter("Detector"):
            image = clean(text_at(detector, "ImageChannelName"))
            if image:
                found.setdefault(f"{image}-T{number_}", setup)
                found.setdefault(image, setup)
    return found


def _splitter(setup: Element | None) -> str:
    """Filters of the track's main beam splitters."""
    if setup is None:
        return ""
    return ", ".join(
        clean(text_at(splitter, "Filter"))
        for splitter in setup.iter("BeamSplitter")
        if (text_at(splitter, "Identifier") or "").startswith("Main")
    )
