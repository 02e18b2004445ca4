"""Which pages a TIFF file has, and whether every byte of them is there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError

from . import _spans
from ._ifd import Directory, directories, need, value_bytes

CODECS = {
    1: "none",
    5: "LZW",
    7: "JPEG",
    8: "deflate",
    32946: "deflate",
    50000: "Zstandard",
}
_REFUSED_CODECS = {
    2: "CCITT RLE", 3: "CCITT G3", 4: "CCITT G4", 6: "old JPEG", 32773: "PackBits",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34712: "JPEG 2000", 34887: "LERC",
    34892: "DNG JPEG", 34925: "LZMA", 50001: "WebP", 50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_KINDS = {(1, 8): "u1", (1, 16): "u2", (1, 32): "u4", (2, 8): "i1", (2, 16): "i2",
          (2, 32): "i4", (3, 16): "f2", (3, 32): "f4", (3, 64): "f8"}  # fmt: skip
# Real images reach about 1000:1; a page that claims more is a decompression bomb.
_LARGEST_RATIO = 10_000
_OVERHEAD_BYTES = 64 << 20
_ORIENTATION = 274
_MEANT = {
    2: "mirrored left to right",
    3: "turned by 180°",
    4: "mirrored top to bottom",
    5: "with rows and columns exchanged",
    6: "turned by 90° clockwise",
    7: "turned by 90° and mirrored",
    8: "turned by 90° counter-clockwise",
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page as its directory describes it."""

    index: int
    """In the chain of directories, from zero."""
    directory: Directory
    width: int
    height: int
    samples: int
    dtype: np.dtype[np.generic]
    codec: int
    photometric: int
    reduced: bool
    """A thumbnail or a lower level of a pyramid."""
    offsets: NDArray[np.int64]
    byte_counts: NDArray[np.int64]

    @property
    def n_bytes(self) -> int:
        """Length once decoded."""
        return self.width * self.height * self.samples * self.dtype.itemsize


def read_layout(source: SourceFile) -> tuple[Page, ...]:
    """The full-resolution pages, each checked to lie inside the file.

    Raises:
        IncompleteFileError: a directory, tag, strip or tile lies past the end, or has
            no place yet.
        RefusedFileError: sizes that make no sense, a codec or sample type not read.
    """
    pages = [
        _page(source, index, directory)
        for index, directory in enumerate(directories(source))
    ]
    full = tuple(page for page in pages if not page.reduced)
    if not full:
        raise RefusedFileError("a TIFF file with thumbnails only: export the image")
    # Nothing lies much further in than everything decoded would take.
    furthest = source.size_bytes + 2 * sum(p.n_bytes for p in pages) + _OVERHEAD_BYTES
    for page in full:
        _check_inside(source, page, furthest)
    for page in full:
        _check_plausible(page)
    return full


def _page(source: SourceFile, index: int, directory: Directory) -> Page:
    def number(code: int, default: int) -> int:
        return directory.integer(source, code, default)

    bits = directory.integers(source, 258)
    kind = (number(339, 1), int(bits[0]) if len(bits) else 1)
    if kind not in _KINDS or len(set(bits.tolist())) > 1:
        raise RefusedFileError(
            f"{kind[1]}-bit samples of kind {kind[0]} are not read: export 8 or 16 bit"
        )
    tiled = 324 in directory.tags
    return Page(
        index=index,
        directory=directory,
        width=number(256, 0),
        height=number(257, 0),
        samples=number(277, 1),
        dtype=np.dtype(_KINDS[kind]),
        codec=number(259, 1),
        photometric=number(262, 1),
        reduced=bool(number(254, 0) & 1),
        offsets=directory.integers(source, 324 if tiled else 273),
        byte_counts=directory.integers(source, 325 if tiled else 279),
    )


def _check_inside(source: SourceFile, page: Page, furthest: int) -> None:
    for tag in page.directory.tags.values():
        if tag.n_bytes > 8:
            need(source, tag.offset, tag.n_bytes, f"TIFF tag {tag.code}")
    offsets, counts = page.offsets, page.byte_counts
    if len(offsets) == 0 or len(offsets) != len(counts):
        raise RefusedFileError(
            f"page {page.index} has {len(offsets)} strips and {len(counts)} lengths: "
            "export it again"
        )
    if min(offsets.min(), counts.min()) < 0 or max(offsets.max(), counts.max()) >> 48:
        raise RefusedFileError(
            f"page {page.index} has impossible strips: export it again"
        )
    last = int(np.argmax(offsets + counts))
    if offsets[last] + counts[last] > furthest:
        raise RefusedFileError(
            f"page {page.index} points to byte {offsets[last]}, further than the file "
            "can reach: export it again"
        )
    need(source, int(offsets[last]), int(counts[last]), f"page {page.index}")
    unwritten = np.flatnonzero((offsets == 0) | (counts == 0))
    if len(unwritten):
        raise IncompleteFileError(
            f"strip {int(unwritten[0])} of page {page.index} is not written yet",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        )


def _check_plausible(page: Page) -> None:
    if page.codec not in CODECS:
        name = _REFUSED_CODECS.get(page.codec, f"codec {page.codec}")
        raise RefusedFileError(
            f"compressed with {name}, which is not read: export it uncompressed, "
            "LZW, deflate, Zstandard or JPEG"
        )
    if min(page.width, page.height, page.samples) < 1 or page.samples > 64:
        raise RefusedFileError(
            f"page {page.index} is {page.width} x {page.height} x {page.samples}: "
            "not an image"
        )
    stored = int(page.byte_counts.sum())
    if page.codec == 1 and stored < page.n_bytes:
        raise RefusedFileError(
            f"page {page.index} holds {stored} of {page.n_bytes} bytes of pixels: "
            "export it again"
        )
    if page.n_bytes > _LARGEST_RATIO * stored + (1 << 20):
        raise RefusedFileError(
            f"page {page.index} claims {page.n_bytes} bytes from {stored}: "
            "not a real image"
        )


def orientation_doubts(source: SourceFile, directory: Directory) -> list[str]:
    """A line where the page asks to be shown otherwise than it is stored.

    Coordinates count in the image as stored, whatever a viewer makes of it.
    """
    stated = directory.integer(source, _ORIENTATION, 1)
    if stated not in _MEANT:
        return []
    return [
        f"TIFF Orientation {stated} (to be shown {_MEANT[stated]}) is not applied: "
        "the pixels are taken as stored"
    ]


def check_tail(source: SourceFile, pages: tuple[Page, ...]) -> None:
    """Make sure that the last pixels have been written; see `_spans.check_tail`.

    Raises:
        IncompleteFileError: the tail of the pixel data is still zero.
    """
    _spans.check_tail(
        source,
        [
            (int(offset), int(offset + count))
            for page in pages
            for offset, count in zip(page.offsets, page.byte_counts, strict=True)
        ],
    )


__all__ = [
    "CODECS",
    "Page",
    "check_tail",
    "orientation_doubts",
    "read_layout",
    "value_bytes",
]
