"""Small image files with known pixels, in the forms that exporters write."""

from __future__ import annotations

import hashlib
import io
import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

SHAPE = (96, 160)
"""(height, width) in px; as 16 bit seven and a half pages of memory."""
PAGES = 3


@dataclass(frozen=True, slots=True)
class Export:
    """One complete version of a file."""

    data: bytes
    planes: frozenset[str]
    """SHA-256 of the samples of every plane in it."""

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()


def digest_of(plane: NDArray[Any]) -> str:
    """SHA-256 of the samples, row by row."""
    return hashlib.sha256(np.ascontiguousarray(plane).tobytes()).hexdigest()


def draw(kind: str, dice: random.Random) -> Export:
    """One image of a kind of `KINDS`; no sample of it is zero."""
    encode, pages = KINDS[kind]
    rng = np.random.default_rng(dice.getrandbits(64))
    planes = rng.integers(1, 4096, (pages, *SHAPE), dtype=np.uint16)
    return Export(encode(planes), frozenset(digest_of(plane) for plane in planes))


def grow(dice: random.Random) -> list[Export]:
    """A TIFF file after each further page: every state is a file of its own right."""
    rng = np.random.default_rng(dice.getrandbits(64))
    planes = rng.integers(1, 4096, (PAGES, *SHAPE), dtype=np.uint16)
    return [
        Export(_tiff(planes[:n]), frozenset(digest_of(plane) for plane in planes[:n]))
        for n in range(1, PAGES + 1)
    ]


def _tiff(planes: NDArray[np.uint16], **how: Any) -> bytes:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        for plane in planes:
            writer.write(plane, metadata=None, contiguous=False, **how)
    return stream.getvalue()


def _deflated(planes: NDArray[np.uint16]) -> bytes:
    return _tiff(planes, compression="zlib", rowsperstrip=16)


def _directory_last(planes: NDArray[np.uint16]) -> bytes:
    """Pixels first, then what says where they are."""
    height, width = planes[0].shape
    pixels: bytes = planes[0].astype("<u2").tobytes()
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, 16), (259, 3, 1, 1),
        (262, 3, 1, 1), (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, height),
        (279, 4, 1, len(pixels)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = struct.pack("<2sHI", b"II", 42, 8 + len(pixels))
    return head + pixels + directory + bytes(4)


def _ome(planes: NDArray[np.uint16]) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, planes, ome=True, metadata={"axes": "CYX"})
    return stream.getvalue()


def _png(planes: NDArray[np.uint16]) -> bytes:
    data: bytes = cv2.imencode(".png", planes[0])[1].tobytes()
    return data


KINDS: dict[str, tuple[Callable[[NDArray[np.uint16]], bytes], int]] = {
    "tiff": (_tiff, 1),
    "directory last": (_directory_last, 1),
    "deflate": (_deflated, 1),
    "ome": (_ome, PAGES),
    "png": (_png, 1),
}
"""Name -> (encoder of (pages, height, width), pages)."""
