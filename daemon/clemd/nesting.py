"""An image without a stage position, found inside an earlier one of its session.

Both are of one microscope, so the smaller field can be recognised in the larger one
where the light map shows far too little of it. What is found is verified by the engine
as any pair is; then the two matrices are composed, and so are their radii.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.cutting import Parent
from clemd.geometry import (
    apply,
    as_matrix,
    as_rows,
    binning,
    compose,
    corners,
    cropping,
    decompose,
    invert,
    middle_of,
)
from clemd.model import (
    Asked,
    ErrorRadius,
    Matrix,
    Registration,
    Timing,
    TransformModel,
    Verdict,
)
from clemd.pipeline import Request, register_pair
from clemd.sides import Loaded

if TYPE_CHECKING:
    from clemd.registration import Nested

ENGINE = "nested"
MARGIN = 0.35
"""Around the place that is verified, as a share of the smaller field."""
CHECKED_PX = 384
"""Width of the smaller field in the larger image when it is verified: enough for a
twentieth of a light pixel, and quick."""
MOST_CHECKED = 2
"""Candidates, the clearest first, that are verified."""
LEAST_LARGER = 0.95
"""Field of the larger image against the smaller one's; less is no place to look in."""


def register_nested(
    em: Loaded,
    parents: Iterable[Parent],
    request: Request,
    *,
    breathe: Callable[[str], None] = lambda _stage: None,
) -> Registration | None:
    """`em` laid on the map by way of a parent that shows it; None if none does.

    Only a place that the engine accepts counts: what it doubts is not passed on.
    """
    began = time.perf_counter()
    likely = []
    for parent in parents:
        known = parent.registration
        if known.em_to_lm is not None and known.verdict is Verdict.ACCEPTED:
            breathe("search")
            one = _candidate(em, parent.image)
            likely += [] if one is None else [(one, parent)]
    likely.sort(key=lambda pair: -pair[0].lead)
    for one, parent in likely[:MOST_CHECKED]:
        breathe("verdict")
        inside = _checked(em, parent.image, one, request, breathe)
        to_map = parent.registration.em_to_lm
        if inside is None or inside.em_to_lm is None or to_map is None:
            continue
        ways = as_matrix(inside.em_to_lm), as_matrix(to_map)
        found = _composed(em, parent, inside, ways, request)
        return replace(
            found,
            seconds=replace(found.seconds, total=time.perf_counter() - began),
        )
    return None


def _candidate(em: Loaded, parent: Loaded) -> Nested | None:
    from clemd.registration import find_nested

    scale = _scale(em, parent)
    if scale is not None and not _may_hold(em, parent, scale):
        return None
    return find_nested(_specimen(em), _specimen(parent), scale)


def _checked(
    em: Loaded,
    parent: Loaded,
    one: Nested,
    request: Request,
    breathe: Callable[[str], None],
) -> Registration | None:
    """EM px -> parent's px, accepted by the engine; None where it does not agree."""
    cut, moved = _around(parent, one.matrix, em.frame.shape)
    if min(cut.frame.shape) < 1:
        return None
    scale = _scale(em, parent) or decompose(one.matrix).scale
    seen = register_pair(
        em,
        cut,
        replace(
            request,
            pixel_ratio=1 / (_binned(moved) * scale),
            expected=as_rows(compose(moved, one.matrix)),
            scale_tolerance=0.05,
            mirror=False,
            only_expected=True,
        ),
        breathe=breathe,
    )
    if seen.verdict is not Verdict.ACCEPTED or seen.em_to_lm is None:
        return None
    back = compose(invert(moved), as_matrix(seen.em_to_lm))
    return replace(seen, em_to_lm=as_rows(back))


def _binned(moved: Matrix) -> float:
    return float(moved[0, 0])


def _scale(em: Loaded, parent: Loaded) -> float | None:
    """Parent's px per px of `em`, by what the two files say."""
    if em.pixel_um is None or parent.pixel_um is None:
        return None
    return math.sqrt(
        em.pixel_um[0] * em.pixel_um[1] / (parent.pixel_um[0] * parent.pixel_um[1])
    )


def _may_hold(em: Loaded, parent: Loaded, scale: float) -> bool:
    return LEAST_LARGER * max(em.frame.shape) * scale <= max(parent.frame.shape)


def _specimen(image: Loaded) -> NDArray[Any]:
    height = image.frame.shape[0] - image.frame.info_bar_rows
    return np.asarray(image.picture[:height])


