"""The image pages of an LSM file: channels one after the other, thumbnails between.

LSM is TIFF with habits of its own: two sample sizes lie elsewhere although they would
fit into the tag, and offsets wrap around in files above 4 GB.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats import _ifd
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._spans import need

_DTYPES = {8: "<u1", 12: "<u2", 16: "<u2", 32: "<f4"}
_NONE, _LZW = 1, 5
_LARGEST_RATIO = 10_000
_LARGEST_FILE = 1 << 32
# Looked up here: codecs load with their first use, and memory is limited by then.
_decode_lzw = imagecodecs.lzw_decode


@dataclass(frozen=True, slots=True, kw_only=True)
class LsmPage:
    """One plane of every channel."""

    shape: tuple[int, int]
    """(height, width)."""
    samples: int
    dtype: np.dtype[np.generic]
    codec: int
    differences: bool
    """Rows hold differences between neighbours."""
    planar: bool
    """Channels lie one after the other."""
    strips: tuple[tuple[int, int], ...]
    """(offset, length) of each."""


def read_pages(source: SourceFile) -> tuple[LsmPage, ...]:
    """The full-size pages in their order, each checked to lie inside the file.

    Raises:
        IncompleteFileError: bytes are missing.
        RefusedFileError: sizes, samples or codecs that are not read.
    """
    if source.size_bytes >= _LARGEST_FILE:
        raise RefusedFileError("an LSM file above 4 GB: export it as CZI or OME-TIFF")
    found = []
    for directory in _ifd.directories(source):
        strips = _strips(source, directory)
        # Thumbnails too: they end the file, and half a file is not a file.
        for offset, length in strips:
            need(source, offset, length, "an LSM strip")
        if not directory.integer(source, 254, 0) & 1:
            found.append(_page(source, directory, strips))
    if not found:
        raise RefusedFileError("an LSM file with thumbnails only: export the image")
    for page in found:
        _check(page)
    first = found[0]
    form = (first.shape, first.samples, first.dtype)
    return tuple(p for p in found if (p.shape, p.samples, p.dtype) == form)


def _strips(
    source: SourceFile, directory: _ifd.Directory
) -> tuple[tuple[int, int], ...]:
    offsets = directory.integers(source, 273).tolist()
    lengths = directory.integers(source, 279).tolist()
    if not offsets or len(offsets) != len(lengths):
        raise RefusedFileError(
            f"an LSM page of {len(offsets)} strips and {len(lengths)} lengths: "
            "export it again"
        )
    return tuple(zip(offsets, lengths, strict=True))


def _page(
    source: SourceFile,
    directory: _ifd.Directory,
    strips: tuple[tuple[int, int], ...],
) -> LsmPage:
    def number(code: int, default: int) -> int:
        return directory.integer(source, code, default)

    bits = _bits(source, directory)
    if bits not in _DTYPES:
        raise RefusedFileError(
            f"LSM samples of {bits} bits are not read: export 16 bit"
        )
    return LsmPage(
        shape=(number(257, 0), number(256, 0)),
        samples=number(277, 1),
        dtype=np.dtype(_DTYPES[bits]),
        codec=number(259, _NONE),
        differences=number(317, 1) == 2,
        planar=number(284, 2) == 2,
        strips=strips,
    )


def _bits(source: SourceFile, directory: _ifd.Directory) -> int:
    tag = directory.tags.get(258)
    if tag is None:
        return 8
    bits = directory.integers(source, 258).tolist()
    if tag.kind == 3 and tag.count == 2 and bits[0] not in _DTYPES:
        # Old writers put the two values elsewhere and their place into the tag.
        place = replace(tag, kind=4, count=1)
        at = int(np.frombuffer(_ifd.value_bytes(source, place), "<u4")[0])
        moved = replace(tag, offset=at)
        bits = np.frombuffer(_ifd.value_bytes(source, moved), "<u2").tolist()
    if len(set(bits)) != 1:
        raise RefusedFileError(
            f"LSM channels of {sorted(set(bits))} bits: export them one by one"
        )
    return int(bits[0])


def _check(page: LsmPage) -> None:
    if page.codec not in {_NONE, _LZW}:
        raise RefusedFileError(
            f"LSM strips of codec {page.codec} are not read: export it uncompressed"
        )
    height, width = page.shape
    if min(height, width, page.samples) < 1 or page.samples > 1024:
        raise RefusedFileError(
            f"an LSM page of {width} x {height} px and {page.samples} channels: "
            "not an image"
        )
    stored = sum(length for _, length in page.strips)
    wanted = height * width * page.samples * page.dtype.itemsize
    if wanted > (_LARGEST_RATIO if page.codec == _LZW else 1) * stored:
        raise RefusedFileError(
            f"an LSM page of {wanted} bytes in {stored}: export it again"
        )
    if page.planar and len(page.strips) % page.samples:
        raise RefusedFileError(
            f"an LSM page of {len(page.strips)} strips for {page.samples} channels: "
            "export it again"
        )


def decode(source: SourceFile, page: LsmPage, channel: int) -> NDArray[Any]:
    """One channel of one page, (height, width), as stored.

    Raises:
        RefusedFileError: it cannot be decoded.
    """
    per_channel = len(page.strips) // page.samples
    strips, samples = page.strips, page.samples
    if page.planar:
        strips = strips[channel * per_channel : (channel + 1) * per_channel]
        samples, channel = 1, 0
    height, width = page.shape
    row_bytes = width * samples * page.dtype.itemsize
    with guarded("decoding LSM strips"):
        rows = -(-height // len(strips))
        parts = [
            _strip(source, page, strip, min(rows, height - k * rows) * row_bytes)
            for k, strip in enumerate(strips)
            if k * rows < height
        ]
        data = b"".join(parts)
        if len(data) < height * row_bytes:
            raise RefusedFileError(
                f"LSM strips hold {len(data)} of {height * row_bytes} bytes: "
                "export it again"
            )
        pixels = np.frombuffer(data, page.dtype, height * width * samples)
        pixels = pixels.reshape(height, width, samples)
        if page.differences and page.codec == _LZW:
            pixels = np.cumsum(pixels, axis=1, dtype=page.dtype)
        return np.ascontiguousarray(pixels[..., channel])


def _strip(
    source: SourceFile, page: LsmPage, strip: tuple[int, int], n_bytes: int
) -> bytes:
    data = os.pread(source.fd, strip[1], strip[0])
    if page.codec == _NONE:
        return data[:n_bytes]
    return bytes(_decode_lzw(data, out=n_bytes))
