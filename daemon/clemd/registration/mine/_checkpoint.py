"""How far a climb has come, as bytes; arrays only, so nothing is run when it is read.

The key names everything that the way depends on: pixels, masks, start, settings, seed
and version. A state of another pair, or of other settings, is never taken up.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from clemd.model import PreparedImage

from ._network import Arrays


def as_bytes(state: Arrays) -> bytes:
    """An npz of plain arrays."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **state)
    return file.getvalue()


def from_bytes(given: bytes) -> Arrays | None:
    """What `as_bytes` made; None where the bytes are not whole."""
    try:
        with np.load(io.BytesIO(given), allow_pickle=False) as kept:
            return {name: kept[name] for name in kept.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        return None


def key_of(
    images: Iterable[PreparedImage], start: NDArray[np.float64], *more: str
) -> str:
    """A name of the work: the same work, the same name."""
    digest = hashlib.sha256(np.ascontiguousarray(start).tobytes())
    for image in images:
        for layer in (*image.layers, image.mask, image.from_full):
            digest.update(np.ascontiguousarray(layer).tobytes())
    for text in more:
        digest.update(b"\0" + text.encode())
    return f"mine-{digest.hexdigest()[:32]}"