def _around(
    parent: Loaded, matrix: Matrix, shape: tuple[int, int]
) -> tuple[Loaded, Matrix]:
    """The part of the parent about that place, binned, and parent px -> its px.

    The search for rivals then looks where they matter, at a size it is made for.
    """
    height, width = parent.frame.shape
    bottom = height - parent.frame.info_bar_rows
    at = apply(matrix, corners(shape))
    low, high = at.min(0), at.max(0)
    margin = MARGIN * float((high - low).max())
    x0, y0 = np.clip(np.floor(low - margin), 0, [width, bottom]).astype(int)
    x1, y1 = np.clip(np.ceil(high + margin) + 1, 0, [width, bottom]).astype(int)
    b = max(1, round(decompose(matrix).scale * shape[1] / CHECKED_PX))
    size = int(x1 - x0) // b, int(y1 - y0) // b
    planes = tuple(
        cv2.resize(
            np.ascontiguousarray(plane[y0 : y0 + b * size[1], x0 : x0 + b * size[0]]),
            size,
            interpolation=cv2.INTER_AREA,
        )
        for plane in _seen(parent)
        if min(size) > 0
    )
    frame = replace(
        parent.frame,
        shape=(size[1], size[0]),
        channels=parent.frame.channels[: len(planes)],
        info_bar_rows=0,
        content_sha256=f"{parent.frame.content_sha256}:{x0},{y0},{x1},{y1},{b}",
    )
    moved = compose(binning(b), cropping(int(x0), int(y0)))
    return Loaded(frame=frame, planes=planes), moved


def _composed(
    em: Loaded,
    parent: Parent,
    inside: Registration,
    ways: tuple[Matrix, Matrix],
    request: Request,
) -> Registration:
    """`ways`: EM px -> parent's px, parent's px -> LM px."""
    known = parent.registration
    to_parent, to_map = ways
    matrix = compose(to_map, to_parent)
    middle = middle_of(em.frame.shape)
    parts = decompose(matrix, middle)
    at = apply(to_parent, [middle])[0]
    per_px = decompose(to_map, (float(at[0]), float(at[1]))).scale
    radius = _joint(known.error_lm_px, inside.error_lm_px, per_px)
    name = Path(parent.image.frame.path).name
    field = max(parent.image.frame.shape) / (
        max(em.frame.shape) * decompose(to_parent, middle).scale
    )
    shown = f"found inside {name}, which shows {field:.1f} times its width"
    return replace(
        inside,
        em_to_lm=as_rows(matrix),
        best_guess=as_rows(matrix),
        confidence=min(inside.confidence, known.confidence),
        model=_freer(known.model, inside.model),
        pixel_size_ratio=1 / parts.scale,
        rotation_deg=parts.rotation_deg,
        mirrored=parts.mirrored,
        error_lm_px=radius,
        error_um=_in_um(radius, known),
        corner_covariance_lm_px2=None,
        engine=ENGINE,
        engine_version=f"1 ({inside.engine} {inside.engine_version})",
        asked=replace(
            inside.asked or Asked(),
            parent=parent.registration_id,
            pixel_ratio=request.pixel_ratio,
            scale_tolerance=request.scale_tolerance,
            mirror=request.mirror,
            expected=request.expected,
        ),
        reasons=(
            f"{shown}; checked against it, not against the map; that one's place on "
            "the map holds for this image too",
            *inside.reasons[:1],
            *(f"{name}: {reason}" for reason in known.reasons[:1]),
        ),
        warnings=_too_wide(radius, em, parts.scale, request.tolerance),
        votes=None,
        channel=known.channel,
        input_sha256=(em.frame.content_sha256, known.input_sha256[1]),
        seconds=Timing(verdict=inside.seconds.total),
    )


def _joint(
    outer: ErrorRadius | None, inner: ErrorRadius | None, lm_px_per_px: float
) -> ErrorRadius | None:
    """Two independent errors, one after the other, LM px."""
    if outer is None or inner is None:
        return None
    return ErrorRadius(
        p50=math.hypot(outer.p50, inner.p50 * lm_px_per_px),
        p95=math.hypot(outer.p95, inner.p95 * lm_px_per_px),
    )


def _in_um(radius: ErrorRadius | None, known: Registration) -> ErrorRadius | None:
    if radius is None or known.error_um is None or known.error_lm_px is None:
        return None
    um = known.error_um.p95 / max(known.error_lm_px.p95, 1e-12)
    return ErrorRadius(p50=radius.p50 * um, p95=radius.p95 * um)


def _freer(one: TransformModel, other: TransformModel) -> TransformModel:
    order = list(TransformModel)
    return max(one, other, key=order.index)


def _too_wide(
    radius: ErrorRadius | None, em: Loaded, scale: float, tolerance: float
) -> tuple[str, ...]:
    """A small field on a map that is known to a pixel: say what that means."""
    if radius is None:
        return ()
    share = radius.p95 / (em.frame.shape[1] * scale)
    if share <= tolerance:
        return ()
    return (
        f"the map is known to ± {radius.p95:.2f} LM px here, {100 * share:.0f} % of "
        "this small field: details of this image are finer than that",
    )


__all__ = ["ENGINE", "register_nested"]


def _seen(parent: Loaded) -> tuple[NDArray[Any], ...]:
    """The planes that show the specimen: of an energy series, one."""
    return (parent.picture,) if parent.frame.is_energy_series else parent.planes[:3]
