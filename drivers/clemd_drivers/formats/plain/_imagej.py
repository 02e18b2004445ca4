"""The calibration and axes that ImageJ writes into the description of a TIFF."""

from __future__ import annotations

import struct

from clemd.driver_api import SourceFile
from clemd.model import PixelSize
from clemd_drivers.formats._ifd import Directory, value_bytes
from clemd_drivers.formats._values import number, um_per


def description(source: SourceFile, directory: Directory) -> dict[str, str]:
    """`key=value` lines, empty where ImageJ did not write the file."""
    text = directory.text(source, 270)
    if not text.startswith(b"ImageJ="):
        return {}
    lines = text.decode("utf-8", "replace").splitlines()
    return {k.strip(): v.strip() for k, _, v in (line.partition("=") for line in lines)}


def pixel_size(
    source: SourceFile, directory: Directory, said: dict[str, str]
) -> PixelSize | None:
    """Unit of the description over pixels per unit of the resolution tags."""
    factor = um_per(said.get("unit", ""))
    x, y = (_resolution(source, directory, code) for code in (282, 283))
    if factor is None or not x or not y:
        return None
    return PixelSize(x_um=factor / x, y_um=factor / y, source="ImageJ calibration")


def _resolution(source: SourceFile, directory: Directory, code: int) -> float | None:
    """Pixels per unit."""
    tag = directory.tags.get(code)
    if tag is None or tag.kind != 5 or tag.count != 1:
        return None
    above, below = struct.unpack(directory.order + "II", value_bytes(source, tag))
    return above / below if above and below else None


def channel_count(said: dict[str, str], n_pages: int) -> int:
    """Channels that take turns along the pages, fastest axis; 1 where unsaid."""
    stated = int(number(said.get("channels")) or 1)
    return stated if 1 <= stated <= 64 and n_pages % stated == 0 else 1
