"""Hitachi: a plain TIFF, and `<stem>.txt` with the facts in nanometres."""

from __future__ import annotations

from pathlib import PurePath

import numpy as np
from numpy.typing import NDArray

from ._bar import appended_bar
from ._shots import ElectronShot
from ._tiff import Tag, header_first

_PHOTOGRAPH_UM = 127_000


def encode_hitachi(
    shot: ElectronShot, pixels: NDArray[np.uint8], *, text: tuple[int, bytes] = (0, b"")
) -> bytes:
    """The image; `pixels` is the scanned frame, a bar is added below it.

    Args:
        shot: What was taken; no bar where its bar has no rows.
        pixels: The scanned frame.
        text: Number and bytes of a tag that holds the facts, for models without a
            text beside the image.
    """
    if shot.bar_rows:
        bar = appended_bar(
            (shot.bar_rows, pixels.shape[1]),
            (("SU8230", "SE(U)"), ("HV", "5.0 kV"), ("WD", "8.1 mm")),
            pixel_um=shot.metadata_pixel_um,
        )
        pixels = np.concatenate([pixels, bar])
    tags = [
        Tag.short(256, pixels.shape[1]),
        Tag.short(257, pixels.shape[0]),
        Tag.short(258, 8),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, 1),
        Tag.long(278, pixels.shape[0]),
    ]
    if text[1]:
        tags.append(Tag.ascii(*text))
    return header_first(pixels, tags)


def hitachi_text(
    shot: ElectronShot, *, kind: str = "Sem", states_pixel: bool = True
) -> str:
    """The text beside the image, lines ended by CRLF; the caller picks a charset.

    Args:
        shot: What was taken.
        kind: `Sem` or `Tem`.
        states_pixel: False for the oldest models, which state a magnification only.
    """
    height, width = shot.field.shape
    stage, pixel_um = shot.stage, shot.metadata_pixel_um
    values: dict[str, object] = {
        "InstructName": "SU8230",
        "SerialNumber": "SIM-01",
        "SampleName": shot.sample,
        "Format": "tif",
        "ImageName": f"{PurePath(shot.name).stem}.TIF",
        "Date": f"{shot.acquired_at:%Y/%m/%d}",
        "Time": f"{shot.acquired_at:%H:%M:%S}",
        "DataSize": f"{width}x{height}",
        "SignalName": "SE(U)",
        "AcceleratingVoltage": "5000 Volt",
        "DecelerationVoltage": "0 Volt",
        "Magnification": f"{_PHOTOGRAPH_UM / (width * pixel_um):.0f}",
        "WorkingDistance": "8100 um",
        "StagePositionX": f"{stage.x_um * 1000:.0f}",
        "StagePositionY": f"{stage.y_um * 1000:.0f}",
        "StagePositionZ": f"{stage.z_um * 1000:.0f}",
        "StagePositionR": f"{stage.rotation_deg:g}",
        "StagePositionT": f"{stage.tilt_deg:g}",
    }
    if states_pixel:
        values["PixelSize"] = f"{pixel_um * 1000:.10g}"
    lines = (f"{key}={value}\r\n" for key, value in values.items())
    return f"[{kind}ImageFile]\r\n{''.join(lines)}"
