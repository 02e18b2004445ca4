"""One side of an image, looked at as if it were paper with ink on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from clemd.model import BoolImage, FloatImage

STEP = 0.05
"""A step across the rim's line, same unit."""
LINE = 0.85
"""Least share of what ends near the line that ends on it."""
COUNTED = 0.5
"""Least share of the side that is paper where the rim ends."""
EVEN = 0.6
"""Least share of flat px in a column of paper that can end by becoming uneven."""
SEEN = 0.5
"""Least share of the side along which the line is seen."""
BEYOND = 14
"""Rows looked at beyond the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperSide:
    """One side of the image, its rim at row 0."""

    grey: FloatImage
    flat: BoolImage
    level: FloatImage
    """What paper would be at each px."""
    share: FloatImage
    """How much of each row is paper."""

    @classmethod
    def of(cls, grey: FloatImage, most: float) -> Self:
        flat = _flat(grey, most)
        level = _level(grey, flat)
        alike = np.abs(grey - level) <= 2 * most
        return cls(grey=grey, flat=flat, level=level, share=alike.mean(1))

    def ends_at(self, row: int) -> bool:
        """Does paper end, all along the side, just before `row`?

        Columns in which nothing happens (the image is as dark as the paper) say
        neither yes nor no.
        """
        before = slice(max(0, row - 6), max(1, row - 1))
        level = self.level[before][-1]
        is_paper = (np.abs(self.grey[before] - level) <= STEP).all(0)
        is_even = self.flat[before].mean(0) >= EVEN
        here = is_paper & self._other(level, is_even, row, row + 2)
        later = is_paper & ~here & self._other(level, is_even, row + 2, row + BEYOND)
        return bool(
            is_paper.mean() >= COUNTED
            and here.mean() >= SEEN
            and here.sum() >= LINE * (here.sum() + later.sum())
        )

    def _other(
        self, level: FloatImage, is_even: BoolImage, start: int, stop: int
    ) -> BoolImage:
        """Columns that step away from paper in these rows, or are no longer even."""
        step = np.abs(self.grey[start:stop] - level) > 1.5 * STEP
        uneven = ~self.flat[start:stop] & is_even
        return np.asarray((step | uneven).any(0))

    def to_the_px(self, rows: int) -> int:
        """The end of the paper, near `rows`, and the frame lines beyond it."""
        first, last = max(1, rows - 6), rows + 4
        jump = np.abs(np.diff(self.grey[first - 1 : last], axis=0)).mean(1)
        rows = first + int(np.argmax(jump >= 0.5 * jump.max()))
        return rows + _drawn_lines(self.grey[rows : rows + 4])


def running_mean(share: FloatImage) -> FloatImage:
    """Mean over five rows; the first and last stand for what is beyond."""
    padded = np.pad(share, 2, mode="edge")
    return np.asarray(np.convolve(padded, np.ones(5) / 5, "valid"), np.float32)


def _drawn_lines(rows: FloatImage) -> int:
    """How many of `rows` are each of one grey: the frame line of a bar.

    None where all are: then the image itself is even there.
    """
    middle = np.median(rows, axis=1, keepdims=True)
    uniform = (np.abs(rows - middle) <= STEP).mean(1) >= LINE
    return 0 if uniform.all() else int(np.argmin(uniform))


def _flat(grey: FloatImage, most: float) -> BoolImage:
    """No difference to the next px along the row or to the next row."""
    along = np.abs(np.diff(grey, axis=1, append=grey[:, -1:])) <= most
    down = np.abs(np.diff(grey, axis=0, append=grey[-1:])) <= most
    return np.asarray(along & down)


def _level(grey: FloatImage, flat: BoolImage) -> FloatImage:
    """The grey of paper at each px: a straight line along each row.

    Through the medians of the flat px of both halves, since paper may be shaded.
    """
    half = grey.shape[1] // 2
    left = _median(grey[:, :half], flat[:, :half])
    right = _median(grey[:, half:], flat[:, half:])
    along = (np.arange(grey.shape[1], dtype=np.float32) + 0.5) / grey.shape[1]
    line = left[:, None] + (right - left)[:, None] * (2 * along - 0.5)[None]
    return np.asarray(line, np.float32)


def _median(grey: FloatImage, flat: BoolImage) -> FloatImage:
    """Median of each row's flat px; of the whole row where there are none."""
    counts = flat.sum(1)
    ordered = np.sort(np.where(flat, grey, np.float32(np.inf)), axis=1)
    middle = ordered[np.arange(len(grey)), np.maximum(counts - 1, 0) // 2]
    return np.asarray(np.where(counts > 0, middle, np.median(grey, axis=1)), np.float32)
