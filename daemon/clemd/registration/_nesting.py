"""Where may one EM image lie inside another of the same microscope?

Same physics, so greys can be compared directly: the smaller field, averaged down to
the larger one's pixels, is slid over it at every turn (normalised cross-correlation,
J. P. Lewis 1995; its absolute value, so that an inverted contrast is found as well).
The best places are then compared at finer pixels, turns and scales: the right one
becomes clearer by that, the others hardly. What comes out is a candidate; whoever uses
it has to verify.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import (
    apply,
    binning,
    compose,
    corners,
    cropping,
    decompose,
    invert,
    middle_of,
    similarity,
    translation,
)
from clemd.model import Matrix

MOST_PARENT_PX = 1024
LEAST_PARENT_PX = 256
PIECE_PX = 64
"""Side of the piece that is slid, where the larger image allows it: wide enough to be
one of its kind, small enough that a scale wrong by 4 % still fits."""
LEAST_PIECE_PX = 16
MOST_SHARE = 0.45
"""Of the larger image's shorter side that the piece may take."""
TURN_STEP_DEG = 6.0
UNKNOWN_RATIOS = (1.0, 20.0)
"""Fields of the larger image against the smaller one's where no pixel size is known."""
UNKNOWN_STEP = 0.06
UNKNOWN_TURNS_DEG = (-6.0, 0.0, 6.0)
"""Searched with an unknown scale: whoever magnifies seldom turns the scan as well."""
FINER_PIECE_PX = 128
"""Side of the piece when the best places are looked at once more."""
FINER_PLACES = 12
FINER_TURNS_DEG = (-3.0, -1.5, 0.0, 1.5, 3.0)
FINER_SCALES = (0.97, 1.0, 1.03)
FINEST_TURNS_DEG = (-0.6, 0.0, 0.6)
FINEST_SCALES = (0.99, 1.0, 1.01)
FINER_REACH_PX = 4.0
"""How far beside its place, in px of the first look, a piece is looked for again."""
LEAST_LEAD = 1.1
"""Of the best place over the second best; wrong places lead little."""
SAME_PLACE = 0.25
"""Two candidates whose middles are nearer than this share of the field are one."""


@dataclass(frozen=True, slots=True)
class Nested:
    """One candidate."""

    matrix: Matrix
    """Px of the smaller field -> px of the larger one."""
    score: float
    """Correlation times the square root of the px that it was taken over."""
    lead: float = 1.0
    """Score over that of the best other place."""
    pitch_px: float = 1.0
    """Px of the larger field per px that it was compared at."""


class _Piece(NamedTuple):
    """The middle of the smaller field, ready to be slid."""

    grey: NDArray[np.float32]
    from_child: Matrix
    """Px of the smaller field -> px of the piece."""


def find_nested(
    child: NDArray[Any], parent: NDArray[Any], scale: float | None
) -> Nested | None:
    """The one place of `child` in `parent`; None where no place stands out.

    Both (height, width) without info bars. `scale` is the size of a child's px in px
    of the parent, right to about 4 %; None searches a ladder, unturned.
    """
    least = max(child.shape) / max(parent.shape)
    scales = [scale] if scale else _ladder(least)
    turns = UNKNOWN_TURNS_DEG if scale is None else _all_turns()
    reduced: dict[float, NDArray[np.float32]] = {}
    found: list[Nested] = []
    for one in scales:
        k = _reduction(child.shape, parent.shape, one)
        if k not in reduced:
            reduced[k] = _shrunk(parent, k)
        found += _slid(child, reduced[k], one, k, turns)
    places = _distinct(found, child.shape)[:FINER_PLACES]
    finer = [
        _looked_at_again(child, parent, one, FINER_TURNS_DEG, FINER_SCALES)
        for one in places
    ]
    best = _standing_out(sorted(finer, key=lambda n: -n.score), child.shape)
    if best is None:
        return None
    finest = _looked_at_again(child, parent, best, FINEST_TURNS_DEG, FINEST_SCALES)
    return replace(finest, lead=best.lead)


def _ladder(widths: float) -> list[float]:
    """Scales to try; `widths` = child's width in px / parent's."""
    low, high = UNKNOWN_RATIOS
    steps = math.ceil(math.log(high / low) / UNKNOWN_STEP)
    return [1 / (widths * low * math.exp(i * UNKNOWN_STEP)) for i in range(steps + 1)]


def _all_turns() -> tuple[float, ...]:
    return tuple(float(a) for a in np.arange(0.0, 360.0, TURN_STEP_DEG))


def _reduction(child: tuple[int, ...], parent: tuple[int, ...], scale: float) -> float:
    """Working px per parent px: coarse for a large child, fine for a small one."""
    side = min(child) * scale
    wanted = PIECE_PX / side
    longest = max(parent)
    return float(
        np.clip(wanted, LEAST_PARENT_PX / longest, min(1.0, MOST_PARENT_PX / longest))
    )


def _shrunk(image: NDArray[Any], k: float) -> NDArray[np.float32]:
    grey = np.asarray(image, np.float32)
    shape = max(8, round(image.shape[1] * k)), max(8, round(image.shape[0] * k))
    small = cv2.resize(grey, shape, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)


def _smoothed(child: NDArray[Any], factor: float) -> NDArray[np.float32]:
    """Fit to be sampled at `factor` px per px."""
    sigma_px = max(0.3, 0.6 / factor)
    smooth = cv2.GaussianBlur(np.asarray(child, np.float32), (0, 0), sigma_px)
    return np.asarray(smooth, np.float32)


