"""What a LIF document says about each channel.

Channels follow the active detectors, sequence after sequence. Where their numbers do
not agree nothing is known for certain, and only the colour names the channel.
"""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element

from clemd.model import Channel, ChannelKind
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._values import clean, number, positive
from clemd_drivers.formats._xml import children

from ._image import EMISSION, EXCITATION, Image

_CONFOCAL = "ATLConfocalSettingDefinition"
_CONTRASTS = {
    "FLUO": "Fluorescence",
    "TL-BF": "Brightfield",
    "TL-PH": "Phase",
    "TL-DIC": "DIC",
    "TL-IMC": "HoffmanModulation",
}


def channels(image: Image) -> tuple[Channel, ...]:
    """One per channel of the image, with its kind and the reasons."""
    colours = [
        clean(one.get("LUTName")) for one in image.element.iter("ChannelDescription")
    ]
    clues = _detected(image) or _photographed(image.element)
    if len(clues) != len(image.channels):
        clues = [ChannelClues(name=name) for name in colours]
    spectral = image.count(EMISSION) * image.count(EXCITATION) > 1
    return tuple(
        _incident(channel_of(clue, index, spectral=spectral), clue)
        for index, clue in enumerate(clues)
    )


def _incident(channel: Channel, clue: ChannelClues) -> Channel:
    if not clue.contrast.startswith("IL-"):
        return channel
    reason = f"contrasting method {clue.contrast} lights the specimen from above"
    return replace(channel, kind=ChannelKind.REFLECTED, kind_reason=reason)


def _detected(image: Image) -> list[ChannelClues]:
    """Clues of a confocal image."""
    sequences = [
        setting
        for group in image.element.iter("LDM_Block_Sequential_List")
        for setting in children(group, _CONFOCAL)
    ]
    if not sequences:
        sequences = list(image.element.iter(_CONFOCAL))[:1]
    return [clue for setting in sequences for clue in _sequence(setting, image)]


def _sequence(setting: Element, image: Image) -> list[ChannelClues]:
    lines = sorted(set(_laser_lines_nm(setting)))
    bands = {
        band.get("Channel"): band
        for group in children(setting, "Spectro")
        for band in children(group, "MultiBand")
    }
    swept = {axis for axis in (EMISSION, EXCITATION) if image.count(axis) > 1}
    return [
        _clue(detector, bands.get(detector.get("Channel")), lines, swept)
        for group in children(setting, "DetectorList")
        for detector in children(group, "Detector")
        if detector.get("IsActive") == "1"
    ]


def _clue(
    detector: Element, band: Element | None, lines: list[float], swept: set[int]
) -> ChannelClues:
    name = clean(detector.get("Name"))
    low, high = (_nm(band, side) for side in ("LeftWorld", "RightWorld"))
    dye = clean(band.get("DyeName") if band is not None else "").rpartition("/")[2]
    excitation = lines[0] if len(lines) == 1 and EXCITATION not in swept else None
    # While the band moves, where it stands now says nothing.
    known = low is not None and high is not None and EMISSION not in swept
    clue = ChannelClues(name=name, fluor=dye, detector=name, excitation_nm=excitation)
    if not known or low is None or high is None:
        return clue
    beyond = excitation is not None and low > excitation + 3
    return replace(
        clue,
        bands_nm=((low, high),),
        # A band beyond the laser line sees what the specimen emits, nothing else.
        emission_nm=(low + high) / 2 if beyond else None,
    )


def _nm(band: Element | None, side: str) -> float | None:
    return positive(number(band.get(side))) if band is not None else None


def _laser_lines_nm(setting: Element) -> list[float]:
    found = []
    for group in children(setting, "AotfList"):
        for line in group.iter("LaserLineSetting"):
            wavelength = positive(number(line.get("LaserLine")))
            if wavelength and positive(number(line.get("IntensityDev"))):
                found.append(wavelength)
    return found


def _photographed(image: Element) -> list[ChannelClues]:
    """Clues of a camera image."""
    return [
        ChannelClues(
            name=clean(info.get("UserDefName")) or clean(info.get("FluoCubeName")),
            contrast=_CONTRASTS.get(
                clean(info.get("ContrastingMethodName")),
                clean(info.get("ContrastingMethodName")),
            ),
            emission_nm=positive(number(info.get("EmissionWavelength"))),
        )
        for group in list(image.iter("WideFieldChannelConfigurator"))[:1]
        for info in children(group, "WideFieldChannelInfo")
    ]
