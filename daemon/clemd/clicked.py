"""Points that somebody clicked: checked before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from clemd.errors import UsageError
from clemd.geometry import PointFit, similarity_through

Points = tuple[tuple[float, float, float, float], ...]
"""Rows of EM x, EM y, LM x, LM y, in px of the images as stored."""
FEWEST, MOST = 2, 24
_MEND = "give rows of EM x, EM y, LM x, LM y in px"


def points_of(rows: Any) -> Points:
    """Rows as they came, as numbers.

    Raises:
        UsageError: too few or too many, or not four finite numbers each.
    """
    if not isinstance(rows, list | tuple) or not FEWEST <= len(rows) <= MOST:
        count = len(rows) if isinstance(rows, list | tuple) else 0
        raise UsageError(
            f"{count} points", "points", f"{_MEND}, {FEWEST} to {MOST} of them"
        )
    for row in rows:
        if not isinstance(row, list | tuple) or len(row) != 4:
            raise UsageError(f"{row!r:.60} is not a pair of points", "points", _MEND)
        if not all(type(v) in (int, float) and math.isfinite(v) for v in row):
            raise UsageError(f"{row!r:.60} is not four numbers", "points", _MEND)
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in rows)


def fit_points(
    points: Points, em_shape: tuple[int, int], lm_shape: tuple[int, int]
) -> PointFit:
    """The pose that the points say; shapes are (height, width) of the images.

    Raises:
        UsageError: one is off its image, or together they decide no pose.
    """
    first = [row[:2] for row in points]
    second = [row[2:] for row in points]
    _check_inside("EM", first, em_shape)
    _check_inside("LM", second, lm_shape)
    try:
        return similarity_through(first, second)
    except ValueError as useless:
        raise UsageError(str(useless), "points", _MEND) from useless


def _check_inside(
    name: str, points: Sequence[Sequence[float]], shape: tuple[int, int]
) -> None:
    height, width = shape
    for x, y in points:
        if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
            raise UsageError(
                f"({x:g}, {y:g}) is not on the {name} image",
                f"{width} x {height} px",
                _MEND,
            )


__all__ = ["Points", "fit_points", "points_of"]
