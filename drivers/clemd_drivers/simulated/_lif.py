"""LIF and LOF as LAS X writes them: a document in UTF-16, then blocks of pixels."""

from __future__ import annotations

import re
import struct
from typing import Any

from numpy.typing import NDArray

from ._shots import LightShot

_STAGE = 'StagePosX="0.035" StagePosY="-0.01" ZPosition="1e-6"'
_LONE = '<MultiBand Channel="1" LeftWorld="500" RightWorld="550" DyeName=""/>'


def encode_lif(shot: LightShot, pixels: NDArray[Any]) -> bytes:
    """A project of one image, (channels, height, width)."""
    return lif(_image(shot, pixels))


def encode_lof(shot: LightShot, pixels: NDArray[Any]) -> bytes:
    """The same image as a file of its own."""
    return lof(_image(shot, pixels))


def _image(shot: LightShot, pixels: NDArray[Any]) -> tuple[str, str, bytes]:
    stage = (
        f'StagePosX="{shot.stage.x_um * 1e-6:.9g}" '
        f'StagePosY="{shot.stage.y_um * 1e-6:.9g}" ZPosition="0"'
    )
    settings = confocal(detectors=len(pixels), stage=stage)
    return element(shot.name, pixels, more=settings, pixel_um=shot.metadata_pixel_um)


def confocal(*, bands: str = _LONE, detectors: int = 1, stage: str = _STAGE) -> str:
    """Settings of a confocal with its 488 nm line on."""
    active = "".join(
        f'<Detector Name="HyD {k}" Channel="{k}" IsActive="1"/>'
        for k in range(1, detectors + 1)
    )
    return (
        '<Attachment Name="HardwareSetting" SystemType="12" SystemTypeName="TCS SP8" '
        f'DataSourceTypeName="Confocal"><ATLConfocalSettingDefinition {stage} '
        f'SystemSerialNumber="81"><Spectro>{bands}</Spectro><AotfList><Aotf>'
        '<LaserLineSetting LaserLine="488" IntensityDev="2"/>'
        '<LaserLineSetting LaserLine="561" IntensityDev="0"/></Aotf></AotfList>'
        f'<DetectorList><Detector Name="PMT 9" Channel="9" IsActive="0"/>{active}'
        "</DetectorList></ATLConfocalSettingDefinition></Attachment>"
    )


def element(
    name: str,
    pixels: NDArray[Any],
    axes: tuple[int, ...] = (),
    *,
    more: str = "",
    length: str = "9.5e-06",
    pixel_um: float | None = None,
) -> tuple[str, str, bytes]:
    """One image: its XML, the name of its block, its bytes.

    Args:
        name: of the image.
        pixels: (channel, axes..., height, width).
        axes: numbers of the axes between channel and height.
        more: attachments.
        length: from the centre of the first to the centre of the last pixel, metres.
        pixel_um: of a square pixel, instead of `length`.
    """

    def span(axis: int) -> str:
        if pixel_um is None:
            return length
        return f"{pixel_um * (counts[axis] - 1) * 1e-6:.12g}"

    strides = dict(zip((0, *axes, 2, 1), pixels.strides, strict=True))
    counts = dict(zip((0, *axes, 2, 1), pixels.shape, strict=True))
    channels = "".join(
        f'<ChannelDescription DataType="0" Resolution="12" LUTName="Green" '
        f'BytesInc="{k * strides[0]}"/>'
        for k in range(counts[0])
    )
    dimensions = "".join(
        f'<DimensionDescription DimID="{axis}" NumberOfElements="{counts[axis]}" '
        f'Length="{span(axis)}" Unit="m" BytesInc="{strides[axis]}"/>'
        for axis in (1, 2, *axes)
    )
    xml = (
        f'<Element Name="{name}"><Data><Image><ImageDescription><Channels>{channels}'
        f"</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription>"
        f"<TimeStampList>1d6f64bbab40b70 </TimeStampList>{more}</Image></Data>"
        f'<Memory Size="{pixels.nbytes}" MemoryBlockID="Block_{name}"/></Element>'
    )
    return xml, f"Block_{name}", pixels.tobytes()


def lif(*elements: tuple[str, str, bytes], version: int = 2, start: str = "") -> bytes:
    """A project of these images."""
    text = (
        f'{start}<LMSDataContainerHeader Version="{version}"><Element Name="project">'
        f'<Memory Size="0" MemoryBlockID="Block_0"/><Children>'
        f"{''.join(xml for xml, _, _ in elements)}</Children></Element>"
        "</LMSDataContainerHeader>"
    )
    raw = text.encode("utf-16-le")
    data = struct.pack("<iiBi", 0x70, len(raw) + 5, 0x2A, len(text)) + raw
    form = "<iiBqBi" if version == 2 else "<iiBiBi"
    for block, content in [("Block_0", b""), *((b, c) for _, b, c in elements)]:
        name = block.encode("utf-16-le")
        size = struct.calcsize(form) - 8 + len(name)
        data += struct.pack(form, 0x70, size, 0x2A, len(content), 0x2A, len(block))
        data += name + content
    return data


def lof(image: tuple[str, str, bytes], *, memory: bool = True) -> bytes:
    """The same image as a file of its own: memory first, document last."""
    xml, _, content = image
    if not memory:
        xml = re.sub("<Memory [^>]*/>", "", xml)
    text = f'<LMSDataContainerHeader Version="2">{xml}</LMSDataContainerHeader>'
    raw, name = text.encode("utf-16-le"), "LMS_Object_File"
    kind = name.encode("utf-16-le")
    head = struct.pack("<iiBi", 0x70, len(kind) + 5 + 19, 0x2A, len(name)) + kind
    head += struct.pack("<BiBiBQ", 0x2A, 2, 0x2A, 0, 0x2A, len(content))
    tail = struct.pack("<iiBi", 0x70, len(raw) + 5, 0x2A, len(text)) + raw
    return head + content + tail
