"""An Olympus image as FluoView writes it in the OIR format."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from ._shots import LightShot

MAGIC = b"OLYMPUSRAWFORMAT"
METADATA, FRAME, BITMAP, NAME, PIXELS, SPACER = range(6)
"""Types of blocks."""
_HEADER_BYTES = 96
_HPF = "http://www.olympus.co.jp/hpf/model/"
_SPACES = (
    "base", "commonframe", "commonimage", "commonparam", "commonphase", "fileinfo",
    "lsmframe", "lsmimage", "lsmparam", "opticalelement",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class OirChannel:
    """One detector and what it was set to."""

    name: str
    device: str
    dye: str = "None"
    laser_nm: float = 488.0
    emission_nm: float | None = None
    band_nm: tuple[float, float] | None = None

    def id_at(self, index: int) -> str:
        """Its id as the file has it."""
        return str(UUID(int=(index + 1) << 64 | 0xC1E3D))


CHANNELS = (
    OirChannel(
        name="CH1", device="SD1", dye="DAPI", laser_nm=405, emission_nm=461,
        band_nm=(430.0, 470.0),
    ),
    OirChannel(name="CH2", device="HSD3", laser_nm=488, band_nm=(480.0, 496.0)),
    OirChannel(name="TD1", device="TD1", laser_nm=488),
)  # fmt: skip
"""A dye, a reflection and what goes through."""


def encode_oir(
    shot: LightShot,
    pixels: NDArray[Any],
    *,
    channels: Sequence[OirChannel] = CHANNELS,
    pieces: int = 3,
    axis: str = "z",
) -> bytes:
    """One whole file; see `encode_parts`."""
    (data,) = encode_parts(
        shot, pixels, channels=channels, pieces=pieces, axis=axis
    ).values()
    return data


def encode_parts(
    shot: LightShot,
    pixels: NDArray[Any],
    *,
    channels: Sequence[OirChannel] = CHANNELS,
    pieces: int = 3,
    axis: str = "z",
    n_parts: int = 0,
    image: str | None = None,
) -> dict[str, bytes]:
    """The file and its further parts by their names.

    Args:
        shot: gives its name, pixel size and time; the format states no stage.
        pixels: (channels, height, width), or (channels, places, height, width).
        channels: what is said about each.
        pieces: how many pieces a plane is cut into.
        axis: `z`, `t` or `l`: what the places are.
        n_parts: how many further files the planes are spread over.
        image: XML about the whole image, instead of what fits the pixels.
    """
    planes = pixels[:, None] if pixels.ndim == 3 else pixels
    _, n_places, height, width = planes.shape
    stems = [
        f"{axis}{k + 1:03}_0_1" if n_places > 1 else "t001_0_1" for k in range(n_places)
    ]
    size = (height, width, planes.itemsize)
    wanted = image or _image(shot, planes.shape, channels, axis, planes.itemsize)
    said = _document(wanted)
    info = _document(_tag("fileinfo:fileInfomation", "", _names()))
    blocks = [(METADATA, struct.pack("<I", 1) + bytes(28) + info)]
    by_file = [blocks, *([] for _ in range(n_parts))]
    for k, stem in enumerate(stems):
        mine = by_file[k * len(by_file) // n_places]
        mine.append((FRAME, bytes(40) + _document(_frame(stem, size))))
        for c, channel in enumerate(channels[: len(planes)]):
            name = f"{stem}_{channel.id_at(c)}"
            mine += _plane(name, planes[c, k], pieces)
    blocks.append((METADATA, struct.pack("<I", 2) + bytes(28) + said))
    blocks.append((BITMAP, b"BMP BM" + bytes(20)))
    names = [f"{shot.name}.oir"]
    names += [f"{shot.name}_{k + 1:05}" for k in range(n_parts)]
    return {name: file_of(own) for name, own in zip(names, by_file, strict=True)}


def file_of(blocks: Iterable[tuple[int, bytes]]) -> bytes:
    """Header, blocks and the list of where they begin."""
    data, offsets = bytearray(_HEADER_BYTES), []
    for kind, content in blocks:
        offsets.append(len(data))
        data += struct.pack("<II", len(content), kind) + content
    at = len(data)
    data += struct.pack(f"<I{len(offsets)}Q", 0xFFFFFFFF, *offsets)
    header = MAGIC + struct.pack("<4I2Q", 12, 0, 1, 2, len(data), at)
    header += struct.pack("<6I", 17, 0, 1, 0, 0, 0) + b"UNKNOWN\0"
    data[:_HEADER_BYTES] = header.ljust(_HEADER_BYTES, b"\0")
    return bytes(data)


def _plane(name: str, pixels: NDArray[Any], pieces: int) -> list[tuple[int, bytes]]:
    blocks = []
    for k, rows in enumerate(np.array_split(pixels, pieces)):
        content = rows.astype(rows.dtype.newbyteorder("<")).tobytes()
        own = f"{name}_{k}".encode("ascii")
        blocks += [
            (NAME, struct.pack("<III", 0, len(content), len(own)) + own),
            (PIXELS, content),
        ]
    return blocks


def _document(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="ASCII"?>\n{body}\n'.encode()


def _names() -> str:
    return " ".join(f'xmlns:{name}="{_HPF}{name}"' for name in _SPACES)


def _tag(name: str, inner: str, attributes: str = "") -> str:
    head = f"{name} {attributes}".strip()
    return f"<{head}>{inner}</{name}>"


def _tags(space: str, **values: object) -> str:
    return "".join(_tag(f"{space}:{name}", str(v)) for name, v in values.items())


def _frame(stem: str, size: tuple[int, int, int]) -> str:
    height, width, depth = size
    definition = _tags(
        "base", width=width, height=height, depth=depth, bitCounts=12,
        colorType="GrayScale",
    )  # fmt: skip
    inner = _tag("commonframe:general", _tags("base", name=stem))
    inner += _tag("commonframe:imageDefinition", definition)
    return _tag("lsmframe:frameProperties", inner, _names())


def _image(
    shot: LightShot,
    shape: tuple[int, ...],
    channels: Sequence[OirChannel],
    axis: str,
    depth: int,
) -> str:
    count, n_places, height, width = shape
    used = list(enumerate(channels[:count]))
    general = _tags("base", creationDateTime=shot.acquired_at.isoformat())
    system = _tags("base", systemName="FV3000", systemVersion="2.3.2.169")
    group = "".join(_recorded(c, one, shot.metadata_pixel_um, depth) for c, one in used)
    info = _tags("commonimage", width=width, height=height)
    info += _tag("commonimage:phase", _tag("commonphase:group", group))
    if n_places > 1:
        info += _axis(axis, n_places)
    lens = _tags(
        "opticalelement", displayName="UPLSAPO 60X", magnification=60.0, naValue=1.35
    )
    lasers = sorted({one.laser_nm for _, one in used})
    lines = "".join(
        _tag(
            "lsmimage:imagingMainLaser",
            _tags("commonimage", wavelength=line),
            f'id="laser{line:g}" enable="true"',
        )
        for line in lasers
    )
    linked = "".join(_set(c, one) for c, one in used)
    acquisition = _tag(
        "commonimage:microscopeConfiguration", _tag("commonimage:objectiveLens", lens)
    )
    acquisition += lines + _tag("commonimage:phase", linked)
    inner = _tag("commonimage:general", general) + _tag("commonimage:system", system)
    inner += _tag("commonimage:imageInfo", info)
    inner += _tag("lsmimage:acquisition", acquisition)
    return _tag("lsmimage:imageProperties", inner, _names())


def _axis(axis: str, count: int) -> str:
    said = {"z": "ZSTACK", "t": "TIMELAPSE", "l": "LAMBDA"}[axis]
    inner = _tags("commonparam", axis=said, startPosition=0.0, step=0.5, maxSize=count)
    return _tag("commonimage:axis", inner, 'enable="true"')


def _recorded(index: int, channel: OirChannel, pixel_um: float, depth: int) -> str:
    lengths = _tags("commonparam", x=pixel_um, y=pixel_um, z=1.0)
    inner = _tags("commonphase", name=channel.name)
    inner += _tag("commonphase:length", lengths)
    inner += _tag("commonphase:pixelUnit", _tags("commonphase", x="µm", y="µm", z="µm"))
    inner += _tag(
        "commonphase:imageDefinition", _tags("commonphase", depth=depth, bitCounts=12)
    )
    said = f'id="{channel.id_at(index)}" order="{index + 1}"'
    return _tag("commonphase:channel", inner, said)


def _set(index: int, channel: OirChannel) -> str:
    inner = _tags(
        "commonphase",
        name=channel.name,
        deviceName=channel.device,
        dyeName=channel.dye,
    )
    if channel.emission_nm is not None:
        dye = _tags("commonphase", emissionWavelength=channel.emission_nm)
        inner += _tag("commonphase:dyeData", dye)
    if channel.band_nm is not None:
        low, high = channel.band_nm
        inner += _tags("opticalelement", startWavelength=low, endWavelength=high)
    inner += _tags("lsmimage", laserDataId=f"laser{channel.laser_nm:g}")
    said = f'id="{channel.id_at(index)}" order="{index + 1}" enable="true"'
    return _tag("commonphase:channel", inner, said)
