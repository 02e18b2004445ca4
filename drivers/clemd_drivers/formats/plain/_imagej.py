"""The calibration and axes that ImageJ writes into the description of a TIFF."""

from __future__ import annotations

import struct

from clemd.driver_api import SourceFile
from clemd.model import PixelSize
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._ifd import Directory, value_bytes
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, number, um_per

_MOST_CHANNELS = 64


def description(source: SourceFile, directory: Directory) -> dict[str, str]:
    """`key=value` lines, empty where ImageJ did not write the file."""
    text = directory.text(source, 270)
    if not text.startswith(b"ImageJ="):
        return {}
    lines = text.decode("utf-8", "replace").splitlines()
    return {k.strip(): v.strip() for k, _, v in (line.partition("=") for line in lines)}


def pixel_size(
    source: SourceFile, directory: Directory, said: dict[str, str], notes: Notes
) -> PixelSize | None:
    """Unit of the description over pixels per unit of the resolution tags.

    Args:
        source: The file.
        directory: Of its first page.
        said: The description's lines.
        notes: Takes what is not used.
    """
    unit = said.get("unit", "")
    # Written only where the axes differ.
    units = (unit, said.get("yunit", unit))
    factors = [um_per(one) for one in units]
    x, y = (_resolution(source, directory, code) for code in (282, 283))
    if factors[0] is None or not x or not y:
        return None
    high = None if factors[1] is None else factors[1] / y
    if high is None:
        notes.add(
            f"yunit {clean(units[1], 40)!r} is no length: pixels are taken square"
        )
    return size_of_edges("ImageJ calibration", factors[0] / x, high, notes)


def _resolution(source: SourceFile, directory: Directory, code: int) -> float | None:
    """Pixels per unit."""
    tag = directory.tags.get(code)
    if tag is None or tag.kind != 5 or tag.count != 1:
        return None
    above, below = struct.unpack(directory.order + "II", value_bytes(source, tag))
    return above / below if above and below else None


def plane_keys(said: dict[str, str], n_pages: int) -> list[list[PlaneKey]]:
    """Where each channel's pages stand in its series, in the order of the pages.

    Channels take turns along the pages, then come depths, then times. What the
    description does not account for is depth.

    Returns:
        One list per channel; `channel + k * channels` is the page of its entry `k`.
    """
    channels = _stated(said, "channels", n_pages)
    if not 1 <= channels <= _MOST_CHANNELS:
        channels = 1
    rest = n_pages // channels
    times = _stated(said, "frames", rest)
    depths = rest // times
    keys = [PlaneKey(t=k // depths, z=k % depths) for k in range(rest)]
    return [keys] * channels


def _stated(said: dict[str, str], name: str, n_planes: int) -> int:
    """How many there are of it, 1 where that does not divide the planes."""
    count = int(number(said.get(name)) or 1)
    return count if count >= 1 and n_planes % count == 0 else 1
