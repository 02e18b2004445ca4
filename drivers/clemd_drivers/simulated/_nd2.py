"""ND2 as NIS-Elements writes it: chunks with a map of them at the end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._shots import LightShot

CHUNK_MAP = b"ND2 CHUNK MAP SIGNATURE 0000001!"
CONFOCAL_GLOW = 0x201
"""A laser scanner's fluorescence, as a channel states its modality."""


def encode_nd2(shot: LightShot, pixels: NDArray[Any]) -> bytes:
    """One frame of (channels, height, width), samples side by side."""
    return nd2(
        np.moveaxis(pixels, 0, -1)[None],
        picture={
            "dCalibration": shot.metadata_pixel_um,
            "dXPos": shot.stage.x_um,
            "dYPos": shot.stage.y_um,
        },
    )


def entry(name: str, value: Any) -> bytes:
    """One entry of a tree."""
    raw = (name + "\0").encode("utf-16-le")

    def head(kind: int) -> bytes:
        return struct.pack("<BB", kind, len(name) + 1) + raw

    if isinstance(value, Mapping):
        inner = b"".join(entry(key, one) for key, one in value.items())
        size = len(head(11)) + 12 + len(inner)
        index = bytes(8 * len(value))
        return head(11) + struct.pack("<IQ", len(value), size) + inner + index
    if isinstance(value, bool):
        return head(1) + struct.pack("<?", value)
    if isinstance(value, int):
        return head(3) + struct.pack("<I", value)
    if isinstance(value, float):
        return head(6) + struct.pack("<d", value)
    if isinstance(value, bytes):
        return head(9) + struct.pack("<Q", len(value)) + value
    return head(8) + (str(value) + "\0").encode("utf-16-le")


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk whose name is padded as NIS-Elements pads it."""
    padded = name.ljust(4072, b"\0")
    return struct.pack("<IIQ", 0x0ABECEDA, len(padded), len(data)) + padded + data


def file_of(chunks: Mapping[str, bytes]) -> bytes:
    """A whole file."""
    signature = b"ND2 FILE SIGNATURE CHUNK NAME01!"
    data = struct.pack("<IIQ", 0x0ABECEDA, 32, 64) + signature
    data += b"Ver3.0".ljust(64, b"\0")
    places = b""
    for name, content in chunks.items():
        key = name.encode() + b"!"
        places += key + struct.pack("<QQ", len(data), len(content))
        data += chunk(key, content)
    at = len(data)
    places += CHUNK_MAP + struct.pack("<Q", at)
    return data + chunk(b"ND2 FILEMAP SIGNATURE NAME 0001!", places)


def channel(name: str, mask: int = CONFOCAL_GLOW, samples: int = 1) -> dict[str, Any]:
    """What the file says about a channel."""
    return {"sDescription": name, "uiModalityMask": mask, "uiCompCount": samples}


def nd2(
    frames: NDArray[Any],
    *,
    channels: list[dict[str, Any]] | None = None,
    loops: list[tuple[int, dict[str, Any]]] | None = None,
    picture: Mapping[str, Any] | None = None,
    attributes: Mapping[str, Any] | None = None,
    packed: bool = False,
    padding: int = 0,
) -> bytes:
    """A file of (frame, height, width, sample).

    Args:
        frames: the pixels.
        channels: one per sample where nothing else is said.
        loops: kind and settings of every loop, outermost first.
        picture: changes to the picture's metadata.
        attributes: changes to the attributes.
        packed: deflate the frames.
        padding: bytes at the end of every row.
    """
    n_frames, height, width, samples = frames.shape
    row_bytes = width * samples * 2 + padding
    said = channels or [channel(f"Ch{k}") for k in range(samples)]
    experiment: dict[str, Any] = {}
    for kind, settings in reversed(loops or []):
        below = {"ppNextLevelEx": {"i0000000000": experiment}} if experiment else {}
        experiment = {"eType": kind, "uLoopPars": settings, **below}
    chunks = {
        "ImageAttributesLV": entry(
            "SLxImageAttributes",
            {
                "uiWidth": width,
                "uiHeight": height,
                "uiWidthBytes": row_bytes,
                "uiComp": samples,
                "uiBpcInMemory": 16,
                "uiBpcSignificant": 12,
                "uiSequenceCount": n_frames,
                "eCompression": 0 if packed else 2,
                **(attributes or {}),
            },
        ),
    }
    for k, pixels in enumerate(frames):
        rows = pixels.reshape(height, -1).view(np.uint8)
        content = np.pad(rows, ((0, 0), (0, padding))).tobytes()
        content = zlib.compress(content) if packed else content
        chunks[f"ImageDataSeq|{k}"] = struct.pack("<d", 0.5) + content
    chunks["ImageMetadataSeqLV|0"] = entry(
        "SLxPictureMetadata",
        {
            "bCalibrated": True,
            "dCalibration": 0.25,
            "dXPos": 1250.5,
            "dYPos": -20.0,
            "dZPos": 3.0,
            "dTimeAbsolute": 2_460_000.5,
            "wsObjectiveName": "Plan Apo 60x",
            "dObjectiveMag": 60.0,
            "dObjectiveNA": 1.4,
            "sPicturePlanes": {
                "uiCount": len(said),
                "sPlaneNew": {f"a{k}": one for k, one in enumerate(said)},
            },
            **(picture or {}),
        },
    )
    if experiment:
        chunks["ImageMetadataLV"] = entry("SLxExperiment", experiment)
    chunks["ImageTextInfoLV"] = entry(
        "SLxImageTextInfo", {"TextInfoItem_3": "liver 7", "TextInfoItem_13": "A1R"}
    )
    return file_of(chunks)
