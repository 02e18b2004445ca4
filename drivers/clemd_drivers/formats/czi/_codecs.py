"""Pixels of one CZI tile; codecs from a short list, each bounded by the tile's size."""

from __future__ import annotations

from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RefusedFileError

# Real tiles reach about 1000:1; one that claims more is a decompression bomb.
_LARGEST_RATIO = 10_000
_UNCOMPRESSED, _JPEG, _JPEG_XR, _ZSTD, _ZSTD_PACKED = 0, 1, 4, 5, 6
_READ = {_UNCOMPRESSED, _JPEG, _JPEG_XR, _ZSTD, _ZSTD_PACKED}


# Looked up here: codecs load with their first use, and memory is limited by then.
_decode_jpeg, _decode_jpeg_xr = imagecodecs.jpeg8_decode, imagecodecs.jpegxr_decode
_decode_zstd = imagecodecs.zstd_decode


@dataclass(frozen=True, slots=True)
class PixelType:
    """How samples are stored."""

    name: str
    dtype: np.dtype[np.generic]
    samples: int
    """Per pixel; colours are stored blue first."""


_TYPES = {
    0: PixelType("Gray8", np.dtype("<u1"), 1),
    1: PixelType("Gray16", np.dtype("<u2"), 1),
    2: PixelType("Gray32Float", np.dtype("<f4"), 1),
    3: PixelType("Bgr24", np.dtype("<u1"), 3),
    4: PixelType("Bgr48", np.dtype("<u2"), 3),
    8: PixelType("Bgr96Float", np.dtype("<f4"), 3),
    9: PixelType("Bgra32", np.dtype("<u1"), 4),
    12: PixelType("Gray32", np.dtype("<i4"), 1),
}


def pixel_type(code: int) -> PixelType:
    """What a pixel type means.

    Raises:
        RefusedFileError: it is not read.
    """
    if code not in _TYPES:
        raise RefusedFileError(
            f"CZI pixels of type {code} are not read: export 8 or 16 bit grey"
        )
    return _TYPES[code]


def check_codec(compression: int) -> None:
    """Make sure that tiles of this compression can be decoded.

    Raises:
        RefusedFileError: they cannot.
    """
    if compression not in _READ:
        name = {2: "LZW"}.get(compression, f"scheme {compression}")
        raise RefusedFileError(
            f"CZI tiles compressed with {name} are not read: export it uncompressed, "
            "Zstandard or JPEG XR"
        )


def check_plausible(height: int, width: int, code: int, n_bytes: int) -> None:
    """Make sure that so many bytes can hold so many pixels.

    Raises:
        RefusedFileError: they cannot.
    """
    kind = pixel_type(code)
    wanted = height * width * kind.samples * kind.dtype.itemsize
    if min(height, width) < 1 or wanted > _LARGEST_RATIO * n_bytes + (1 << 20):
        raise RefusedFileError(
            f"a CZI tile of {width} x {height} px in {n_bytes} bytes: not a real image"
        )


def decode(
    data: bytes, compression: int, kind: PixelType, shape: tuple[int, int]
) -> NDArray[np.generic]:
    """One tile, (height, width, samples).

    Raises:
        RefusedFileError: it does not decode to that.
        Exception: whatever the codec finds wrong with it.
    """
    height, width = shape
    wanted = height * width * kind.samples * kind.dtype.itemsize
    if compression in {_JPEG, _JPEG_XR}:
        codec = _decode_jpeg if compression == _JPEG else _decode_jpeg_xr
        pixels = np.asarray(codec(data))
        if pixels.ndim == 3 and kind.samples == 3:
            pixels = pixels[..., ::-1]  # the codecs give red first
    else:
        raw = _bytes(data, compression, wanted)
        if len(raw) < wanted:
            raise RefusedFileError(
                f"a CZI tile holds {len(raw)} of {wanted} bytes: export it again"
            )
        pixels = np.frombuffer(raw, kind.dtype, count=wanted // kind.dtype.itemsize)
    if pixels.size != height * width * kind.samples or pixels.dtype != kind.dtype:
        raise RefusedFileError(
            f"a CZI tile decodes to {pixels.shape} {pixels.dtype}: export it again"
        )
    return pixels.reshape(height, width, kind.samples)


def _bytes(data: bytes, compression: int, wanted: int) -> bytes:
    if compression == _UNCOMPRESSED:
        return data
    if compression == _ZSTD:
        return bytes(_decode_zstd(data, out=wanted))
    header, packed = _packing(data)
    raw = bytes(_decode_zstd(data[header:], out=wanted))
    if not packed:
        return raw
    # All low bytes come first, then all high bytes.
    halves = np.frombuffer(raw, np.uint8)
    return halves[: len(raw) // 2 * 2].reshape(2, -1).T.tobytes()


def _packing(data: bytes) -> tuple[int, bool]:
    """Length of the header before the compressed bytes, and are bytes packed."""
    size = data[0] if data else 0
    if size == 1:
        return 1, False
    if size == 3 and len(data) > 3 and data[1] == 1:
        return 3, bool(data[2] & 1)
    raise RefusedFileError(
        f"a CZI tile with a Zstandard header of {size} bytes: export it again"
    )
