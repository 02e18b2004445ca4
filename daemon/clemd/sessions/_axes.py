"""How the stage's axes may lie to the image's: hypotheses, weighed by what is seen.

Vendors differ in sign, in handedness and in which axis is which, and a profile may be
wrong. So nothing is assumed: eight ways the axes can lie (the symmetries of a square)
run side by side, with a little freedom each, besides a stage turned anyhow, one that
counts in other units, and one whose numbers mean nothing. Each registered image makes
its own side likelier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """One hypothesis."""

    name: str
    stage_to_image: tuple[float, float, float, float]
    """2x2, row by row: image µm the view moves by, per stage µm."""
    looseness: float
    """Standard deviation of each entry of that matrix."""
    weight: float
    """Before anything was seen."""
    scatter_um: float = 0.0
    """How far the numbers are from the truth by themselves, beyond a stage's error."""

    @property
    def matrix(self) -> NDArray[np.float64]:
        """(2, 2)."""
        return np.array(self.stage_to_image).reshape(2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedAxes:
    """What somebody says of the stage's axes, and how sure of it he is."""

    stage_to_image: tuple[float, float, float, float]
    """As in `Axes`, for a scan that is not turned."""
    confidence: float
    """Probability that it is so, above 0 and below 1."""


TIGHT = 0.03
"""Stage against image: scale within 3 %, turned within 1.7 degrees."""
_LIKELY = 0.84
_SILENT = 0.06
"""More than the one in twenty that a 95 % radius leaves out: before a stage was seen to
move and to mean it, nothing can be foretold from it."""


def hypotheses(stated: StatedAxes | None = None) -> list[Axes]:
    """All of them; what is stated begins with its confidence, the rest is shared.

    None is ever ruled out by a statement: images decide.
    """
    square: list[tuple[float, float, float, float]] = []
    for x in (1.0, -1.0):
        for y in (1.0, -1.0):
            square += [(x, 0.0, 0.0, y), (0.0, x, y, 0.0)]
    found = [
        Axes(
            name=_name(one),
            stage_to_image=one,
            looseness=TIGHT,
            weight=_LIKELY / len(square),
        )
        for one in square
    ]
    rest = 1 - _LIKELY - _SILENT
    found.append(_free("turned anyhow", 1.0, 0.6 * rest))
    found.append(_free("in other units", 1e3, 0.4 * rest))
    silent = Axes(
        name="says nothing",
        stage_to_image=(0.0, 0.0, 0.0, 0.0),
        looseness=1e-9,
        weight=_SILENT,
        scatter_um=1e4,
    )
    found.append(silent)
    return found if stated is None else [_stated(stated), *_less_likely(found, stated)]


def _stated(stated: StatedAxes) -> Axes:
    return Axes(
        name="as the profile says",
        stage_to_image=stated.stage_to_image,
        looseness=TIGHT,
        weight=stated.confidence,
    )


def _less_likely(found: list[Axes], stated: StatedAxes) -> list[Axes]:
    share = 1 - stated.confidence
    return [replace(one, weight=share * one.weight) for one in found]


def _free(name: str, looseness: float, weight: float) -> Axes:
    none = (0.0, 0.0, 0.0, 0.0)
    return Axes(name=name, stage_to_image=none, looseness=looseness, weight=weight)


def _name(matrix: tuple[float, float, float, float]) -> str:
    xx, xy, yx, yy = matrix
    x = ("+x" if xx > 0 else "-x") if xx else ("+y" if xy > 0 else "-y")
    y = ("+y" if yy > 0 else "-y") if yy else ("+x" if yx > 0 else "-x")
    return f"image x is stage {x}, image y is stage {y}"
