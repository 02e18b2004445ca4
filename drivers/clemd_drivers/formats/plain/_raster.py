"""PNG, JPEG and BMP: header and completeness by hand, pixels by imagecodecs."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd_drivers.formats._guard import guarded

PNG, JPEG, BMP = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM"
# Deflate cannot shrink more than about 1032:1, JPEG blocks not more either.
_LARGEST_RATIO = 2_000
# A large image of a microscope has noise: one value throughout is none.
_LARGE_PX, _LARGEST_RATIO_WHEN_LARGE = 64 << 20, 400


@dataclass(frozen=True, slots=True)
class RasterHeader:
    """What the first bytes state."""

    kind: str
    width: int
    height: int
    samples: int
    """Colour samples, alpha not counted."""
    dtype: str
    span: tuple[int, int] | None = None
    """(first byte, one past the last byte) of pixels that nothing else vouches for."""


def kind_of(head: bytes) -> str | None:
    """`png`, `jpeg`, `bmp` or None, by the first bytes."""
    if head.startswith(PNG):
        return "png"
    if head.startswith(JPEG):
        return "jpeg"
    # Two letters prove little: the reserved fields and the header size must fit too.
    if head.startswith(BMP) and head[6:10] == bytes(4) and len(head) >= 54:
        return "bmp" if head[14] in {12, 40, 52, 56, 64, 108, 124} else None
    return None


def read_header(source: SourceFile) -> RasterHeader:
    """Size and sample type, after making sure that the file is whole.

    Raises:
        IncompleteFileError: the end is missing.
        RefusedFileError: not an image, or larger than its bytes can hold.
    """
    kind = kind_of(source.head)
    readers: dict[str | None, Callable[[SourceFile], RasterHeader]] = {
        "png": _png,
        "jpeg": _jpeg,
        "bmp": _bmp,
    }
    if kind not in readers:
        raise RefusedFileError("not a PNG, JPEG or BMP file: export it as TIFF")
    with guarded(f"reading the {kind} header"):
        header = readers[kind](source)
    if min(header.width, header.height) < 1:
        raise RefusedFileError(f"the image is {header.width} x {header.height} px")
    pixels = header.width * header.height * header.samples
    most = _LARGEST_RATIO_WHEN_LARGE if pixels > _LARGE_PX else _LARGEST_RATIO
    if pixels > most * source.size_bytes + (1 << 20):
        raise RefusedFileError(
            f"{header.width} x {header.height} px from {source.size_bytes} bytes: "
            "not a real image"
        )
    return header


def decode(source: SourceFile, kind: str) -> NDArray[Any]:
    """All samples, (height, width) or (height, width, samples).

    Raises:
        RefusedFileError: the pixels cannot be decoded.
    """
    with guarded(f"decoding the {kind} image"):
        import imagecodecs

        with source.stream() as stream:
            data = stream.read(source.size_bytes)
        decoders = {
            "png": imagecodecs.png_decode,
            "jpeg": imagecodecs.jpeg8_decode,
            "bmp": imagecodecs.bmp_decode,
        }
        pixels: NDArray[Any] = decoders[kind](data)
    return pixels


def _missing(source: SourceFile, end: int, what: str) -> IncompleteFileError:
    return IncompleteFileError(
        f"{what} needs bytes to {end}, the file has {source.size_bytes}",
        missing_from=source.size_bytes,
        missing_to=max(end, source.size_bytes + 1),
    )


def _png(source: SourceFile) -> RasterHeader:
    if source.size_bytes < 33:
        raise _missing(source, 33, "the PNG header")
    width, height, depth, colour = struct.unpack_from(">IIBB", source.head, 16)
    at, name = 8, b""
    while name != b"IEND":
        chunk = os.pread(source.fd, 8, at)
        if len(chunk) < 8:
            raise _missing(source, at + 12, "the next PNG chunk")
        (length,) = struct.unpack(">I", chunk[:4])
        name = chunk[4:]
        at += 12 + length
        if not name.isalpha():
            # Reserved space reads as zeros until the writer gets there.
            if name == bytes(4) and length == 0:
                raise _missing(source, source.size_bytes + 1, "the next PNG chunk")
            raise RefusedFileError("a damaged PNG file: export it again")
        if at > source.size_bytes:
            raise _missing(source, at, f"PNG chunk {name.decode('ascii', 'replace')}")
    samples = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}.get(colour, 0)
    if not samples:
        raise RefusedFileError(f"PNG colour type {colour}: export it again")
    return RasterHeader(
        "png", width, height, samples, "uint16" if depth == 16 else "uint8"
    )


def _jpeg(source: SourceFile) -> RasterHeader:
    at = 2
    found: RasterHeader | None = None
    while found is None:
        marker = os.pread(source.fd, 10, at)
        if len(marker) < 10:
            raise _missing(source, at + 10, "a JPEG segment")
        if marker[0] != 0xFF:
            raise RefusedFileError("a damaged JPEG file: export it again")
        code = marker[1]
        if code == 0xFF or 0xD0 <= code <= 0xD8 or code == 1:
            at += 1 if code == 0xFF else 2
            continue
        (length,) = struct.unpack(">H", marker[2:4])
        if 0xC0 <= code <= 0xCF and code not in {0xC4, 0xC8, 0xCC}:
            depth, height, width, samples = struct.unpack(">BHHB", marker[4:])
            if depth != 8 or samples not in {1, 3}:
                raise RefusedFileError(
                    f"JPEG with {samples} samples of {depth} bits: export it as TIFF"
                )
            found = RasterHeader("jpeg", width, height, samples, "uint8")
        elif code in {0xD9, 0xDA} or length < 2:
            raise RefusedFileError("a JPEG file without an image: export it again")
        at += 2 + length
    # Some instruments append text after the end marker.
    tail = os.pread(source.fd, 1 << 16, max(0, source.size_bytes - (1 << 16)))
    if b"\xff\xd9" not in tail or not tail.strip(b"\0"):
        raise _missing(source, source.size_bytes + 2, "the JPEG end marker")
    return found


def _bmp(source: SourceFile) -> RasterHeader:
    (start,) = struct.unpack_from("<I", source.head, 10)
    width, height, _, bits, packing = struct.unpack_from("<iiHHI", source.head, 18)
    if bits not in {8, 24, 32} or packing not in {0, 3}:
        raise RefusedFileError(
            f"BMP of {bits} bits, packing {packing}: export it as TIFF"
        )
    width, height = abs(width), abs(height)
    end = start + (width * bits + 31) // 32 * 4 * height
    if end > source.size_bytes:
        raise _missing(source, end, "the BMP image")
    return RasterHeader("bmp", width, height, 3, "uint8", (start, end))
