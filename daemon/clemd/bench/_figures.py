"""Shares with their intervals, and percentiles, in numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """0..1; 0 of nothing."""
        return self.hits / self.of if self.of else 0.0

    def __str__(self) -> str:
        if not self.of:
            return "-"
        low, high = wilson(self.hits, self.of)
        # a rare event needs decimals: 0 of 3000 is not 0 to 0 %
        digits = 0 if self.of < 200 else 2 if high < 0.02 or low > 0.98 else 1
        return (
            f"{self.hits}/{self.of} = {100 * self.value:.{digits}f} % "
            f"[{100 * low:.{digits}f}-{100 * high:.{digits}f}]"
        )

    def as_json(self) -> dict[str, Any]:
        """With Wilson's 95 % interval."""
        low, high = wilson(self.hits, self.of)
        return asdict(self) | {"low": round(low, 5), "high": round(high, 5)}


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """95 % interval of a share (Wilson 1927).

    >>> [round(v, 3) for v in wilson(0, 300)]
    [0.0, 0.013]
    """
    if of == 0:
        return 0.0, 1.0
    p = hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def percentile(values: Sequence[float], q: float) -> float | None:
    """The q-th percentile; None of nothing."""
    return float(np.percentile(values, q)) if len(values) else None


def in_words(value: float | None, digits: int = 2, unit: str = "") -> str:
    """A number, or a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}{unit}"
