"""The images of a DM file: where each lies, and which one stands for the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from clemd.errors import RefusedFileError
from clemd_drivers.formats._choosing import PlaneKey, largest
from clemd_drivers.formats._spans import need
from clemd_drivers.formats._values import clean, um_per

from ._tags import Folder, Located, Tree

_TYPES = {
    1: "i2", 2: "f4", 6: "u1", 7: "i4", 9: "i1", 10: "u2", 11: "u4", 12: "f8",
    14: "u1", 39: "i8", 40: "u8",
}  # fmt: skip
_COLOURS, _COMPLEX = {8, 23}, {3, 5, 13, 27, 28}
_PER_LENGTH = ("1/", "^-1", "⁻", "rad")
_DEPTHS = {"slice", "slices", "plane", "planes", "section", "sections", "z"}
_MAX_PLANES = 1 << 20


@dataclass(frozen=True, slots=True)
class Axis:
    """Calibration of one dimension."""

    count: int
    scale: float | None
    unit: str


@dataclass(frozen=True, slots=True)
class Image:
    """One image of numbers."""

    name: str
    axes: tuple[Axis, ...]
    dtype: np.dtype[Any]
    offset: int
    tags: Folder

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return self.axes[1].count, self.axes[0].count

    @property
    def plane_bytes(self) -> int:
        """Of one plane."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize

    @property
    def n_planes(self) -> int:
        """How many planes follow each other."""
        return self.axes[2].count if len(self.axes) > 2 else 1

    def keys(self) -> list[PlaneKey]:
        """What each plane is, by the unit of the third dimension."""
        unit = self.axes[2].unit.lower() if len(self.axes) > 2 else ""
        if unit in {"ev", "kev"}:
            return [PlaneKey(spectral=index) for index in range(self.n_planes)]
        if unit in _DEPTHS or um_per(unit) is not None:
            return [PlaneKey(z=index) for index in range(self.n_planes)]
        return [PlaneKey(t=index) for index in range(self.n_planes)]


def choose_image(tree: Tree) -> tuple[Image, list[str]]:
    """The largest image that shows the specimen, and what was passed over.

    Raises:
        IncompleteFileError: its pixels reach past the end.
        RefusedFileError: there is none.
    """
    found: list[Image] = []
    reasons: list[str] = []
    previews = _previews(tree)
    for index, folder in enumerate(tree.root.folder("ImageList").folders()):
        if index in previews:
            continue
        image, reason = _image(tree, folder)
        if image is not None:
            found.append(image)
        elif reason:
            reasons.append(reason)
    if not found:
        why = "; ".join(dict.fromkeys(reasons)) or "no image in the DM file"
        raise RefusedFileError(f"{why}: save the image itself")
    best = found[largest([image.shape[0] * image.shape[1] for image in found])]
    size = best.plane_bytes * best.n_planes
    need(tree.source, best.offset, size, "an image")
    said = []
    if len(found) > 1:
        said = [f"{len(found)} images in the file: the largest, {best.name!r}, is used"]
    return best, said


def _previews(tree: Tree) -> set[int]:
    """Numbers of the images that are only shown in file dialogs."""
    listed = tree.root.folder("Thumbnails").folders()
    numbers = {int(thumb.number("ImageIndex") or 0) for thumb in listed}
    images = len(tree.root.folder("ImageList").folders())
    return numbers if images > len(numbers) else set()


def _image(tree: Tree, folder: Folder) -> tuple[Image | None, str]:
    """One image, or why it does not show the specimen."""
    data = folder.folder("ImageData")
    counts = [int(count) for count in data.folder("Dimensions").numbers()]
    kind = int(data.number("DataType") or 0)
    pixels = data.at("Data")
    if not isinstance(pixels, Located) or not counts:
        return None, ""
    if kind in _COLOURS:
        return None, "a display copy in colour"
    if kind in _COMPLEX:
        return None, "a complex image (a Fourier transform)"
    if kind not in _TYPES:
        return None, f"samples of DM type {kind} are not known"
    while len(counts) > 2 and counts[-1] == 1:
        counts.pop()
    if len(counts) != 2 and len(counts) != 3:
        return None, f"data of {len(counts)} dimensions, not an image"
    dtype = np.dtype(_TYPES[kind]).newbyteorder("<" if tree.little else ">")
    wanted = dtype.itemsize * int(np.prod(np.asarray(counts, dtype=object)))
    planes = counts[2] if len(counts) > 2 else 1
    if min(counts) < 1 or planes > _MAX_PLANES or pixels.n_bytes < wanted:
        shown = " x ".join(str(count) for count in counts)
        return None, f"{pixels.n_bytes} bytes of pixels for {shown} px"
    axes = _axes(tree, data, counts)
    if any(mark in axis.unit for axis in axes[:2] for mark in _PER_LENGTH):
        return None, f"a diffraction pattern ({axes[0].unit})"
    name = clean(tree.text(folder, "Name"), 80)
    tags = folder.folder("ImageTags")
    return Image(name, axes, dtype, pixels.offset, tags), ""


def _axes(tree: Tree, data: Folder, counts: list[int]) -> tuple[Axis, ...]:
    stated = data.folder("Calibrations", "Dimension").folders()
    stated += [Folder()] * len(counts)
    return tuple(
        Axis(count, axis.number("Scale"), clean(tree.text(axis, "Units"), 20))
        for count, axis in zip(counts, stated, strict=False)
    )
