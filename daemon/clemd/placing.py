"""A pair that the operator has laid by hand, over a few points that both images show.

The points say about where; the pixels say exactly where, and whether it is so. Where
they do not confirm it the operator's own pose is shown, to be reviewed and never as
right: people click the wrong one of two similar cells, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from clemd.clicked import Points, fit_points
from clemd.geometry import (
    PointFit,
    as_matrix,
    as_rows,
    corner_errors,
    decompose,
)
from clemd.model import ErrorRadius, Registration, TransformModel, Verdict
from clemd.pipeline import Request, radius_in_um, register_pair
from clemd.sides import Loaded

ENGINE = "by hand"
CLICK_SHARE = 0.005
"""Deviation of a click per axis, as a share of the EM width, where fewer than four
points leave little to learn it from: four screen px of an image 800 px wide."""
NEAR_SHARE = 0.10
"""The pixels may move the operator's pose by this share of the EM width."""
MEDIAN_SHARE = 0.481
"""Median over 95 % radius of errors that scatter alike in x and y."""


def register_by_hand(
    em: Loaded,
    lm: Loaded,
    points: Points,
    request: Request,
    *,
    breathe: Callable[[str], None] = lambda _stage: None,
) -> Registration:
    """Lay `em` where the points say, as exactly as the pixels allow.

    Raises:
        UsageError: see `fit_points`.
    """
    placed = fit_points(points, em.frame.shape, lm.frame.shape)
    expected = as_rows(placed.matrix)
    asked = replace(request, expected=expected, only_expected=True)
    found = register_pair(em, lm, asked, breathe=breathe)
    found = replace(found, asked=replace(asked.asked, points=points))
    width = em.frame.shape[1] * decompose(placed.matrix, (0.0, 0.0)).scale
    off = _off_lm_px(found, placed, em)
    by = f"placed by hand over {len(points)} points"
    if found.verdict is not Verdict.REJECTED and off < NEAR_SHARE * width:
        moved = f"{by}, then moved by {off:.1f} LM px to where the pixels agree"
        return replace(found, reasons=(moved, *found.reasons))
    return _as_placed(found, placed, em, lm, by, off / width)


def _off_lm_px(found: Registration, placed: PointFit, em: Loaded) -> float:
    """How far the engine's pose is from the operator's: mean over the corners."""
    if found.em_to_lm is None:
        return 0.0
    gaps = corner_errors(as_matrix(found.em_to_lm), placed.matrix, em.frame.shape)
    return float(gaps.mean())


def _as_placed(
    found: Registration,
    placed: PointFit,
    em: Loaded,
    lm: Loaded,
    by: str,
    off_share: float,
) -> Registration:
    """The operator's own pose, with the radius that clicks have; never accepted."""
    parts = decompose(placed.matrix, (0.0, 0.0))
    width = em.frame.shape[1] * parts.scale
    deviation = max(CLICK_SHARE * width, placed.scatter_px)
    p95 = placed.radius_p95_px(em.frame.shape, deviation)
    radius = ErrorRadius(p50=MEDIAN_SHARE * p95, p95=p95)
    why = found.reasons[0] if found.reasons else "the pixels say nothing"
    if found.em_to_lm is not None:
        why = f"the pixels agree better {100 * off_share:.0f} % of the EM field away"
    rows = as_rows(placed.matrix)
    return replace(
        found,
        verdict=Verdict.REVIEW,
        confidence=min(found.confidence, 0.5),
        em_to_lm=rows,
        best_guess=rows,
        model=TransformModel.SIMILARITY,
        pixel_size_ratio=1 / parts.scale,
        rotation_deg=parts.rotation_deg,
        mirrored=parts.mirrored,
        error_lm_px=radius,
        error_um=radius_in_um(radius, lm),
        corner_covariance_lm_px2=None,
        engine=ENGINE,
        engine_version="1",
        votes=None,
        reasons=(f"{by}; not confirmed: {why}", *found.reasons),
    )


__all__ = ["ENGINE", "register_by_hand"]
