"""What an LSM file says about each channel: lasers, filters, splitters, dyes.

Channels follow the detectors that recorded, track after track. Where their numbers do
not agree only names and detected wavelengths are used.
"""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clemd.model import Channel
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._values import clean

from ._scan import DETECTION, ILLUMINATION, SPLITTER, TRACK, Block

_BAND_PASS = re.compile(r"\bBP\s*(\d{3,4})\s*-\s*(\d{3,4})")
_SIGHT_NM = 900.0
"""Detectors see nothing beyond."""
_LONG_PASS = re.compile(r"\bLP\s*(\d{3,4})")
# Entries of the blocks.
_TRACK_ON, _DETECTOR_ON, _LASER_ON = 6, 0x0B, 4
_LASER_POWER, _LASER_LINE = 2, 3
_FILTER, _CHANNEL_NAME, _SPI_FROM, _SPI_TO, _DYE = 0x10, 0x14, 0x22, 0x23, 0x26
_SPLITTER_FILTER = 2


def channels(
    scan: Block, names: list[str], bands_m: NDArray[np.float64], count: int
) -> tuple[Channel, ...]:
    """One per channel of the image, with its kind and the reasons.

    Args:
        scan: the recording.
        names: of the channels as shown.
        bands_m: detected wavelengths (from, to) of the channels, in metres.
        count: how many channels the image has.
    """
    detected = [
        _clues(track, detector)
        for track in scan.all(TRACK)
        if track.number(_TRACK_ON) != 0
        for detector in track.all(DETECTION)
        if detector.number(_DETECTOR_ON)
    ]
    if len(detected) != count:
        detected = [ChannelClues()] * count
    return tuple(
        _channel(clue, index, names, bands_m) for index, clue in enumerate(detected)
    )


def _channel(
    clue: ChannelClues, index: int, names: list[str], bands_m: NDArray[np.float64]
) -> Channel:
    if index < len(names):
        clue = replace(clue, name=clean(names[index], 80) or clue.name)
    if not clue.bands_nm and index < len(bands_m):
        low, high = (float(edge) * 1e9 for edge in bands_m[index])
        if 200 < low < high < 2000:
            clue = replace(clue, bands_nm=((low, high),))
    line = clue.excitation_nm
    if line is not None and clue.bands_nm and clue.bands_nm[0][0] > line + 3:
        # A band beyond the laser line sees what the specimen emits, nothing else.
        clue = replace(clue, emission_nm=sum(clue.bands_nm[0]) / 2)
    channel = channel_of(clue, index)
    # The middle of everything above a long pass is no wavelength to speak of.
    open_ended = bool(clue.bands_nm) and clue.bands_nm[0][1] >= _SIGHT_NM
    return replace(channel, emission_nm=None) if open_ended else channel


def _clues(track: Block, detector: Block) -> ChannelClues:
    name = detector.text(_CHANNEL_NAME)
    lines = sorted(
        {
            laser.number(_LASER_LINE) or 0.0
            for laser in track.all(ILLUMINATION)
            if laser.number(_LASER_ON) and laser.number(_LASER_POWER)
        }
        - {0.0}
    )
    splitters = [splitter.text(_SPLITTER_FILTER) for splitter in track.all(SPLITTER)]
    return ChannelClues(
        name=name,
        fluor=detector.text(_DYE),
        detector=name,
        excitation_nm=lines[0] if len(lines) == 1 else None,
        dichroic=", ".join(words for words in splitters if words),
        bands_nm=_band(detector),
    )


def _band(detector: Block) -> tuple[tuple[float, float], ...]:
    low, high = detector.number(_SPI_FROM), detector.number(_SPI_TO)
    if low and high and 200 < low < high < 2000:
        return ((low, high),)
    words = detector.text(_FILTER)
    found = _BAND_PASS.search(words)
    if found is not None:
        return ((float(found[1]), float(found[2])),)
    found = _LONG_PASS.search(words)
    return ((float(found[1]), _SIGHT_NM),) if found is not None else ()
