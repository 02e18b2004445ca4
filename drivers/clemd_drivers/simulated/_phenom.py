"""Phenom: XML in tag 34683 of a TIFF, or the same XML behind a JPEG; a bar below."""

from __future__ import annotations

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from ._bar import appended_bar
from ._shots import ElectronShot
from ._tiff import Tag, header_first

FEI_TITAN = 34683


def encode_phenom(shot: ElectronShot, pixels: NDArray[np.uint8]) -> bytes:
    """The TIFF; `pixels` is the scanned frame, the bar is added below it."""
    frame = _framed(shot, pixels)
    tags = [
        Tag.short(256, frame.shape[1]),
        Tag.short(257, frame.shape[0]),
        Tag.short(258, 8),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, 1),
        Tag.long(278, frame.shape[0]),
        Tag.ascii(FEI_TITAN, phenom_xml(shot).encode("utf-8") + b"\0"),
    ]
    return header_first(frame, tags)


def encode_phenom_jpeg(shot: ElectronShot, pixels: NDArray[np.uint8]) -> bytes:
    """The JPEG with its XML behind the end marker."""
    data = bytes(imagecodecs.jpeg8_encode(_framed(shot, pixels), level=90))
    return data + phenom_xml(shot).encode("utf-8")


def phenom_xml(shot: ElectronShot) -> str:
    """The facts."""
    height, width = shot.field.shape
    stage, pixel_um = shot.stage, shot.metadata_pixel_um
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<FeiImage xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<time>{shot.acquired_at:%Y-%m-%dT%H:%M:%S}</time>
<databarLabel>{shot.sample}</databarLabel>
<databarHeight>{shot.bar_rows}</databarHeight>
<pixelWidth unit="nm">{pixel_um * 1000:.10g}</pixelWidth>
<pixelHeight unit="nm">{pixel_um * 1000:.10g}</pixelHeight>
<cropHint><left>0</left><top>0</top><right>{width}</right>\
<bottom>{height}</bottom></cropHint>
<samplePosition><x unit="um">{stage.x_um:.3f}</x><y unit="um">{stage.y_um:.3f}</y>\
</samplePosition>
<workingDistance unit="mm">6.1</workingDistance>
<instrument><type>Phenom</type><edition>G4 Phenom ProX</edition></instrument>
<acquisition><scan><detector>All</detector><dwellTime unit="ns">200</dwellTime>\
<highVoltage unit="V">-10000</highVoltage><spotSize>3.3</spotSize></scan></acquisition>
</FeiImage>
"""


def _framed(shot: ElectronShot, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    bar = appended_bar(
        (shot.bar_rows, pixels.shape[1]),
        (("Det", "All"), ("HV", "10 kV"), ("FW", "60 um")),
        pixel_um=shot.metadata_pixel_um,
    )
    return np.concatenate([pixels, bar])
