"""What pixels say that metadata does not: where the bar is, which plane is sharp."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

_BAR_SHARE = 0.2
"""A bar is looked for in this part of the rows, from the bottom."""
_BLOCK = 1 << 20


def info_bar_rows(plane: Pixels) -> int:
    """Rows at the bottom that are a burned-in info bar; 0 where none is found.

    The bar starts with a border line of one value, is mostly two values (paper and
    ink), and the rows above it are not.

    Args:
        plane: (height, width), stored sample type.
    """
    height, width = plane.shape
    if height < 40 or width < 40:
        return 0
    first = height - int(height * _BAR_SHARE)
    tail = plane[first:]
    columns = np.linspace(0, width - 1, 11).astype(int)
    likely = np.sort(tail[:, columns], axis=1)[:, 5]
    lines = np.flatnonzero((tail == likely[:, None]).mean(axis=1) >= 0.98)
    # Only the first line can be the upper border; a few more are tried because the
    # image itself may hold one saturated row.
    for line in lines[:8]:
        top = first + int(line)
        rows = height - top
        if rows < 8 or 2 * rows > height:
            continue
        if _is_bar(plane[top:], plane[top - rows : top]):
            return int(rows)
    return 0


def _is_bar(bar: Pixels, above: Pixels) -> bool:
    """Mostly paper and some ink, and neither of them common above."""
    values, counts = _counted(bar)
    if len(values) < 2:
        return False  # padding or a dark field: there is nothing written on it
    commonest = np.argsort(counts)[-2:]
    paper_and_ink = counts[commonest].sum() / bar.size
    one, other = values[commonest]
    above_share = ((above == one) | (above == other)).mean()
    return bool(paper_and_ink >= 0.8 and above_share <= 0.3)


def _counted(pixels: Pixels) -> tuple[Pixels, NDArray[np.intp]]:
    """The values there are, ascending, and how often; sorts only where it must."""
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        values, counts = np.unique(pixels, return_counts=True)
        return values, counts
    flat = pixels.ravel()
    every = np.zeros(1 << 8 * pixels.dtype.itemsize, np.intp)
    for start in range(0, flat.size, _BLOCK):  # eight bytes a px while it counts
        every += np.bincount(flat[start : start + _BLOCK], minlength=every.size)
    present = np.flatnonzero(every)
    return present.astype(pixels.dtype), every[present]


def sharpness(plane: Pixels) -> float:
    """Variance of the Laplacian over the middle 1024 x 1024 px at most."""
    height, width = plane.shape
    top, left = max(0, height // 2 - 512), max(0, width // 2 - 512)
    middle = plane[top : top + 1024, left : left + 1024].astype(np.float32)
    if min(middle.shape) < 3:
        return 0.0
    laplacian = (
        middle[:-2, 1:-1] + middle[2:, 1:-1] + middle[1:-1, :-2] + middle[1:-1, 2:]
    ) - 4 * middle[1:-1, 1:-1]
    value = float(laplacian.var(dtype=np.float64))
    return value if np.isfinite(value) else 0.0
