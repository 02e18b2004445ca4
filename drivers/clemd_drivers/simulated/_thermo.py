"""xT TIFF: pixels first, directory at the end, INI text in tag 34682, bar below."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from numpy.typing import NDArray

from ._bar import appended_bar
from ._shots import ElectronShot
from ._tiff import Tag, header_last, rational

FEI_HELIOS = 34682


def encode_thermo(
    shot: ElectronShot,
    pixels: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    remark: str = "",
) -> bytes:
    """The whole file. `pixels` is the scanned frame; the bar is added below it."""
    bar = _bar(shot).astype(pixels.dtype) * (257 if pixels.dtype == np.uint16 else 1)
    frame = np.concatenate([pixels, bar])
    height, width = frame.shape
    unique = hashlib.sha256(f"{shot.name} {shot.seed}".encode()).hexdigest()[:32]
    tags = [
        Tag.short(256, width),
        Tag.short(257, height),
        Tag.short(258, 8 * pixels.dtype.itemsize),
        Tag.short(259, 1),
        Tag.short(262, 1),
        Tag.short(277, 1),
        Tag.short(278, 1),
        rational(282, 96),
        rational(283, 96),
        Tag.short(284, 1),
        Tag.short(296, 2),
        Tag.ascii(FEI_HELIOS, _ini(shot, remark)),
    ]
    exif = [Tag.ascii(42016, unique.upper().encode() + b"\0")]
    return header_last(frame, tags, exif)


def _number(value: float) -> str:
    """`3.3724e-006`: the exponent has three digits."""
    mantissa, exponent = f"{value:.6g}".partition("e")[::2]
    return f"{mantissa}e{int(exponent):+04d}" if exponent else mantissa


def _ini(shot: ElectronShot, remark: str) -> bytes:
    text = ""
    for section, values in _sections(shot, remark).items():
        text += f"[{section}]\r\n"
        for key, value in values.items():
            shown = _number(value) if isinstance(value, float) else str(value)
            text += f"{key}={shown}\r\n"
        text += "\r\n"
    return text.encode("cp1252") + b"\0"


def _sections(
    shot: ElectronShot, remark: str
) -> dict[str, dict[str, str | int | float]]:
    height, width = shot.field.shape
    pixel_m = shot.metadata_pixel_um * 1e-6
    at = shot.acquired_at
    stage = {
        "StageX": shot.stage.x_um * 1e-6,
        "StageY": shot.stage.y_um * 1e-6,
        "StageZ": shot.stage.z_um * 1e-6,
        "StageR": math.radians(shot.stage.rotation_deg),
    }
    tilt = math.radians(shot.stage.tilt_deg)
    return {
        "User": {
            "Date": f"{at:%m/%d/%Y}",
            "Time": f"{at:%I:%M:%S %p}",
            "User": "operator",
            "UserText": f"{shot.sample} {remark}".strip(),
            "UserTextUnicode": shot.sample.encode("utf-16-le").hex().upper(),
        },
        "System": {
            "Type": "SEM",
            "Dnumber": "0000",
            "Software": "11.1.1.2079",
            "SystemType": 'Simulated" SEM',
        },
        "Beam": {
            "HV": 2000,
            "BeamShiftX": 0,
            "BeamShiftY": 0,
            "ScanRotation": 0,
            "Beam": "EBeam",
            "Scan": "EScan",
        },
        "EBeam": {
            "HV": 2000,
            "HFW": pixel_m * width,
            "VFW": pixel_m * height,
            "WD": 4.1e-3,
            "BeamCurrent": 1.0e-10,
            "TiltCorrectionIsOn": "no",
            "ScanRotation": 0,
            **stage,
            "StageTa": tilt,
            "StageTb": 0,
            "BeamShiftX": 0,
            "BeamShiftY": 0,
            "TiltCorrectionAngle": 0,
        },
        "Scan": {
            "InternalScan": "true",
            "Dwelltime": 3.0e-6,
            "PixelWidth": pixel_m,
            "PixelHeight": pixel_m,
            "HorFieldsize": pixel_m * width,
            "VerFieldsize": pixel_m * height,
        },
        "EScan": {"Dwell": 3.0e-6, "PixelWidth": pixel_m, "PixelHeight": pixel_m},
        "Stage": {**stage, "StageT": tilt, "StageTb": 0, "WorkingDistance": 4.1e-3},
        "Image": {"ResolutionX": width, "ResolutionY": height, "DriftCorrected": "Off"},
        "Detectors": {"Number": 1, "Name": "CBS", "Mode": "All"},
        "CBS": {"Contrast": 38.2, "Brightness": 41.5, "Signal": "BSE"},
        "PrivateFei": {
            "BitShift": 0,
            "TimeOfCreation": f"{at:%d.%m.%Y %H:%M:%S}",
            "DatabarHeight": shot.bar_rows,
        },
    }


def _bar(shot: ElectronShot) -> NDArray[np.uint8]:
    at = shot.acquired_at
    width_um = shot.metadata_pixel_um * shot.field.shape[1]
    texts = (
        (f"{at.month}/{at.day}/{at.year}", f"{at:%I:%M:%S %p}"),
        ("det", "CBS"),
        ("mode", "All"),
        ("mag", f"{207_000 / width_um:,.0f} x".replace(",", " ")),
        ("HV", "2.00 kV"),
        ("curr", "0.10 nA"),
        ("HFW", f"{width_um:.3g} um"),
        ("WD", "4.1 mm"),
    )
    shape = (shot.bar_rows, shot.field.shape[1])
    return appended_bar(shape, texts, pixel_um=shot.metadata_pixel_um)
