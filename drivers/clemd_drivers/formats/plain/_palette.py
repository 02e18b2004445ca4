"""The colour map of a palette TIFF."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd_drivers.formats._ifd import Directory

PALETTE = 3
"""PhotometricInterpretation of an image of indices."""
_COLOUR_MAP = 320


def colour_map(source: SourceFile, directory: Directory) -> NDArray[np.uint8] | None:
    """(colours, 3) red, green and blue of each index; None where there is no map."""
    if _COLOUR_MAP not in directory.tags:
        return None
    stored = directory.integers(source, _COLOUR_MAP)
    if len(stored) < 6 or len(stored) % 3 or stored.min() < 0 or stored.max() > 65535:
        return None
    # the standard says 16 bits; some programs write bytes
    eight = stored if stored.max() < 256 else stored >> 8
    return np.ascontiguousarray(eight.reshape(3, -1).T.astype(np.uint8))


def apply_map(
    indices: NDArray[Any], colours: NDArray[np.uint8], sample: int
) -> NDArray[np.uint8]:
    """One colour of every px; an index beyond the map has the last one's."""
    table = colours[:, sample]
    return np.asarray(table[np.minimum(indices, len(table) - 1)])
