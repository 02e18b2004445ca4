"""An Olympus image as FluoView writes it: OIF with its folder, or OIB."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from ._ole import ole_bytes
from ._shots import LightShot

_CHANNELS = (
    ("CHS1", "DAPI", 405, 461, "Fluorescence"),
    ("CHS2", "Alexa Fluor 488", 488, 519, "Fluorescence"),
    ("TD1", "None", 488, 0, "Transmitted Light"),
)


def encode_oif(shot: LightShot, pixels: NDArray[Any]) -> dict[str, bytes]:
    """Files by their path, the text that stands for the image first.

    Args:
        shot: gives its name, pixel size, stage and time.
        pixels: (channels, height, width) or (channels, z, height, width).
    """
    planes = pixels[:, None] if pixels.ndim == 3 else pixels
    folder = f"{shot.name}.oif.files"
    files = {f"{shot.name}.oif": _text(_main(shot, planes, folder))}
    for c, z in np.ndindex(*planes.shape[:2]):
        stem = f"{folder}/{_stem(c, z, planes.shape[1])}"
        stream = io.BytesIO()
        tifffile.imwrite(stream, planes[c, z], metadata=None)
        files[f"{stem}.pty"] = _text(_plane(shot))
        files[f"{stem}.tif"] = stream.getvalue()
    return files


def encode_oib(shot: LightShot, pixels: NDArray[Any]) -> bytes:
    """The same files as streams of one OLE file."""
    files = encode_oif(shot, pixels)
    main, *others = files
    info = ["[OibSaveInfo]", "Version=2.0.0.0", "MainFileName=Stream00000"]
    info += [f"Stream00000={main}", f"Storage00001={shot.name}.oif.files"]
    streams = {"Stream00000": files[main]}
    for number, name in enumerate(others, start=1):
        info.append(f"Stream{number:05}={name.rpartition('/')[2]}")
        streams[f"Storage00001/Stream{number:05}"] = files[name]
    return ole_bytes({"OibInfo.txt": _text("\r\n".join(info)), **streams})


def _stem(c: int, z: int, n_z: int) -> str:
    return f"s_C{c + 1:03}" + (f"Z{z + 1:03}" if n_z > 1 else "")


def _main(shot: LightShot, planes: NDArray[Any], folder: str) -> str:
    n_c, n_z, height, width = planes.shape
    pixel_um = shot.metadata_pixel_um
    lines = [
        "[Version Info]",
        'SystemName="FLUOVIEW FV1000"',
        "[Acquisition Parameters Common]",
        f"ImageCaputreDate='{shot.acquired_at:%Y-%m-%d %H:%M:%S}'",
        "[ProfileSaveInfo]",
        f'Name="{shot.name}"',
        'Version="1.2.6.0"',
    ]
    names = [_stem(c, z, n_z) for c, z in np.ndindex(n_c, n_z)]
    lines += [f'IniFileName{n}="{folder}\\{name}.pty"' for n, name in enumerate(names)]
    axes = (
        ("X", width, 0.0, width * pixel_um, "um"),
        ("Y", height, 0.0, height * pixel_um, "um"),
        ("C", n_c, 0, n_c, ""),
        ("Z", n_z, 0.0, 300.0 * n_z, "nm"),
    )
    for n, (code, count, start, end, unit) in enumerate(axes):
        lines += [
            f"[Axis {n} Parameters Common]",
            f'AxisCode="{code}"',
            f"MaxSize={count}",
            f"StartPosition={start}",
            f"EndPosition={end}",
            f'UnitName="{unit}"',
        ]
    lines += [
        "[Reference Image Parameter]",
        f"ImageWidth={width}",
        f"ImageHeight={height}",
        f"WidthConvertValue={pixel_um}",
        'WidthUnit="um"',
        f"HeightConvertValue={pixel_um}",
        'HeightUnit="um"',
    ]
    for n in range(n_c):
        name, dye, excitation, emission, light = _CHANNELS[n % len(_CHANNELS)]
        lines += [
            f"[GUI Channel {n + 1} Parameters]",
            "CH Activate=1",
            f'CH Name="{name}"',
            f'DyeName="{dye}"',
            f"ExcitationWavelength={excitation}",
            f"EmissionWavelength={emission}",
            f"[Channel {n + 1} Parameters]",
            f'LightType="{light}"',
        ]
    return "\r\n".join(lines)


def _plane(shot: LightShot) -> str:
    return "\r\n".join(
        [
            "[Axis 7 Parameters]",
            f"AbsPositionValueX={1000 * shot.stage.x_um}",
            f"AbsPositionValueY={1000 * shot.stage.y_um}",
        ]
    )


def _text(words: str) -> bytes:
    return b"\xff\xfe" + (words + "\r\n").encode("utf-16-le")
