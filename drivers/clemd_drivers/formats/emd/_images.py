"""The images of a Velox file, and which of them are the channels of one frame."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._choosing import largest
from clemd_drivers.formats._hdf5 import child, is_own, names
from clemd_drivers.formats._spans import unwritten
from clemd_drivers.formats._values import clean, um_per

_MAX_JSON_BYTES = 4 << 20
_MAX_FRAMES = 1 << 20
_MAX_CHANNELS = 16


@dataclass(frozen=True, slots=True)
class Facts:
    """What Velox wrote about one frame of one image; every value is text."""

    tree: Mapping[str, Any]

    def text(self, *path: str) -> str:
        """The value at `path`; empty where there is none."""
        here: Any = self.tree
        for name in path:
            here = here.get(name) if isinstance(here, Mapping) else None
        return clean(str(here)) if isinstance(here, str | int | float) else ""

    @property
    def detector(self) -> str:
        """Name of the detector."""
        return self.text("BinaryResult", "Detector") or self._of_index("DetectorName")

    @property
    def is_spectrometer(self) -> bool:
        """Does the image count X-rays or losses?"""
        return self._of_index("DetectorType") == "AnalyticalDetector"

    @property
    def unit(self) -> str:
        """Unit of the pixel size."""
        return self.text("BinaryResult", "PixelUnitX")

    def _of_index(self, key: str) -> str:
        index = self.text("BinaryResult", "DetectorIndex")
        return self.text("Detectors", f"Detector-{index}", key)


@dataclass(frozen=True, slots=True)
class Image:
    """One image of numbers, perhaps of several frames."""

    data: Any
    """The dataset, (height, width, frames)."""
    facts: Facts

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in px."""
        return int(self.data.shape[0]), int(self.data.shape[1])

    @property
    def n_frames(self) -> int:
        """How many were taken one after the other."""
        return int(self.data.shape[2])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Sample type in this machine's byte order."""
        found: np.dtype[Any] = np.dtype(self.data.dtype).newbyteorder("=")
        return found

    def goes_with(self, other: Image) -> bool:
        """Are both of one scan?"""
        same_place = all(
            self.facts.text(*path) == other.facts.text(*path)
            for path in (
                ("BinaryResult", "PixelSize", "width"),
                ("Stage", "Position", "x"),
                ("Stage", "Position", "y"),
            )
        )
        return same_place and (self.data.shape, self.dtype) == (
            other.data.shape,
            other.dtype,
        )


def choose_images(source: SourceFile, root: Any) -> tuple[list[Image], list[str]]:
    """The largest image and those of the same scan, and what was passed over.

    Raises:
        IncompleteFileError: what belongs to an image is not written yet.
        RefusedFileError: no image shows the specimen.
    """
    group = child(root, "Data", "Image")
    if group is None or not hasattr(group, "keys"):
        raise RefusedFileError(
            "an EMD file without images of Velox: export the image as TIFF"
        )
    found: list[Image] = []
    reasons: list[str] = []
    for name in names(group):
        image, reason = _image(source, child(group, name))
        if image is not None:
            found.append(image)
        elif reason:
            reasons.append(reason)
    if not found:
        why = "; ".join(dict.fromkeys(reasons)) or "no image in the EMD file"
        raise RefusedFileError(f"{why}: export the image itself as TIFF")
    # Maps of elements are derived from a scan: its own detectors show the structure.
    pictures = [image for image in found if not image.facts.is_spectrometer] or found
    pictures.sort(key=lambda image: image.facts.detector)
    best = pictures[largest([i.shape[0] * i.shape[1] for i in pictures])]
    chosen = [image for image in pictures if image.goes_with(best)][:_MAX_CHANNELS]
    said = []
    if len(chosen) < len(found):
        said = [f"{len(chosen)} of {len(found)} images in the file are used"]
    return chosen, said


def _image(source: SourceFile, group: Any) -> tuple[Image | None, str]:
    """One image, or why it does not show the specimen."""
    data, written = child(group, "Data"), child(group, "Metadata")
    if data is None or not hasattr(data, "chunks"):
        return None, ""
    if data.ndim != 3 or min(data.shape) < 1 or data.shape[2] > _MAX_FRAMES:
        return None, f"data of {data.ndim} dimensions, not an image"
    if data.dtype.kind == "c" or data.dtype.names:
        return None, "a complex image (a Fourier transform)"
    if data.dtype.kind not in "iuf" or data.dtype.itemsize > 8:
        return None, "samples that are no numbers"
    if not is_own(data):
        return None, "pixels in another file or in a form that is not read"
    facts = Facts(_tree(source, written, data.shape[2] - 1))
    if facts.unit and um_per(facts.unit) is None:
        return None, f"a diffraction pattern ({facts.unit})"
    return Image(data, facts), ""


def _tree(source: SourceFile, written: Any, frame: int) -> dict[str, Any]:
    """The document of one frame; of the first one where it has none of its own."""
    if written is None or not hasattr(written, "chunks") or not is_own(written):
        return {}
    if written.ndim not in {1, 2} or written.dtype != np.uint8 or written.size < 1:
        return {}
    if written.shape[0] > _MAX_JSON_BYTES:
        raise RefusedFileError(
            f"{written.shape[0]} bytes of EMD metadata: export the image again"
        )
    last = written.shape[1] - 1 if written.ndim == 2 else 0
    for column in dict.fromkeys((min(frame, last), 0)):
        stored = written[:, column] if written.ndim == 2 else written[:]
        text = bytes(stored).partition(b"\0")[0]
        if text:
            break
    else:
        raise unwritten(source, source.size_bytes, "the EMD metadata")
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return tree if isinstance(tree, dict) else {}
