"""The acquisitions of an Odemis file that show the specimen, and what each says.

Lengths are in metres, positions are those of the middle of the image with y upwards,
times in seconds since 1970. Dimensions are C, T, Z, Y, X.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from clemd.errors import RefusedFileError
from clemd.model import Modality, PixelSize, StagePose
from clemd_drivers.formats._hdf5 import child, is_own, names
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean

_ORDER = ("C", "T", "Z", "Y", "X")
_MOST_BANDS = 1 << 16
LEAST_SIDE = 2
_NO_IMAGES = ("angle-resolved", "angular", "anchor region", "ek image", "streak")
"""Titles of what does not show the specimen, or only a corner of it for drift."""


@dataclass(frozen=True, slots=True)
class Acquisition:
    """One acquisition."""

    name: str
    group: Any
    data: Any
    """The dataset, (C, T, Z, Y, X)."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return int(self.data.shape[3]), int(self.data.shape[4])

    @property
    def bands(self) -> int:
        """Values of a spectrum; one for a plain scan."""
        return int(self.data.shape[0])

    @property
    def is_cube(self) -> bool:
        """Is there a spectrum in each point?"""
        return self.bands > 1

    @property
    def title(self) -> str:
        """What Odemis calls it."""
        physical = child(self.group, "PhysicalData")
        for key in ("Title", "ChannelDescription"):
            text = _text(child(physical, key))
            if text:
                return text
        return self.name

    @property
    def hardware(self) -> str:
        """The detector's name."""
        return _text(child(child(self.group, "PhysicalData"), "HardwareName"))

    @property
    def modality(self) -> Modality:
        """A spectrum in each point, or an image by the electron beam or by light."""
        title = self.title.lower()
        if self.is_cube:
            return Modality.HYPERSPECTRAL
        if any(word in title for word in ("secondary", "backscatter", "sem", "cl ")):
            return Modality.SEM
        if any(word in title for word in ("fluorescence", "optical", "brightfield")):
            return Modality.WIDEFIELD
        return Modality.UNKNOWN

    def number(self, key: str) -> float | None:
        """A single finite number of the image's metadata."""
        data = child(self.group, "ImageData", key)
        if data is None or not hasattr(data, "shape") or data.size != 1:
            return None
        if data.dtype.kind not in "iuf" or not is_own(data):
            return None
        value = float(np.asarray(data[()]).reshape(-1)[0])
        return value if math.isfinite(value) else None


def acquisitions(root: Any) -> tuple[list[Acquisition], list[str]]:
    """Those that show the specimen, and words on what was passed over.

    Raises:
        RefusedFileError: none does.
    """
    found: list[Acquisition] = []
    skipped: list[str] = []
    for name in sorted(names(root), key=_numbered):
        group = child(root, name)
        data = child(group, "ImageData", "Image") if group is not None else None
        if data is None or not hasattr(data, "chunks"):
            continue
        reason = _doubt(data)
        one = Acquisition(name, group, data)
        if not reason and any(word in one.title.lower() for word in _NO_IMAGES):
            reason = "does not show the specimen"
        if reason:
            skipped.append(f"{one.title}: {reason}")
        else:
            found.append(one)
    if not found:
        why = "; ".join(dict.fromkeys(skipped)) or "no acquisition"
        raise RefusedFileError(f"no image in the Odemis file ({clean(why, 120)})")
    return found, skipped


def standing(found: Sequence[Acquisition]) -> int:
    """Which of them stands for the file: the first cube, else the largest image."""
    cubes = [k for k, one in enumerate(found) if one.is_cube]
    if cubes:
        return cubes[0]
    return max(range(len(found)), key=lambda k: found[k].shape[0] * found[k].shape[1])


def axis_of(one: Acquisition, notes: Notes) -> tuple[tuple[float, ...], str]:
    """Wavelength of each band in nm; empty where none is stated."""
    scale = child(one.group, "ImageData", "DimensionScaleC")
    values: np.ndarray[Any, Any] | None = None
    if scale is not None and hasattr(scale, "shape") and is_own(scale):
        if scale.size == one.bands:
            values = np.asarray(scale[()], np.float64).reshape(-1)
        elif scale.size == 1:
            step, start = one.number("DimensionScaleC"), one.number("COffset")
            if step is not None:
                values = (start or 0.0) + step * np.arange(one.bands)
    if values is None or not np.isfinite(values).all():
        notes.add(f"{one.title}: no wavelengths, the bands are only numbered")
        return (), ""
    return tuple(float(f"{1e9 * value:.7g}") for value in values), "nm"


def pixel_size(one: Acquisition, notes: Notes) -> PixelSize | None:
    """Edge lengths of a pixel, or None with a note."""
    sizes = []
    for axis in "XY":
        value = one.number(f"DimensionScale{axis}")
        text = None if value is None else f"{value:.9g}"
        sizes.append(notes.size_um(f"DimensionScale{axis}", text, 1e6))
    if sizes[0] is None or sizes[1] is None:
        notes.add("no pixel size in the Odemis metadata")
        return None
    return size_of_edges("DimensionScale", sizes[0], sizes[1], notes)


def stage(one: Acquisition, notes: Notes) -> StagePose | None:
    """The middle of the image, and how the scan was turned."""
    x, y, z = (
        notes.position_um(f"{axis}Offset", None if v is None else f"{v:.9g}", 1e6)
        for axis, v in ((a, one.number(f"{a}Offset")) for a in "XYZ")
    )
    if x is None or y is None:
        return None
    return StagePose(x_um=x, y_um=y, z_um=z)


def plane_of(one: Acquisition) -> dict[str, str]:
    """What images of one file share: their positions compare as they are."""
    first = Acquisition("", child(one.group.file, "Acquisition0"), one.data)
    began = first.number("TOffset")
    return {} if began is None else {"plane": f"odemis {began:.6f} y up"}


def acquired_at(one: Acquisition) -> datetime | None:
    """Start, UTC."""
    seconds = one.number("TOffset")
    if seconds is None or not 1e9 < seconds < 4_102_444_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _doubt(data: Any) -> str:
    """Why these samples are no image, or nothing."""
    if data.ndim != 5 or min(data.shape) < 1:
        return f"data of {data.ndim} dimensions"
    labels = [_plain(label) for label in data.attrs.get("DIMENSION_LABELS", _ORDER)]
    if tuple(labels) != _ORDER:
        return f"dimensions {' '.join(labels)[:20]}"
    if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        return "samples that are no numbers"
    if not is_own(data):
        return "samples in another file or in a form that is not read"
    if min(data.shape[3:]) < LEAST_SIDE or data.shape[0] > _MOST_BANDS:
        return "points, not an image"
    return ""


def _numbered(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdigit())
    return (int(digits[:9]) if digits else 1 << 30), name


def _text(data: Any) -> str:
    if data is None or not hasattr(data, "shape") or data.size != 1 or not is_own(data):
        return ""
    value = np.asarray(data[()], object).reshape(-1)[0]
    return clean(_plain(value), 100)


def _plain(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
