"""LSM as the confocal's own software lays it out: planes and thumbnails in turn."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._shots import LightShot
from ._tiff import STRIP_BYTES, STRIP_OFFSETS, Tag, directory

_BYTE = 1
_OLE_START = datetime(1899, 12, 30)  # noqa: DTZ001 - local time of the instrument
_END = struct.pack("<III", 0xFFFFFFFF, 0, 0)


class _Bytes(Tag):
    """A tag of single bytes."""

    @property
    def count(self) -> int:
        """Number of values."""
        return len(self.value)


@dataclass(frozen=True, kw_only=True)
class LsmChannel:
    """What the file says about one channel, recorded in a track of its own."""

    name: str
    laser_nm: float
    filter: str
    splitter: str = "HFT 488/561"
    dye: str = ""


@dataclass(frozen=True, kw_only=True)
class LsmFacts:
    """What the file says about the image."""

    channels: Sequence[LsmChannel]
    voxel_m: float
    origin_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    acquired_at: datetime | None = None
    scan_type: int = 0
    positions_m: Sequence[tuple[float, float, float]] = ()
    tiles_m: Sequence[tuple[float, float, float]] = ()


_CHANNELS = (
    LsmChannel(
        name="Reflection", laser_nm=488, filter="BP 480-496", splitter="NT 80/20"
    ),
    LsmChannel(name="Ch2", laser_nm=405, filter="BP 420-480", dye="DAPI"),
    LsmChannel(name="Ch3", laser_nm=561, filter="LP 575", dye="Alexa Fluor 568"),
)


def encode_lsm(shot: LightShot, pixels: NDArray[np.uint16]) -> bytes:
    """The whole file of a confocal map; `pixels` is (3, height, width)."""
    stage = shot.stage
    facts = LsmFacts(
        channels=_CHANNELS,
        voxel_m=shot.metadata_pixel_um * 1e-6,
        origin_m=(stage.x_um * 1e-6, stage.y_um * 1e-6, stage.z_um * 1e-6),
        acquired_at=shot.acquired_at.replace(tzinfo=None),
    )
    return lsm_bytes(pixels[None, None], facts)


def lsm_bytes(pixels: NDArray[Any], facts: LsmFacts) -> bytes:
    """A file of (time, depth, channel, height, width).

    Tiles and positions, where there are any, are the slowest part of the time axis.
    """
    n_groups = max(1, len(facts.tiles_m)) * max(1, len(facts.positions_m))
    n_times, n_depths = pixels.shape[0] // n_groups, pixels.shape[1]
    data = bytearray(struct.pack("<2sHI", b"II", 42, 8))
    planes = pixels.reshape(-1, *pixels.shape[2:])
    for index, plane in enumerate(planes):
        last = index == len(planes) - 1
        record = b""
        if index == 0:
            # Where the tables lie depends on the record's length only.
            size = len(_page(plane, at=len(data), info=bytes(380), last=False))
            tables_at = len(data) + size
            record, tables = _record(facts, plane, (n_times, n_depths), tables_at)
            data += _page(
                plane, at=len(data), info=record, last=False, skip=len(tables)
            )
            data += tables
        else:
            data += _page(plane, at=len(data), info=b"", last=False)
        thumbnail = np.full((3, 8, 8), 99, np.uint8)
        data += _page(thumbnail, at=len(data), info=b"", last=last, reduced=True)
    return bytes(data)


def _page(
    plane: NDArray[Any],
    *,
    at: int,
    info: bytes,
    last: bool,
    reduced: bool = False,
    skip: int = 0,
) -> bytes:
    """A directory and the strips behind it, one per channel."""
    count, height, width = plane.shape
    strip = plane[0].nbytes
    tags = [
        Tag.long(254, int(reduced)),
        Tag.long(256, width),
        Tag.long(257, height),
        Tag.short(258, *([plane.dtype.itemsize * 8] * count)),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, count),
        Tag.short(284, 2),
    ]
    if info:
        tags.append(_Bytes(34412, _BYTE, info))

    def laid_out(start: int) -> bytes:
        offsets = [start + k * strip for k in range(count)]
        strips = [
            Tag.long(STRIP_OFFSETS, *offsets),
            Tag.long(STRIP_BYTES, *([strip] * count)),
        ]
        return directory(tags + strips, at=at)

    start = at + len(laid_out(0))
    laid = bytearray(laid_out(start))
    following = 0 if last else start + count * strip + skip
    struct.pack_into("<I", laid, 2 + 12 * (len(tags) + 2), following)
    return bytes(laid) + plane.astype(plane.dtype.newbyteorder("<")).tobytes()


def _record(
    facts: LsmFacts, plane: NDArray[Any], series: tuple[int, int], at: int
) -> tuple[bytes, bytes]:
    """The record and the tables that it points to."""
    count, height, width = plane.shape
    tables = {
        108: _names([channel.name for channel in facts.channels]),
        124: _scan(facts),
        336: _table(facts.tiles_m),
        376: _table(facts.positions_m),
    }
    record = bytearray(380)
    struct.pack_into("<Ii", record, 0, 0x0400494C, 380)
    struct.pack_into("<5i", record, 8, width, height, series[1], count, series[0])
    struct.pack_into("<3d", record, 40, facts.voxel_m, facts.voxel_m, 1e-6)
    struct.pack_into("<3d", record, 64, *facts.origin_m)
    struct.pack_into("<H", record, 88, facts.scan_type)
    struct.pack_into("<2i", record, 264, len(facts.positions_m), len(facts.tiles_m))
    body = b""
    for place, content in tables.items():
        struct.pack_into("<I", record, place, at + len(body) if content else 0)
        body += content
    return bytes(record), body


def _names(names: list[str]) -> bytes:
    text = b"".join(
        struct.pack("<I", len(name) + 1) + name.encode("cp1252") + b"\0"
        for name in names
    )
    colours = bytes(4 * len(names))
    names_at = 24 + len(colours)
    head = (names_at + len(text), len(names), len(names), 24, names_at, 0)
    return struct.pack("<6i", *head) + colours + text


def _table(rows: Sequence[tuple[float, float, float]]) -> bytes:
    if not rows:
        return b""
    return struct.pack("<i", len(rows)) + np.array(rows, "<f8").tobytes()


def _scan(facts: LsmFacts) -> bytes:
    tracks = b"".join(_track(channel) for channel in facts.channels)
    started = b""
    if facts.acquired_at is not None:
        days = (facts.acquired_at - _OLE_START).total_seconds() / 86_400
        started = _number(0x10000036, days)
    return (
        _open(0x10000000)
        + _text(0x10000004, "Plan-Apochromat 63x/1.4")
        + started
        + _open(0x20000000)
        + tracks
        + _END
        + _END
    )


def _track(channel: LsmChannel) -> bytes:
    detector = (
        _text(0x70000014, channel.name)
        + _text(0x70000010, channel.filter)
        + _text(0x70000026, channel.dye)
        + _integer(0x7000000B, 1)
    )
    laser = (
        _number(0x90000003, channel.laser_nm)
        + _number(0x90000002, 5.0)
        + _integer(0x90000004, 1)
    )
    blocks = (
        (0x60000000, 0x70000000, detector),
        (0x80000000, 0x90000000, laser),
        (0xA0000000, 0xB0000000, _text(0xB0000002, channel.splitter)),
    )
    inner = b"".join(
        _open(many) + _open(one) + content + _END + _END
        for many, one, content in blocks
    )
    return _open(0x40000000) + _integer(0x40000006, 1) + inner + _END


def _open(code: int) -> bytes:
    return struct.pack("<III", code, 0, 0)


def _text(code: int, words: str) -> bytes:
    raw = words.encode("cp1252") + b"\0"
    return struct.pack("<III", code, 2, len(raw)) + raw


def _integer(code: int, value: int) -> bytes:
    return struct.pack("<IIIi", code, 4, 4, value)


def _number(code: int, value: float) -> bytes:
    return struct.pack("<IIId", code, 5, 8, value)
