"""What a trial is, and the name from which it can be made again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, corner_errors
from clemd.model import Matrix

TIERS = ("mild", "session", "wild", "unknown", "clean", "noisy")
"""Trials with a right answer."""
REAL_TIERS = ("mild", "session", "wild", "unknown")
HANGING = ("session", "wild")
"""Tiers in which a share `HANGING_OVER` of the EM fields lies half off the map."""
HANGING_OVER = 0.2
NEGATIVES = "negatives"
"""The tier of trials without one."""
SIZES = ("small", "full")
FIRST_REPORTING_SEED = 1000
"""Tuning uses seeds below, reporting this one and above."""
SUCCESS = 0.02
"""Mean corner error of a right answer, as a fraction of the EM field width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """All that a trial is made from."""

    source: str
    """`simulated` or `real`."""
    pair: str
    """Name of the real pair; empty for simulated specimens."""
    tier: str
    kind: str
    """`positive`, or the kind of negative."""
    seed: int
    size: str

    @property
    def key(self) -> str:
        """The same for the same trial, in every run."""
        parts = (self.source, self.pair, self.tier, self.kind, self.size, self.seed)
        return ":".join(str(part) for part in parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Two images, what an arm is told, and the truth."""

    em: NDArray[Any]
    """(height, width), 8 bits."""
    lm: NDArray[Any]
    """(height, width)."""
    em_to_lm: Matrix | None
    """Truth; None where no place on the map is right."""
    ratio: float | None
    """What is told of LM pixel size / EM pixel size; None = nothing."""
    mirror: bool | None = None
    """What is told of the mirror."""
    rotation_deg: tuple[float, float] = (-180.0, 180.0)
    """What is told of the rotation."""
    is_negative: bool = False
    """Every answer is wrong: there is no truth, or what is told excludes it."""
    floor_px: float = 0.0
    """What the landmarks behind the truth are themselves in doubt by, LM px, RMS."""
    doubted: tuple[Matrix, ...] = ()
    """What the truth could as well be; empty where it is exact."""

    @property
    def width_lm_px(self) -> float:
        """Width of the EM field in LM px by the truth; not a number without one."""
        if self.em_to_lm is None:
            return math.nan
        scale = math.sqrt(abs(float(np.linalg.det(self.em_to_lm[:2, :2]))))
        return float(self.em.shape[1] * scale)

    def errors_lm_px(self, found: Matrix) -> NDArray[np.float64]:
        """How far off the four corners of the EM field are, (4,); infinite if wrong."""
        if self.is_negative or self.em_to_lm is None:
            return np.full(4, math.inf)
        return corner_errors(found, self.em_to_lm, _shape(self.em))

    @property
    def truth_p95_lm_px(self) -> float:
        """95 % radius of the truth itself: the largest corner error, 0 if exact."""
        if self.em_to_lm is None or not self.doubted:
            return 0.0
        most = [self.errors_lm_px(one).max() for one in self.doubted]
        return float(np.percentile(most, 95))

    @property
    def overlap(self) -> float:
        """Share of the EM field that lies on the map by the truth."""
        if self.em_to_lm is None:
            return 0.0
        rows, columns = _shape(self.em)
        u, v = np.meshgrid(
            np.linspace(0, columns - 1, 33), np.linspace(0, rows - 1, 33)
        )
        at = apply(self.em_to_lm, np.c_[u.ravel(), v.ravel()])
        inside = (at >= 0) & (at <= np.array(self.lm.shape[::-1]) - 1)
        return float(inside.all(axis=1).mean())


def _shape(image: NDArray[Any]) -> tuple[int, int]:
    return int(image.shape[0]), int(image.shape[1])
