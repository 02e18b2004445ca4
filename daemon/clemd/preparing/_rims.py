"""Info bars and borders at the four sides of an image, without metadata.

What was drawn differs from what was seen in three ways that survive JPEG: most of it
is paper (locally flat, and of one level along its row or its column), it ends in one
straight line across the whole side, and beyond that line something else begins. An
even background (resin, a dark field, a clear sky) is flat too, but its outline follows
the specimen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.model import FloatImage

from ._paper import BEYOND, PaperSide, running_mean

SAMPLES = 768
"""Positions looked at along a side; text and paper show in any of them."""
LEAST_OF_WHOLE = 0.3
"""Least grey range, as a share of the whole image's, where its middle is dull."""
DEEPEST = 0.4
"""Largest rim looked for, as a share of the side it is cut from."""
DEEPEST_INKED = 0.3
LEAST_INKED_PX = 8
"""Thinner than a line of text."""
FLAT = 0.02
"""Differences below this share of the grey range are flat (JPEG leaves some)."""
PAPER = 0.4
"""Least share of an inked rim that is paper."""
PAPER_IN_LINE = 0.15
"""The same within any few rows: a line of text leaves this much."""
GLANCE, GLANCED = 48, 0.35
"""A rim begins as paper: with less than this share in its first rows there is none."""
BLANK = 0.97
"""A rim with more paper than this has nothing written on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rims:
    """Px at each side that are no specimen."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def __bool__(self) -> bool:
        return bool(self.top or self.bottom or self.left or self.right)

    def plus(self, other: Rims) -> Rims:
        """Both, one within the other."""
        return Rims(
            top=self.top + other.top,
            bottom=self.bottom + other.bottom,
            left=self.left + other.left,
            right=self.right + other.right,
        )

    def binned(self, bin_px: int) -> Rims:
        """In blocks of `bin_px` px; one that is only partly rim counts as rim."""
        return Rims(
            top=-(-self.top // bin_px),
            bottom=-(-self.bottom // bin_px),
            left=-(-self.left // bin_px),
            right=-(-self.right // bin_px),
        )

    def cut(self, plane: NDArray[Any]) -> NDArray[Any]:
        """What lies inside, a view."""
        height, width = plane.shape
        return plane[self.top : height - self.bottom, self.left : width - self.right]


def find_rims(plane: NDArray[Any]) -> Rims:
    """Bars and borders of `plane`, (height, width) of any real type, memory maps too.

    Rims may lie within each other (a bar above a white frame), so what is left is
    looked at again.
    """
    found = Rims()
    for _ in range(3):
        inner = found.cut(plane)
        if min(inner.shape) < 40:
            break
        more = _one_round(inner)
        if not more:
            break
        found = found.plus(more)
    return found


def _one_round(plane: NDArray[Any]) -> Rims:
    grey = _Scale.of(plane)
    return Rims(
        bottom=_depth(plane[::-1], grey),
        top=_depth(plane, grey),
        left=_depth(plane.T, grey),
        right=_depth(plane.T[::-1], grey),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Grey 0..1 between the darkest and brightest of the image's middle."""

    low: float
    span: float
    flat: float
    """Largest difference that counts as none, grey units."""

    @classmethod
    def of(cls, plane: NDArray[Any]) -> _Scale:
        height, width = plane.shape
        step = max(1, min(height, width) // 200)
        low, span = _range(
            plane[
                height // 5 : -(height // 5) : step, width // 5 : -(width // 5) : step
            ]
        )
        _, whole = _range(plane[::step, ::step])
        span = max(span, LEAST_OF_WHOLE * whole, 1e-6)
        # 8-bit greys of a dull image: JPEG still leaves a count or two
        counts = 2.5 / span if plane.dtype.kind in "ui" else 0.0
        return cls(low=low, span=span, flat=max(FLAT, min(counts, 3 * FLAT)))

    def __call__(self, part: NDArray[Any]) -> FloatImage:
        values = (np.asarray(part, np.float32) - self.low) / self.span
        return np.asarray(np.clip(np.nan_to_num(values, nan=-0.5), -0.5, 1.5))


def _range(part: NDArray[Any]) -> tuple[float, float]:
    """Lowest grey and span of the numbers in `part`, outliers left out."""
    values = np.asarray(part, np.float32)
    values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 0.0
    low, high = (float(v) for v in np.percentile(values, [1.5, 98.5]))
    return low, high - low


def _running_share(side: PaperSide) -> FloatImage:
    """How much of the first row, the first two, three ... is paper."""
    total = np.cumsum(side.share) / np.arange(1, len(side.share) + 1)
    return np.asarray(total, np.float32)


def _depth(plane: NDArray[Any], scale: _Scale) -> int:
    """Rows of the rim that starts at row 0; 0 = none."""
    height, width = plane.shape
    deepest = int(DEEPEST * height)
    step = max(1, width // SAMPLES)
    glance = PaperSide.of(scale(plane[:GLANCE, ::step]), scale.flat)
    if _running_share(glance).max() < GLANCED:
        return 0
    side = PaperSide.of(scale(plane[: deepest + BEYOND, ::step]), scale.flat)
    total = _running_share(side)
    fewest = np.minimum.accumulate(running_mean(side.share))
    for rows in range(deepest, 1, -1):
        blank = total[rows - 1] >= BLANK
        inked = (
            total[rows - 1] >= PAPER
            and fewest[max(0, rows - 4)] >= PAPER_IN_LINE
            and LEAST_INKED_PX <= rows <= DEEPEST_INKED * height
        )
        if (blank or inked) and side.ends_at(rows):
            return side.to_the_px(rows)
    return 0
