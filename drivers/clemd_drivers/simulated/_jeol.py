"""JEOL: a plain TIFF with a strip below, and `<stem>.txt` in one of two dialects."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ._bar import appended_bar, scale_bar_um
from ._shots import ElectronShot
from ._tiff import Tag, header_first, rational

Dialect = Literal["older", "newer"]
_PHOTOGRAPH_UM = 128_000


def encode_jeol(shot: ElectronShot, pixels: NDArray[np.uint8]) -> bytes:
    """The image; `pixels` is the scanned frame, the strip is added below it."""
    bar = appended_bar(
        (shot.bar_rows, pixels.shape[1]),
        (("JEOL", "SED"), ("HV", "5.0 kV"), ("WD", "9.1 mm")),
        pixel_um=shot.metadata_pixel_um,
    )
    frame = np.concatenate([pixels, bar])
    tags = [
        Tag.long(254, 0),
        Tag.short(256, frame.shape[1]),
        Tag.short(257, frame.shape[0]),
        Tag.short(258, 8),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, 1),
        Tag.long(278, frame.shape[0]),
        rational(282, 254),
        rational(283, 254),
        Tag.short(296, 2),
    ]
    return header_first(frame, tags)


def jeol_text(shot: ElectronShot, dialect: Dialect = "older") -> str:
    """The text beside the image, lines ended by CRLF; the caller picks a charset."""
    values = {**_common(shot), **(_older if dialect == "older" else _newer)(shot)}
    return "".join(f"${key} {value}\r\n" for key, value in values.items())


def _common(shot: ElectronShot) -> dict[str, str]:
    width_um = shot.metadata_pixel_um * shot.field.shape[1]
    return {
        "SEM_DATA_VERSION": "1",
        "CM_LABEL": "JEOL",
        "CM_MAG": f"{_PHOTOGRAPH_UM / width_um:.0f}",
        "CM_ACCEL_VOLT": "5.00",
        "CM_SIGNAL": "SED",
        "CM_TITLE": shot.sample,
        "CM_OPERATOR": "operator",
        "CM_TIME": f"{shot.acquired_at:%H:%M:%S}",
    }


def _older(shot: ElectronShot) -> dict[str, str]:
    height, width = shot.field.shape
    stage, pixel_um = shot.stage, shot.metadata_pixel_um
    bar_um = scale_bar_um(width * pixel_um)
    return {
        "CM_INSTRUMENT": "JSM-7800F",
        "CM_DATE": f"{shot.acquired_at:%Y/%m/%d}",
        "CM_FULL_SIZE": f"{width} {height}",
        "CM_STAGE_POS": (
            f"{stage.x_um / 1000:.3f} {stage.y_um / 1000:.3f} {stage.z_um / 1000:.1f} "
            f"{stage.rotation_deg:.1f} {stage.tilt_deg:.1f} 0"
        ),
        "$SM_WD": "9.07",
        "$SM_SCAN_ROTATION": "0.00",
        "$SM_MICRON_BAR": f"{bar_um / pixel_um:.0f}",
        "$SM_MICRON_MARKER": f"{bar_um:g}µm",
    }


def _newer(shot: ElectronShot) -> dict[str, str]:
    height, width = shot.field.shape
    stage, pixel_um, at = shot.stage, shot.metadata_pixel_um, shot.acquired_at
    return {
        "CM_INSTRUMENT": "JSM-IT800",
        "CM_DATE": f"{at.month}/{at.day}/{at.year}",
        "CM_IMAGE_SIZE": f"{width} {height}",
        "CM_STAGE_POSITION": (
            f"X={stage.x_um / 1000:.4f}, Y={stage.y_um / 1000:.4f}, "
            f"R={stage.rotation_deg:.4f}, Z={stage.z_um / 1000:.2f}, "
            f"T={stage.tilt_deg:.2f}"
        ),
        "SM_WD": "9.07",
        "CM_SCAN_ANGLE": "0.0",
        "CM_PIXEL_SIZE": f"{pixel_um:.8f}",
        "CM_FIELD_OF_VIEW": f"{width * pixel_um:.6f} {height * pixel_um:.6f}",
    }
