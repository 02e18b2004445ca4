"""What the metadata of OME-Zarr say of an image: axes, pixel size, channels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from clemd.errors import RefusedFileError
from clemd.model import PixelSize
from clemd_drivers.formats._light import ChannelClues
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, um_per

_OLD_AXES = "tczyx"


def ome_of(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The part that is OME's: below `ome` since 0.5, at the top before."""
    ome = attributes.get("ome")
    return ome if isinstance(ome, Mapping) else attributes


def multiscale(attributes: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The first pyramid that is described, if there is one."""
    listed = ome_of(attributes).get("multiscales")
    first = listed[0] if isinstance(listed, list) and listed else None
    return first if isinstance(first, Mapping) else None


def level_path(pyramid: Mapping[str, Any]) -> str:
    """Where the full resolution lies.

    Raises:
        RefusedFileError: nowhere.
    """
    try:
        path = pyramid["datasets"][0]["path"]
    except (KeyError, IndexError, TypeError):
        path = None
    if not isinstance(path, str) or not path.strip("/"):
        raise RefusedFileError("the OME metadata name no level: export it again")
    return path.strip("/")


def axes(pyramid: Mapping[str, Any], n_axes: int) -> list[tuple[str, str]]:
    """(name, unit) of every axis.

    Raises:
        RefusedFileError: they do not fit the array, or do not end in y and x.
    """
    listed = pyramid.get("axes") or list(_OLD_AXES[-n_axes:])
    found = [
        (str(a.get("name", "")).lower(), str(a.get("unit") or ""))
        if isinstance(a, Mapping)
        else (str(a).lower(), "")
        for a in listed
    ]
    names = [name for name, _ in found]
    if len(names) != n_axes or names[-2:] != ["y", "x"] or len(set(names)) != n_axes:
        shown = clean(" ".join(names), 60)
        raise RefusedFileError(f"axes {shown!r} do not end in y, x: export it again")
    return found


def pixel_size(
    pyramid: Mapping[str, Any], named: Sequence[tuple[str, str]]
) -> tuple[PixelSize | None, list[str]]:
    """Of the first level, and what is wrong with it."""
    scale = [1.0] * len(named)
    is_stated = False
    datasets = pyramid.get("datasets") or [{}]
    for holder in (datasets[0], pyramid):
        transforms = holder.get("coordinateTransformations")
        for one in transforms if isinstance(transforms, list) else []:
            numbers = one.get("scale") if isinstance(one, Mapping) else None
            if isinstance(numbers, list) and len(numbers) == len(scale):
                scale = [
                    a * float(b) if isinstance(b, int | float) else a
                    for a, b in zip(scale, numbers, strict=True)
                ]
                is_stated = True
    (y, x), units = scale[-2:], [unit for _, unit in named[-2:]]
    factors = [um_per(unit) or _LONG.get(unit) for unit in units]
    if not is_stated or not all(0 < side < math.inf for side in (x, y)):
        return None, ["no pixel size in the OME metadata"]
    if None in factors:
        return None, [f"pixel size in {clean(units[1], 40)!r}, which is no known unit"]
    notes = Notes()
    x_um, y_um = x * float(factors[1] or 0), y * float(factors[0] or 0)
    return size_of_edges("OME-Zarr scale", x_um, y_um, notes), notes.lines


def channels(attributes: Mapping[str, Any], count: int) -> list[ChannelClues]:
    """What is said about each channel; as many as there are."""
    omero = ome_of(attributes).get("omero")
    listed = omero.get("channels") if isinstance(omero, Mapping) else None
    found = []
    for index in range(count):
        one = listed[index] if isinstance(listed, list) and index < len(listed) else {}
        label = one.get("label") if isinstance(one, Mapping) else None
        found.append(ChannelClues(name=clean(str(label or ""))))
    return found


def series(attributes: Mapping[str, Any], document: Element | None) -> list[str]:
    """Paths of the images of a store that holds several, in order."""
    listed = ome_of(attributes).get("series")
    if isinstance(listed, list):
        return [str(name).strip("/") for name in listed]
    if document is None:
        return []
    return [str(n) for n, _ in enumerate(document.iter("Image"))]


_LONG = {
    "angstrom": 1e-4, "nanometer": 1e-3, "micrometer": 1.0, "millimeter": 1e3,
    "centimeter": 1e4, "meter": 1e6,
}  # fmt: skip
