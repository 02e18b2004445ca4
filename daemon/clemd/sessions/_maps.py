"""Do two light maps agree on how they lie to each other?

An image that is accepted on both maps says where one lies on the other. A second one
says it again. Where the two differ by more than their errors, one of four results is
wrong, or one map is distorted: that is told with both places, never averaged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from clemd.geometry import (
    apply,
    as_matrix,
    compose,
    corners,
    decompose,
    invert,
    middle_of,
)
from clemd.model import Matrix3

CLEAR = 2.0
"""Times the joint 95 % radius; nearer than that may still be chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnBoth:
    """One EM image that is accepted on two maps, and the 95 % radii there."""

    name: str
    shape: tuple[int, int]
    on_one: Matrix3
    one_lm_px: float
    on_other: Matrix3
    other_lm_px: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapsDiffer:
    """Two places of one image's middle on the other map, LM px."""

    directly: tuple[float, float]
    by_way_of: tuple[float, float]
    apart_lm_px: float
    """At the corner where it is worst."""
    allowed_lm_px: float
    reason: str


def maps_differ(now: OnBoth, before: OnBoth) -> MapsDiffer | None:
    """What `now` and `before` disagree on; None where they agree within `CLEAR`."""
    one_to_other = compose(as_matrix(before.on_other), invert(as_matrix(before.on_one)))
    predicted = compose(one_to_other, as_matrix(now.on_one))
    seen = as_matrix(now.on_other)
    at = corners(now.shape)
    apart = float(np.linalg.norm(apply(predicted, at) - apply(seen, at), axis=1).max())
    scale = decompose(one_to_other).scale
    # the way from one map to the other is known where `before` lies; farther off its
    # turn and scale carry the error along
    span = apply(as_matrix(before.on_one), corners(before.shape))
    middle = span.mean(0)
    half = float(np.linalg.norm(span - middle, axis=1).max())
    far = np.linalg.norm(apply(as_matrix(now.on_one), at) - middle, axis=1).max()
    lever = max(1.0, float(far) / max(half, 1e-9))
    allowed = math.hypot(
        now.other_lm_px,
        now.one_lm_px * scale,
        lever * before.other_lm_px,
        lever * before.one_lm_px * scale,
    )
    if apart <= CLEAR * allowed:
        return None
    centre = [middle_of(now.shape)]
    (x, y), (u, v) = apply(seen, centre)[0], apply(predicted, centre)[0]
    return MapsDiffer(
        directly=(float(x), float(y)),
        by_way_of=(float(u), float(v)),
        apart_lm_px=apart,
        allowed_lm_px=allowed,
        reason=f"two light maps contradict each other: {now.name} lies at "
        f"{x:.1f}, {y:.1f} px of this map by itself, but at {u:.1f}, {v:.1f} px by way "
        f"of the other map and {before.name} ({apart:.1f} LM px apart at a corner, "
        f"{allowed:.1f} expected at most): reject the result that is wrong",
    )
