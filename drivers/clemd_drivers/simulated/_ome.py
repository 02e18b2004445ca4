"""OME-TIFF of a confocal map, with XML of our own."""

from __future__ import annotations

from io import BytesIO
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from numpy.typing import NDArray

from ._shots import LightShot

_CHANNELS = (
    'Name="Reflection" ContrastMethod="Other" IlluminationType="Other" '
    'ExcitationWavelength="488" EmissionWavelength="488"',
    'Name="DAPI" Fluor="DAPI" ContrastMethod="Fluorescence" '
    'IlluminationType="Epifluorescence" '
    'ExcitationWavelength="405" EmissionWavelength="461"',
    'Name="TOM20-AF568" Fluor="Alexa Fluor 568" ContrastMethod="Fluorescence" '
    'IlluminationType="Epifluorescence" '
    'ExcitationWavelength="561" EmissionWavelength="603"',
)
_UNITS = 'ExcitationWavelengthUnit="nm" EmissionWavelengthUnit="nm"'
_MODE = 'AcquisitionMode="LaserScanningConfocalMicroscopy"'
_OME = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def encode_ome(
    shot: LightShot, pixels: NDArray[np.uint16], *, remark: str = ""
) -> bytes:
    """The whole file; `pixels` is (3, height, width)."""
    stream = BytesIO()
    tifffile.imwrite(
        stream,
        pixels,
        photometric="minisblack",
        description=_xml(shot, remark).encode("utf-8"),
        metadata=None,
        software=False,
    )
    return stream.getvalue()


def _xml(shot: LightShot, remark: str) -> str:
    height, width = shot.field.shape
    pixel = f"{shot.metadata_pixel_um:.6f}"
    x, y, z = (f"{v:.2f}" for v in (shot.stage.x_um, shot.stage.y_um, shot.stage.z_um))
    channels = "".join(
        f'<Channel ID="Channel:0:{index}" SamplesPerPixel="1" '
        f"{_MODE} {_UNITS} {facts}/>"
        for index, facts in enumerate(_CHANNELS)
    )
    files = "".join(
        f'<TiffData FirstC="{c}" FirstZ="0" FirstT="0" IFD="{c}" PlaneCount="1"/>'
        for c in range(3)
    )
    planes = "".join(
        f'<Plane TheC="{c}" TheZ="0" TheT="0" PositionX="{x}" PositionXUnit="µm" '
        f'PositionY="{y}" PositionYUnit="µm" PositionZ="{z}" PositionZUnit="µm"/>'
        for c in range(3)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f'<OME xmlns="{_OME}" xmlns:xsi="{_XSI}" '
        f'xsi:schemaLocation="{_OME} {_OME}/ome.xsd" Creator="simulated confocal">'
        f'<Dataset ID="Dataset:0" Name={quoteattr(shot.sample)}>'
        '<ImageRef ID="Image:0"/></Dataset>'
        '<Instrument ID="Instrument:0">'
        '<Microscope Manufacturer="Simulated" Model="Confocal"/>'
        '<Objective ID="Objective:0" NominalMagnification="63" LensNA="1.4" '
        'Immersion="Oil"/></Instrument>'
        f'<Image ID="Image:0" Name={quoteattr(shot.sample)}>'
        f"<AcquisitionDate>{shot.acquired_at:%Y-%m-%dT%H:%M:%S}Z</AcquisitionDate>"
        f"<Description>{remark}</Description>"
        '<InstrumentRef ID="Instrument:0"/><ObjectiveSettings ID="Objective:0"/>'
        f'<StageLabel Name={quoteattr(shot.sample)} X="{x}" XUnit="µm" '
        f'Y="{y}" YUnit="µm" Z="{z}" ZUnit="µm"/>'
        '<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" '
        'SignificantBits="12" BigEndian="false" Interleaved="false" '
        f'SizeX="{width}" SizeY="{height}" SizeC="3" SizeZ="1" SizeT="1" '
        f'PhysicalSizeX="{pixel}" PhysicalSizeXUnit="µm" '
        f'PhysicalSizeY="{pixel}" PhysicalSizeYUnit="µm">'
        f"{channels}{files}{planes}</Pixels></Image></OME>"
    )
