"""CZI as ZEN lays it out: tiles, then the metadata, then the directory."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from ._shots import LightShot

_ALIGNMENT = 32
_PIXEL_TYPES = {("uint8", 2): 0, ("uint16", 2): 1, ("float32", 2): 2, ("uint8", 3): 3}
_GLOWS = "<ContrastMethod>Fluorescence</ContrastMethod>"
_CHANNELS = (
    ("Reflection", "<ContrastMethod>Other</ContrastMethod>", 488, 488),
    ("DAPI", f"<Fluor>DAPI</Fluor>{_GLOWS}", 405, 461),
    ("TOM20-AF568", f"<Fluor>Alexa Fluor 568</Fluor>{_GLOWS}", 561, 603),
)


@dataclass(frozen=True, kw_only=True)
class CziTile:
    """Pixels of one place of one plane."""

    pixels: NDArray[Any]
    """(height, width), or (height, width, 3) blue first."""
    x: int = 0
    y: int = 0
    starts: Mapping[str, int] = field(default_factory=dict)
    """Of the other dimensions, e.g. `{"C": 1, "Z": 3}`."""
    facts: str = "<METADATA />"
    size: tuple[int, int] | None = None
    """(height, width) in the full image, where the tile is a level of a pyramid."""
    compression: int = 0
    data: bytes | None = None
    """What is stored instead of the raw pixels."""


def encode_czi(shot: LightShot, pixels: NDArray[np.uint16]) -> bytes:
    """The whole file of a confocal map; `pixels` is (3, height, width)."""
    tiles = [
        CziTile(pixels=plane, starts={"C": c, "S": 0}) for c, plane in enumerate(pixels)
    ]
    return czi_bytes(tiles, _document(shot))


def czi_bytes(tiles: Sequence[CziTile], document: str) -> bytes:
    """A file of these tiles with this metadata document."""
    body, entries = b"", []
    start = len(_segment("ZISRAWFILE", bytes(512)))
    for tile in tiles:
        entry = _entry(tile, start + len(body))
        entries.append(entry)
        body += _segment("ZISRAWSUBBLOCK", _subblock(tile, entry))
    text = document.encode()
    metadata_at = start + len(body)
    head = struct.pack("<ii", len(text), 0).ljust(256, b"\0")
    body += _segment("ZISRAWMETADATA", head + text)
    directory_at = start + len(body)
    count = struct.pack("<i", len(entries)).ljust(128, b"\0")
    body += _segment("ZISRAWDIRECTORY", count + b"".join(entries))
    places = struct.pack("<qqiq", directory_at, metadata_at, 0, 0)
    header = struct.pack("<4i", 1, 0, 0, 0) + bytes(32) + struct.pack("<i", 0) + places
    return _segment("ZISRAWFILE", header.ljust(512, b"\0")) + body


def _segment(name: str, data: bytes) -> bytes:
    allocated = -(-len(data) // _ALIGNMENT) * _ALIGNMENT
    head = name.encode().ljust(16, b"\0") + struct.pack("<qq", allocated, len(data))
    return head + data.ljust(allocated, b"\0")


def _entry(tile: CziTile, at: int) -> bytes:
    height, width = tile.pixels.shape[:2]
    full_height, full_width = tile.size or (height, width)
    dimensions = [("X", tile.x, full_width, width), ("Y", tile.y, full_height, height)]
    dimensions += [(name, start, 1, 1) for name, start in tile.starts.items()]
    kind = _PIXEL_TYPES[tile.pixels.dtype.name, tile.pixels.ndim]
    head = b"DV" + struct.pack(
        "<iqiiB5xi", kind, at, 0, tile.compression, 0, len(dimensions)
    )
    return head + b"".join(
        struct.pack("<4siifi", name.encode(), start, size, 0.0, stored)
        for name, start, size, stored in dimensions
    )


def _subblock(tile: CziTile, entry: bytes) -> bytes:
    facts = tile.facts.encode()
    data = tile.pixels.tobytes() if tile.data is None else tile.data
    head = struct.pack("<iiq", len(facts), 0, len(data)) + entry
    return head.ljust(256, b"\0") + facts + data


def _document(shot: LightShot) -> str:
    height, width = shot.field.shape
    metres = f"{shot.metadata_pixel_um * 1e-6:.12g}"
    channels = "".join(
        f'<Channel Id="Channel:{c}" Name="{name}">{facts}'
        "<AcquisitionMode>LaserScanningConfocalMicroscopy</AcquisitionMode>"
        f"<ExcitationWavelength>{excited}</ExcitationWavelength>"
        f"<EmissionWavelength>{emitted}</EmissionWavelength></Channel>"
        for c, (name, facts, excited, emitted) in enumerate(_CHANNELS)
    )
    scaling = "".join(
        f'<Distance Id="{axis}"><Value>{metres}</Value></Distance>' for axis in "XY"
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><ImageDocument><Metadata><Information>'
        f"<Document><CreationDate>{shot.acquired_at:%Y-%m-%dT%H:%M:%S}Z</CreationDate>"
        "</Document><Image>"
        f"<AcquisitionDateAndTime>{shot.acquired_at:%Y-%m-%dT%H:%M:%S}Z"
        f"</AcquisitionDateAndTime><SizeX>{width}</SizeX><SizeY>{height}</SizeY>"
        f"<SizeC>3</SizeC><Dimensions><Channels>{channels}</Channels><S><Scenes>"
        f'<Scene Index="0" Name={quoteattr(shot.sample)}>'
        f"<CenterPosition>{shot.stage.x_um:.3f},{shot.stage.y_um:.3f}</CenterPosition>"
        "</Scene></Scenes></S></Dimensions></Image><Instrument><Microscopes>"
        '<Microscope Id="M:1" Name="Simulated LSM"/></Microscopes></Instrument>'
        f"</Information><Scaling><Items>{scaling}</Items></Scaling>"
        "</Metadata></ImageDocument>"
    )
