"""TESCAN TIFF: strips of four rows, directory last, blocks of text in tag 50431."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ._bar import appended_bar
from ._shots import ElectronShot
from ._tiff import STRIP_BYTES, STRIP_OFFSETS, Tag, directory, rational

TESCAN = 50431
_BYTE, _ROWS_PER_STRIP = 1, 4
_THUMBNAIL, _MAIN, _SEM = 1, 2, 3
_REFERENCE_M = 0.28106667
"""Field width at magnification 1."""


@dataclass(frozen=True)
class _Bytes(Tag):
    """Bytes that are no text."""

    @property
    def count(self) -> int:
        return len(self.value)


def encode_tescan(
    shot: ElectronShot,
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    detectors: tuple[str, ...] = ("BSE",),
    with_tag: bool = True,
) -> bytes:
    """The whole file.

    Args:
        shot: What was taken.
        pixels: The scanned frame, one view per detector side by side; the strip is
            added below it.
        detectors: One name per view.
        with_tag: False for files whose facts are in the `.hdr` text only.
    """
    bar = appended_bar(
        (shot.bar_rows, pixels.shape[1]),
        (("Det", detectors[0]), ("HV", "10.0 kV"), ("WD", "13.25 mm")),
        pixel_um=shot.metadata_pixel_um,
    ).astype(pixels.dtype)
    frame = np.concatenate([pixels, bar * (257 if pixels.dtype == np.uint16 else 1)])
    height, width = frame.shape
    tags = [
        Tag.short(256, width),
        Tag.short(257, height),
        Tag.short(258, 8 * pixels.dtype.itemsize),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, 1),
        Tag.short(278, _ROWS_PER_STRIP),
        rational(282, 146),
        rational(283, 146),
        Tag.short(296, 2),
    ]
    if with_tag:
        tags += [
            Tag.ascii(271, b"TESCAN - http://www.tescan.com/\0"),
            Tag.ascii(272, b"MIRA3 XMU SIM-0001\0"),
            Tag.ascii(306, f"{shot.acquired_at:%Y:%m:%d %H:%M:%S}\0".encode()),
            _Bytes(TESCAN, _BYTE, _blocks(shot, detectors)),
        ]
    return _strips_then_directory(frame, tags)


def tescan_hdr(shot: ElectronShot, detectors: tuple[str, ...] = ("BSE",)) -> bytes:
    """The text `<stem>-tif.hdr` that lies beside the image."""
    main, sem = _texts(shot, detectors)
    return f"[MAIN]\r\n{main}\r\n[SEM]\r\n{sem}".encode("cp1252")


def _strips_then_directory(
    frame: NDArray[np.uint8] | NDArray[np.uint16], tags: list[Tag]
) -> bytes:
    data = frame.astype(frame.dtype.newbyteorder("<")).tobytes()
    strip = _ROWS_PER_STRIP * len(data) // frame.shape[0]
    starts = range(0, len(data), strip)
    tags = [
        *tags,
        Tag.long(STRIP_OFFSETS, *(8 + at for at in starts)),
        Tag.long(STRIP_BYTES, *(min(strip, len(data) - at) for at in starts)),
    ]
    data += bytes(len(data) % 2)
    at = 8 + len(data)
    return struct.pack("<2sHI", b"II", 42, at) + data + directory(tags, at=at)


def _blocks(shot: ElectronShot, detectors: tuple[str, ...]) -> bytes:
    """Thumbnail, MAIN, SEM, end: length (kind included), kind, bytes."""
    main, sem = _texts(shot, detectors)
    chain = (
        (_THUMBNAIL, b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(50)),
        (_MAIN, main.encode("cp1252") + b"\0"),
        (_SEM, sem.encode("cp1252") + b"\0"),
        (0, b""),
    )
    return b"".join(
        struct.pack("<IH", len(body) + 2, kind) + body for kind, body in chain
    )


def _texts(shot: ElectronShot, detectors: tuple[str, ...]) -> tuple[str, str]:
    size_m = shot.metadata_pixel_um * 1e-6
    view_px = shot.field.shape[1]
    at, stage = shot.acquired_at, shot.stage
    main: dict[str, object] = {
        "AccFrames": 1,
        "Date": f"{at:%Y-%m-%d}",
        "Description": "",
        "Device": "MIRA3 XMU",
        "FullUserName": "operator",
        "ImageStripSize": shot.bar_rows,
        "Magnification": f"{_REFERENCE_M / (size_m * view_px):.8f}",
        "MagnificationReference": _REFERENCE_M,
        "PixelSizeX": f"{size_m:.8e}",
        "PixelSizeY": f"{size_m:.8e}",
        "SerialNumber": "SIM-0001",
        "Sign": shot.sample,
        "Time": f"{at:%H:%M:%S}",
        "UserName": "operator",
        "ViewFieldsCountX": len(detectors),
        "ViewFieldsCountY": 1,
    }
    sem: dict[str, object] = {
        "Detector": detectors[0],
        **{f"Detector{k}": name for k, name in enumerate(detectors)},
        "DwellTime": "3.2000e-6",
        "HV": "10.0000e3",
        "ImageShiftX": "0.0",
        "ImageShiftY": "-0.0",
        "ScanRotation": "0.0",
        "StageRotation": stage.rotation_deg,
        "StageTilt": stage.tilt_deg,
        "StageX": f"{stage.x_um * 1e-6:.9f}",
        "StageY": f"{stage.y_um * 1e-6:.9f}",
        "StageZ": f"{stage.z_um * 1e-6:.9f}",
        "WD": "13.250e-3",
    }
    return _lines(main), _lines(sem)


def _lines(values: dict[str, object]) -> str:
    return "".join(f"{key}={value}\r\n" for key, value in values.items())
