"""How the frames of an ND2 file are stored, and one of them decoded."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._guard import guarded

from ._chunks import Chunk
from ._variant import Node

_DTYPES = {8: "<u1", 16: "<u2", 32: "<f4"}
_PACKED, _LOSSY = 0, 1
_LARGEST_RATIO = 10_000
_STAMP_BYTES = 8
"""Time of the frame, before its pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How one frame is stored: rows of pixels, their samples side by side."""

    shape: tuple[int, int]
    row_bytes: int
    samples: int
    dtype: np.dtype[np.generic]
    packed: bool
    n_frames: int


def read_layout(attributes: Node) -> Layout:
    """How frames are stored.

    Raises:
        RefusedFileError: samples, compression or sizes that are not read.
    """

    def number(name: str, default: int = 0) -> int:
        return int(attributes.number(name) or default)

    bits, compression = number("uiBpcInMemory"), attributes.number("eCompression")
    if bits not in _DTYPES:
        raise RefusedFileError(
            f"ND2 samples of {bits} bits are not read: export 16 bit"
        )
    if compression == _LOSSY:
        raise RefusedFileError(
            "ND2 frames with lossy compression are not read: export OME-TIFF"
        )
    dtype = np.dtype(_DTYPES[bits])
    height, width = number("uiHeight"), number("uiWidth")
    samples = number("uiComp", 1)
    row_bytes = number("uiWidthBytes") or width * samples * dtype.itemsize
    if min(height, width) < 1 or not 1 <= samples <= 1024:
        raise RefusedFileError(
            f"an ND2 frame of {width} x {height} px and {samples} samples: not an image"
        )
    if row_bytes < width * samples * dtype.itemsize:
        raise RefusedFileError(
            f"ND2 rows of {row_bytes} bytes for {width} px: export it again"
        )
    return Layout(
        shape=(height, width),
        row_bytes=row_bytes,
        samples=samples,
        dtype=dtype,
        packed=compression == _PACKED,
        n_frames=number("uiSequenceCount", 1),
    )


def check_size(layout: Layout, chunk: Chunk) -> None:
    """Make sure that a chunk can hold a frame.

    Raises:
        RefusedFileError: it cannot.
    """
    wanted = layout.shape[0] * layout.row_bytes
    held = (chunk.n_bytes - _STAMP_BYTES) * (_LARGEST_RATIO if layout.packed else 1)
    if wanted > held:
        raise RefusedFileError(
            f"an ND2 frame of {wanted} bytes in {chunk.n_bytes}: export it again"
        )


def decode(
    source: SourceFile, layout: Layout, chunk: Chunk, sample: int
) -> NDArray[Any]:
    """One sample of one frame, (height, width), as stored.

    Raises:
        RefusedFileError: it cannot be decoded.
    """
    height, width = layout.shape
    wanted = height * layout.row_bytes
    with guarded("decoding an ND2 frame"):
        start = chunk.offset + _STAMP_BYTES
        length = chunk.n_bytes - _STAMP_BYTES if layout.packed else wanted
        data = os.pread(source.fd, length, start)
        if layout.packed:
            data = zlib.decompressobj().decompress(data, wanted)
        if len(data) < wanted:
            raise RefusedFileError(
                f"an ND2 frame holds {len(data)} of {wanted} bytes: export it again"
            )
        steps = (layout.row_bytes, layout.samples * layout.dtype.itemsize)
        plane = np.ndarray(
            (height, width),
            layout.dtype,
            data,
            offset=sample * layout.dtype.itemsize,
            strides=steps,
        )
        return np.ascontiguousarray(plane)