def _slid(
    child: NDArray[Any],
    parent: NDArray[np.float32],
    scale: float,
    k: float,
    turns: tuple[float, ...],
) -> list[Nested]:
    """The best place of every turn; `parent` at `k` working px per px."""
    factor = scale * k
    smooth = _smoothed(child, factor)
    back = binning(k)
    pieces = (_piece(smooth, turn, factor, parent.shape) for turn in turns)
    return [_matched(parent, one, back) for one in pieces if one is not None]


def _matched(parent: NDArray[np.float32], piece: _Piece, back: Matrix) -> Nested:
    """Where `piece` fits best; `back`: px of `parent` -> px of the larger field."""
    seen = np.abs(cv2.matchTemplate(parent, piece.grey, cv2.TM_CCOEFF_NORMED))
    seen[~np.isfinite(seen)] = 0.0
    _, best, _, (x, y) = cv2.minMaxLoc(seen)
    return Nested(
        matrix=compose(back, translation(x, y), piece.from_child),
        score=best * math.sqrt(piece.grey.size),
        pitch_px=float(back[0, 0]),
    )


def _distinct(found: list[Nested], shape: tuple[int, ...]) -> list[Nested]:
    """The best of each place, best first."""
    places: list[Nested] = []
    for one in sorted(found, key=lambda n: -n.score):
        if not any(_is_same(one.matrix, p.matrix, shape) for p in places):
            places.append(one)
    return places


def _looked_at_again(
    child: NDArray[Any],
    parent: NDArray[Any],
    one: Nested,
    turns_deg: tuple[float, ...],
    scales: tuple[float, ...],
) -> Nested:
    """The best place near by at finer pixels; as it is where none can be compared."""
    parts = decompose(one.matrix)
    side = min(child.shape) * parts.scale
    k = float(np.clip(FINER_PIECE_PX / side, 1 / one.pitch_px, 1.0))
    near, moved = _near(parent, child.shape, one, k)
    factor = parts.scale * k
    smooth = _smoothed(child, factor)
    back = invert(moved)
    pieces = (
        _piece(smooth, parts.rotation_deg + turn, factor * times, near.shape, most=1.0)
        for turn, times in itertools.product(turns_deg, scales)
    )
    found = [_matched(near, piece, back) for piece in pieces if piece is not None]
    return max(found, key=lambda n: n.score, default=replace(one, score=0.0))


def _near(
    parent: NDArray[Any], shape: tuple[int, ...], one: Nested, k: float
) -> tuple[NDArray[np.float32], Matrix]:
    """The larger field about a candidate, `k` px per px, and its px -> those px."""
    at = apply(one.matrix, corners((shape[0], shape[1])))
    margin = FINER_REACH_PX * one.pitch_px
    limits = [parent.shape[1], parent.shape[0]]
    x0, y0 = np.clip(np.floor(at.min(0) - margin), 0, limits).astype(int).tolist()
    x1, y1 = np.clip(np.ceil(at.max(0) + margin), 0, limits).astype(int).tolist()
    part = parent[y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
    return _shrunk(part, k), compose(binning(1 / k), cropping(x0, y0))


def _piece(
    child: NDArray[Any],
    turn_deg: float,
    factor: float,
    parent: tuple[int, ...],
    *,
    most: float = MOST_SHARE,
) -> _Piece | None:
    """The middle of the turned child at working size; None where nothing is in it."""
    height, width = child.shape
    t = math.radians(turn_deg)
    c, s = abs(math.cos(t)), abs(math.sin(t))
    # the largest rectangle of the same aspect that lies wholly inside
    inner = min(width / (width * c + height * s), height / (width * s + height * c))
    longest = most * min(parent)
    shrink = min(1.0, longest / max(1.0, inner * factor * min(height, width)))
    w, h = (int(inner * factor * side * shrink) for side in (width, height))
    middle, onto = middle_of((height, width)), middle_of((h, w))
    matrix = similarity(scale=factor, rotation_deg=turn_deg, about=middle, onto=onto)
    if min(w, h) < LEAST_PIECE_PX or w >= parent[1] or h >= parent[0]:
        return None
    piece = cv2.warpAffine(child, matrix[:2], (w, h), flags=cv2.INTER_LINEAR)
    piece = cv2.GaussianBlur(piece, (0, 0), 0.7)
    if float(piece.std()) < 1e-6:
        return None
    return _Piece(np.asarray(piece, np.float32), matrix)


def _standing_out(found: list[Nested], shape: tuple[int, ...]) -> Nested | None:
    """The best of `found`, sorted, if it leads all places that are not its own."""
    if not found:
        return None
    best = found[0]
    others = (n.score for n in found if not _is_same(n.matrix, best.matrix, shape))
    lead = best.score / max(next(others, 0.0), 1e-9)
    return replace(best, lead=lead) if lead >= LEAST_LEAD else None


def _is_same(a: Matrix, b: Matrix, shape: tuple[int, ...]) -> bool:
    middle = np.array([(shape[1] - 1) / 2, (shape[0] - 1) / 2, 1.0])
    parts, others = decompose(a), decompose(b)
    far = np.linalg.norm((a @ middle - b @ middle)[:2])
    turned = abs((parts.rotation_deg - others.rotation_deg + 180) % 360 - 180)
    is_near = bool(far < SAME_PLACE * shape[1] * parts.scale)
    return is_near and turned < 3 * TURN_STEP_DEG


__all__ = ["Nested", "find_nested"]
