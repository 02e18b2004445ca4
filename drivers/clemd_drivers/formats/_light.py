"""What light-microscope files have in common: channels from clues, the modality."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from clemd.model import Channel, ChannelKind, Modality
from clemd_drivers.formats._kind import ChannelClues, decide

_CONFOCAL = {
    "LaserScanningConfocalMicroscopy", "SpinningDiskConfocal", "SlitScanConfocal",
    "MultiPhotonMicroscopy", "MultiPhotonFluorescence", "SweptFieldConfocal",
    "SecondHarmonicGenerationImaging", "FluorescenceLifetime", "STED",
}  # fmt: skip
_ELECTRONS = {"SEM", "FIB", "FIB_SEM"}
_LIGHT = {ChannelKind.FLUORESCENCE, ChannelKind.REFLECTED, ChannelKind.TRANSMITTED}
# Channels called after their dye, where the field for the dye is empty.
_DYES = re.compile(
    r"\b(dapi|hoechst|[ty]?e?[gycbr]fp|m?cherry|tdtomato|fitc|tritc|texas ?red|cy[2357]"
    r"|(af|alexa ?(fluor)?|atto)[ -]?\d{3}|mitotracker|lysotracker|rhodamine)\b",
    re.IGNORECASE,
)
_LASER_SCANNERS = ("lsm", "confocal", "sp5", "sp8", "stellaris", "a1r", "ax r")


def channel_of(clues: ChannelClues, index: int, *, spectral: bool = False) -> Channel:
    """A channel with its kind and the reasons for it.

    Args:
        clues: everything the file says about it.
        index: for the name of a channel that has none.
        spectral: it was recorded at several wavelengths.
    """
    dye = _DYES.search(clues.name)
    named = replace(
        clues,
        name=clues.name or clues.fluor or f"channel {index}",
        # The whole name: `GFP reflection` is a reflection.
        fluor=clues.fluor or (clues.name if dye else ""),
    )
    kind, reason = decide(named)
    if kind is ChannelKind.UNKNOWN and spectral:
        kind, reason = ChannelKind.SPECTRAL, "recorded at several wavelengths"
    return Channel(
        name=named.name,
        kind=kind,
        kind_reason=reason,
        excitation_nm=named.excitation_nm,
        emission_nm=named.emission_nm,
    )


def modality_of(
    modes: Iterable[str], channels: Iterable[Channel], microscope: str
) -> Modality:
    """The instrument's kind: how it was acquired first, then what it shows.

    Args:
        modes: acquisition modes in the words of OME, empty where none is stated.
        channels: of the frame.
        microscope: maker and model, for files that name no mode.
    """
    stated = {mode for mode in modes if mode}
    kinds = {channel.kind for channel in channels}
    if stated & _ELECTRONS or kinds & {ChannelKind.SE, ChannelKind.BSE}:
        return Modality.SEM
    if stated & _CONFOCAL:
        return Modality.CLSM
    if not stated and not kinds & _LIGHT:
        return Modality.UNKNOWN
    words = microscope.lower()
    scans = not stated and any(word in words for word in _LASER_SCANNERS)
    return Modality.CLSM if scans else Modality.WIDEFIELD


__all__ = ["ChannelClues", "channel_of", "modality_of"]
