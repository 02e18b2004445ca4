"""Is one image cut out of another, pixel for pixel?

Then its matrix is the parent's, moved: exact, with nothing to register.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SIDE_PX = 32
_PROBE_PX = 64
MOST_LOOKS = 200
"""A row that is found more often is a pattern, and its image no crop to be sure of."""


def cut_out_of(crop: NDArray[Any], parent: NDArray[Any]) -> tuple[int, int] | None:
    """(x, y) of the crop's first pixel in the parent; None if it is no crop of it.

    Both (height, width), of one sample type. The crop's most varied row is looked for
    in the parent's bytes, then every pixel is compared: nearly right is not found.
    """
    if crop.dtype != parent.dtype or crop.ndim != 2 or parent.ndim != 2:
        return None
    height, width = crop.shape
    if min(height, width) < LEAST_SIDE_PX:
        return None
    if height > parent.shape[0] or width > parent.shape[1]:
        return None
    row = int(
        np.argmax([len(np.unique(line[:512])) for line in crop[:: _step(height)]])
    )
    row *= _step(height)
    probe = np.ascontiguousarray(crop[row, : max(_PROBE_PX, width)])
    if (probe == probe[0]).all():
        return None  # nothing to recognise
    needle, size = probe.tobytes(), parent.dtype.itemsize
    hay = np.ascontiguousarray(parent).tobytes()
    start, found, looks = hay.find(needle), None, 0
    while start >= 0 and looks < MOST_LOOKS:
        looks += 1
        if start % size == 0:
            y, x = divmod(start // size, parent.shape[1])
            y -= row
            if 0 <= y <= parent.shape[0] - height and x <= parent.shape[1] - width:
                there = parent[y : y + height, x : x + width]
                if np.array_equal(there, crop):
                    if found is not None:
                        return None  # it might be from either place
                    found = (x, y)
        start = hay.find(needle, start + 1)
    return found if start < 0 else None


def _step(height: int) -> int:
    return max(1, height // 64)
