"""The part of the guide that is looked at, as an image of its own.

Around the place that the device stated, only the neighbourhood is searched, and a
small map is searched on an enlarged guide: the witnesses count whole px.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.geometry import (
    apply,
    as_matrix,
    as_rows,
    compose,
    corners,
    cropping,
    decompose,
    invert,
    middle_of,
    resizing,
)
from clemd.model import (
    FloatImage,
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    TileVotes,
)

MARGIN_SHARE = 0.35
"""Of the map's longer side on the guide: how far around the stated place is searched.
The paper's largest displacements are a tenth of the field."""
TURN_DEG = 15.0
"""How far the map may be turned against what the device stated."""
SIDE_PX = 128
"""Shorter side of a map on the guide below which the guide is enlarged."""
MOST_ENLARGED = 6

Corner = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A guide to search, and what is asked of it."""

    guide: PreparedImage
    prior: PosePrior
    from_guide: Matrix
    """Px of the whole guide as stored -> px of `guide`, both full."""
    enlarged: float
    """Px of `guide` per px of the whole guide."""

    def outward(self, answer: Registration) -> Registration:
        """`answer` on this scene as one on the whole guide."""
        back, by = invert(self.from_guide), self.enlarged
        moved = {
            name: None if rows is None else as_rows(compose(back, as_matrix(rows)))
            for name, rows in (
                ("em_to_lm", answer.em_to_lm),
                ("best_guess", answer.best_guess),
            )
        }
        radius = answer.error_lm_px
        ratio = answer.pixel_size_ratio
        return replace(
            answer,
            em_to_lm=moved["em_to_lm"],
            best_guess=moved["best_guess"],
            pixel_size_ratio=None if ratio is None else ratio * by,
            error_lm_px=None
            if radius is None
            else replace(radius, p50=radius.p50 / by, p95=radius.p95 / by),
            evidence={
                name: value / by if name.endswith("_lm_px") else value
                for name, value in answer.evidence.items()
            },
            votes=None if answer.votes is None else _shrunk(answer.votes, by),
        )


def whole(guide: PreparedImage, prior: PosePrior) -> Scene:
    """All of the guide, and nothing foretold."""
    free = replace(prior, expected=None)
    return Scene(guide=guide, prior=free, from_guide=np.eye(3), enlarged=1.0)


def around(
    guide: PreparedImage, prior: PosePrior, shape: tuple[int, int]
) -> Scene | None:
    """The neighbourhood of `prior.expected` for a map of `shape`; None if it is off.

    The map lies about as it is stated: no mirror, hardly turned.
    """
    if prior.expected is None:
        return None
    stated = as_matrix(prior.expected)
    ends = apply(stated, corners(shape))
    low, high = ends.min(0), ends.max(0)
    margin = MARGIN_SHARE * float((high - low).max())
    box = _inside(guide, low - margin, high + margin)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    by = float(enlargement(prior, shape))
    size = (round((y1 - y0) * by), round((x1 - x0) * by))
    layers = tuple(_resized(one[y0:y1, x0:x1], size) for one in guide.layers)
    mask = _resized(guide.mask[y0:y1, x0:x1].astype(np.float32), size) > 0.99
    inner = compose(resizing((y1 - y0, x1 - x0), size), cropping(x0, y0))
    moved = compose(inner, guide.from_full)
    parts = decompose(stated, middle_of(shape))
    turn = parts.rotation_deg
    grown = compose(moved, stated)
    return Scene(
        guide=PreparedImage(
            layers=layers,
            mask=mask,
            from_full=np.eye(3),
            full_shape=size,
            label=guide.label,
        ),
        prior=replace(
            prior,
            pixel_size_ratio=1 / scale_at_middle(grown, shape),
            expected=as_rows(grown),
            mirror=parts.mirrored,
            rotation_deg=(turn - TURN_DEG, turn + TURN_DEG),
        ),
        from_guide=moved,
        enlarged=scale_at_middle(moved, guide.full_shape),
    )


def scale_at_middle(matrix: Matrix, shape: tuple[int, int]) -> float:
    """Px that `matrix` makes of one px in the middle of an image of `shape`."""
    return decompose(matrix, middle_of(shape)).scale


def enlargement(prior: PosePrior, shape: tuple[int, int]) -> int:
    """How many times the guide must be enlarged for a map of `shape`; 1 = not.

    Raises:
        RegistrationRefusedError: the map would still be a speck.
    """
    if prior.expected is None:
        return 1
    side = min(shape) * scale_at_middle(as_matrix(prior.expected), shape)
    wanted = max(1, math.ceil(SIDE_PX / max(side, 1e-6)))
    if wanted > MOST_ENLARGED:
        raise RegistrationRefusedError(
            f"the map covers only {side:.0f} px of the guide: too few to recognise; "
            "choose a guide of higher magnification"
        )
    return wanted


def check_size(prior: PosePrior, shape: tuple[int, int]) -> None:
    """Refuse to look all over the guide for a map that covers hardly any of it.

    Raises:
        RegistrationRefusedError: it does.
    """
    if prior.pixel_size_ratio is None:
        return
    side = min(shape) / prior.pixel_size_ratio
    if side < SIDE_PX / 2:
        raise RegistrationRefusedError(
            f"the map covers only {side:.0f} px of the guide, too few to be found "
            "without the device's word for where it lies"
        )


def _inside(
    guide: PreparedImage, low: Corner, high: Corner
) -> tuple[int, int, int, int] | None:
    """The box in px of the guide's layers; None where hardly anything is left."""
    ends = apply(guide.from_full, [low, high])
    rows, columns = guide.mask.shape
    x0, y0 = (max(0, math.floor(v)) for v in ends.min(0))
    x1, y1 = ends.max(0)
    x1, y1 = min(columns, math.ceil(x1) + 1), min(rows, math.ceil(y1) + 1)
    return (x0, y0, x1, y1) if min(x1 - x0, y1 - y0) >= 16 else None


def _resized(image: FloatImage, size: tuple[int, int]) -> FloatImage:
    if image.shape == size:
        return np.ascontiguousarray(image, np.float32)
    large = cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(large, np.float32)


def _shrunk(votes: TileVotes, by: float) -> TileVotes:
    return replace(
        votes,
        reach_lm_px=votes.reach_lm_px / by,
        tiles=tuple(
            replace(t, dx_lm_px=t.dx_lm_px / by, dy_lm_px=t.dy_lm_px / by)
            for t in votes.tiles
        ),
    )
