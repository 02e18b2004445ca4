"""SmartSEM TIFF: directory first, palette, text block in tag 34118, burnt-in bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ._bar import overlay_bar
from ._shots import ElectronShot
from ._tiff import Tag, header_first, rational

CZ_SEM = 34118
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def encode_zeiss(
    shot: ElectronShot, pixels: NDArray[np.uint8], *, remark: str = ""
) -> bytes:
    """The whole file. `pixels` is the scanned frame; the bar covers its last rows."""
    frame = pixels.copy()
    if shot.bar_rows:
        frame[-shot.bar_rows :] = _bar(shot)
    height, width = frame.shape
    grey = [257 * value for value in range(256)]
    tags = [
        Tag.long(254, 0),
        Tag.short(256, width),
        Tag.short(257, height),
        Tag.short(258, 8),
        Tag.short(259, 1),
        Tag.short(262, 3),
        Tag.short(274, 1),
        Tag.short(277, 1),
        Tag.long(278, 2**32 - 1),
        rational(282, 1),
        rational(283, 1),
        Tag.short(296, 1),
        Tag.short(320, *grey, *grey, *grey),
        Tag.ascii(CZ_SEM, _text_block(shot, remark)),
    ]
    return header_first(frame, tags)


def _magnification(shot: ElectronShot) -> float:
    return 114_300.0 / (shot.field.shape[1] * shot.metadata_pixel_um)


def _date(shot: ElectronShot) -> tuple[str, str]:
    at = shot.acquired_at
    # SmartSEM pads neither the hour nor the day's month name.
    day = f"{at.day} {_MONTHS[at.month - 1]} {at.year}"
    return day, f"{at.hour}:{at.minute:02d}:{at.second:02d}"


def _ranged(value_um: float) -> str:
    """Four significant digits and the unit that suits them."""
    for unit, factor in (("pm", 1e6), ("nm", 1e3), ("µm", 1.0), ("mm", 1e-3)):
        if abs(value_um) * factor < 1000 or unit == "mm":
            number = value_um * factor
            digits = 3 - int(np.floor(np.log10(max(abs(number), 1e-3))))
            return f"{number:.{max(0, digits)}f} {unit}"
    raise AssertionError("unreachable: mm takes everything")


def _text_block(shot: ElectronShot, remark: str) -> bytes:
    keys = _keys(shot, remark)
    lines = [*_unnamed(shot, len(keys))]
    for key, text in keys:
        lines += [key, text]
    return ("\r\n".join(lines) + "\r\n").encode("cp1252") + b"\0\0"


def _unnamed(shot: ElectronShot, keys: int) -> list[str]:
    """The 35 numbers before the first key; the pixel is that of a 1024 px display."""
    display_m = shot.metadata_pixel_um * 1e-6 * shot.field.shape[1] / 1024
    mantissa, exponent = f"{display_m:.6e}".split("e")
    group = [
        f"{mantissa}e{int(exponent):+04d}",
        f"{_magnification(shot):.6e}",
        "6",
        "5.000000e+003",
        "2.27",
        "2e-010",
        "5.1e-003",
    ]
    numbers = ["0", "0", "0"]
    for index in range(4):
        numbers += [*([str(index)] if index else []), *group]
    return [*numbers, str(keys)]


def _keys(shot: ElectronShot, remark: str) -> list[tuple[str, str]]:
    height, width = shot.field.shape
    pixel = shot.metadata_pixel_um
    day, time = _date(shot)
    magnification = _magnification(shot)
    shown = (
        f"{magnification / 1000:.2f} K X"
        if magnification >= 1000
        else f"{magnification:.0f} X"
    )
    stage = shot.stage
    return [
        ("DP_DETECTOR_CHANNEL", "Signal A = BSD"),
        ("DP_DETECTOR_TYPE", "Detector = BSD"),
        ("DP_IMAGE_STORE", f"Store resolution = {width} * {height}"),
        ("DP_SCAN_ROT", "Scan Rot = Off"),
        ("DP_TILT_CORRECTION", "Tilt Corrn. = Off"),
        ("DP_DWELL_TIME", "Dwell Time = 1.6 µs"),
        ("AP_MAG", f"Mag = {shown}"),
        ("AP_PIXEL_SIZE", f"Pixel Size = {_ranged(pixel * width / 1024)}"),
        ("AP_IMAGE_PIXEL_SIZE", f"Image Pixel Size = {_ranged(pixel)}"),
        ("AP_WIDTH", f"Width = {_ranged(pixel * width)}"),
        ("AP_HEIGHT", f"Height = {_ranged(pixel * height)}"),
        ("AP_ACTUALKV", "EHT =  5.00 kV"),
        ("AP_MANUALKV", "EHT Target =  5.00 kV"),
        ("AP_WD", "WD =  5.1 mm"),
        ("AP_SCANROTATION", "Scan Rotation =   0.0 °"),
        ("AP_TILT_ANGLE", "Tilt Angle =   0.0 °"),
        ("AP_BEAMSHIFT_X", "Beam Shift X =   0.0 %"),
        ("AP_BEAMSHIFT_Y", "Beam Shift Y =   0.0 %"),
        ("AP_STAGE_AT_X", f"Stage at X = {stage.x_um / 1000:.4f} mm"),
        ("AP_STAGE_AT_Y", f"Stage at Y = {stage.y_um / 1000:.4f} mm"),
        ("AP_STAGE_AT_Z", f"Stage at Z = {stage.z_um / 1000:.4f} mm"),
        ("AP_STAGE_AT_R", f"Stage at R = {stage.rotation_deg:.1f} °"),
        ("AP_STAGE_AT_T", f"Stage at T = {stage.tilt_deg:.1f} °"),
        ("AP_DATE", f"Date :{day}"),
        ("AP_TIME", f"Time :{time}"),
        ("SV_SAMPLE_ID", f"Sample ID = {shot.sample}"),
        ("SV_USER_NAME", "User Name = operator"),
        ("SV_USER_TEXT", f"User Text = {remark}"),
        ("SV_FILE_NAME", f"File Name = {shot.name}"),
        ("SV_SERIAL_NUMBER", "Serial No. = SIMULATED-0001"),
        ("SV_VERSION", "Version = V06.00.00.00 : 09-Jan-17"),
    ]


def _bar(shot: ElectronShot) -> NDArray[np.uint8]:
    day, time = _date(shot)
    texts = (
        (f"Mag = {_magnification(shot):.0f} X", "WD = 5.1 mm"),
        ("EHT = 5.00 kV", "Signal A = BSD"),
        (f"Date :{day}", f"Time :{time}"),
        (f"Sample ID = {shot.sample}", "simulated"),
    )
    shape = (shot.bar_rows, shot.field.shape[1])
    return overlay_bar(shape, texts, pixel_um=shot.metadata_pixel_um)
