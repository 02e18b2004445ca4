"""DM3 and DM4 as DigitalMicrograph lays them out: a tree of tags, sizes big-endian."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ._shots import ElectronShot

Version = Literal[3, 4]
_CODES = {
    "int16": 2, "int32": 3, "uint16": 4, "uint32": 5, "float32": 6, "float64": 7,
    "bool": 8, "int8": 9, "uint8": 10, "int64": 11, "uint64": 12,
}  # fmt: skip
_TYPES = {
    "int16": 1, "float32": 2, "complex64": 3, "uint8": 6, "int32": 7, "int8": 9,
    "uint16": 10, "uint32": 11, "float64": 12,
}  # fmt: skip
_START = datetime(1601, 1, 1, tzinfo=UTC)


def encode_dm(
    shot: ElectronShot,
    pixels: NDArray[Any],
    version: Version = 3,
    *,
    little: bool = True,
) -> bytes:
    """The whole file; `pixels` is (height, width) or (planes, height, width)."""
    return dm_bytes(dm_tags(shot, pixels), version, little=little)


def dm_tags(shot: ElectronShot, pixels: NDArray[Any]) -> dict[str, Any]:
    """The tree of a file with a thumbnail and one image."""
    scale_nm = shot.metadata_pixel_um * 1000
    thumbnail = np.full((16, 16), 0x40404040, np.int32)
    return {
        "ApplicationBounds": np.arange(4, dtype=np.int32),
        "DocumentObjectList": [{"ImageSource": np.int32(0)}],
        "ImageList": [
            {"ImageData": image_data(thumbnail, 1.0, "", data_type=23)},
            {
                "ImageData": image_data(pixels, scale_nm, "nm"),
                "ImageTags": _image_tags(shot),
                "Name": shot.name,
            },
        ],
        "InImageMode": np.int8(1),
        "Thumbnails": [{"ImageIndex": np.int32(0)}],
    }


def image_data(
    pixels: NDArray[Any], scale: float, unit: str, *, data_type: int | None = None
) -> dict[str, Any]:
    """The folder of one image's numbers and calibration."""
    axes = [
        {"Origin": np.float32(0), "Scale": np.float32(scale), "Units": unit}
        for _ in range(pixels.ndim)
    ]
    return {
        "Calibrations": {"Dimension": axes},
        "Data": pixels,
        "DataType": np.int32(data_type or _TYPES[pixels.dtype.name]),
        "Dimensions": [np.int32(count) for count in reversed(pixels.shape)],
        "PixelDepth": np.int32(pixels.dtype.itemsize),
    }


def _image_tags(shot: ElectronShot) -> dict[str, Any]:
    stage, at = shot.stage, shot.acquired_at
    ticks = int((at - _START).total_seconds() * 1e7)
    return {
        "DataBar": {
            "Acquisition Date": f"{at.month}/{at.day}/{at.year}",
            "Acquisition Time": f"{at:%I:%M:%S %p}",
            "Acquisition Time (OS)": np.float64(ticks),
            "Device Name": "Orius",
            "Exposure Time (s)": np.float32(0.5),
        },
        "Microscope Info": {
            "Illumination Mode": "TEM",
            "Indicated Magnification": np.float32(20_000),
            "Microscope": "Simulated TEM 200",
            "Stage Position": {
                "Stage Alpha": np.float32(stage.tilt_deg),
                "Stage Beta": np.float32(0),
                "Stage X": np.float32(stage.x_um),
                "Stage Y": np.float32(stage.y_um),
                "Stage Z": np.float32(stage.z_um),
            },
            "Voltage": np.float32(200_000),
        },
        "Session Info": {"Operator": "operator", "Specimen": shot.sample},
    }


def dm_bytes(
    tags: dict[str, Any], version: Version = 3, *, little: bool = True
) -> bytes:
    """A file of this tree.

    Args:
        tags: dict = named entries, list = unnamed ones, str, numpy number or array.
        version: 3 or 4.
        little: byte order of the data.
    """
    form = _Form(version, little)
    body = form.folder(tags)
    head = struct.pack(">i", version) + form.size(len(body) + 4)
    return head + struct.pack(">i", little) + body + bytes(8)


@dataclass(frozen=True)
class _Form:
    version: Version
    little: bool

    def size(self, value: int) -> bytes:
        return struct.pack(">i" if self.version == 3 else ">q", value)

    def folder(self, tags: dict[str, Any] | list[Any]) -> bytes:
        named = isinstance(tags, dict)
        entries = tags.items() if isinstance(tags, dict) else (("", t) for t in tags)
        body = b"".join(self._entry(name, value) for name, value in entries)
        return bytes((named, 0)) + self.size(len(tags)) + body

    def _entry(self, name: str, value: Any) -> bytes:
        is_folder = isinstance(value, dict | list)
        body = self.folder(value) if is_folder else self._data(value)
        label = name.encode()
        head = bytes((20 if is_folder else 21,)) + struct.pack(">H", len(label)) + label
        return head + (self.size(len(body)) if self.version == 4 else b"") + body

    def _data(self, value: Any) -> bytes:
        if isinstance(value, str):
            value = np.frombuffer(value.encode("utf-16-le"), "<u2").astype(np.uint16)
        stored = np.asarray(value)
        code = _CODES.get(stored.dtype.name, 6)
        data = stored.astype(stored.dtype.newbyteorder("<" if self.little else ">"))
        info = (20, code, stored.size) if stored.ndim else (code,)
        words = b"".join(self.size(word) for word in info)
        return b"%%%%" + self.size(len(info)) + words + data.tobytes()
