"""The last word before a result leaves: the final value once more, on the CPU.

A device that is hot, worn or overclocked may compute wrong numbers without a word. So
what was found is looked at again from the prepared pixels, in double precision, at a
resolution at which that costs next to nothing, and must say the same twice:

* value       the agreement of the images at the matrix, on the device and on the CPU
* movement    where the CPU would move the matrix: no further than so coarse a look can
              be off by itself, unless the images agree there hardly better

The first tells a device that computes wrongly now (where the CPU is the device, that
would be itself against itself, and is left out), the second one that did so on the way
to the matrix.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from clemd.errors import WrongResultError
from clemd.geometry import apply, as_matrix, compose, decompose, invert, middle_of
from clemd.model import Matrix, PreparedImage, Registration, Verdict

from ._fields import field_of
from ._images import between
from ._movement import MovementFit
from ._surfaces import tile_surfaces

EM_PX = 140.0
"""EM side at which it is looked at."""
TILES, REACH_PX = 4, 6
MARGIN_PX = 20.0
"""Of the map around the EM image, in px of that size."""
VALUE_TOLERANCE = 1e-3
"""Single and double precision differ by some 1e-7 on a CPU."""
ALLOWED_OWN_PX = 1.0
"""Where the coarse look may differ, in its own px..."""
ALLOWED_RADII = 3.0
"""...or, in noisy images, in 95 % radii of the result..."""
LEAST_KEPT = 0.9
"""...or further, where the images agree nearly as well at the result as there: content
that is bent pulls a coarse look aside, along a flat top; a wrong place is no top."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one look says of a matrix."""

    value: float
    """Normalised correlation at the matrix, times the root of the overlap."""
    moved_lm_px: float
    """Furthest that a tile of the EM image wants to be elsewhere, LM px."""
    own_px: float
    """LM px of one px of the look."""
    kept: float
    """Agreement of the tiles at the matrix, as a share of where they want to be."""


def recheck(em: PreparedImage, lm: PreparedImage, found: Registration) -> Registration:
    """Look at a result again; it comes back as it was, or for a person to look at.

    Another device than the CPU is not believed where the two disagree. The CPU is
    the last resort: what it finds doubtful itself goes to `review` with the reason.

    Raises:
        WrongResultError: the device has computed something that is not so.
    """
    if found.verdict is Verdict.REJECTED or found.em_to_lm is None:
        return found
    matrix = as_matrix(found.em_to_lm)
    if not np.isfinite(matrix).all() or not _is_finite(found):
        raise WrongResultError(f"{found.device} gave a result that is not a number")
    here = measure(em, lm, matrix, torch.device("cpu"), torch.float64)
    if found.device != "cpu":
        there = measure(em, lm, matrix, torch.device(found.device), torch.float32)
        if not abs(there.value - here.value) <= VALUE_TOLERANCE:
            raise WrongResultError(
                f"{found.device} finds an agreement of {there.value:.4f} where the "
                f"CPU finds {here.value:.4f}"
            )
    radius = 0.0 if found.error_lm_px is None else found.error_lm_px.p95
    allowed = max(ALLOWED_OWN_PX * here.own_px, ALLOWED_RADII * radius)
    if here.moved_lm_px <= allowed or here.kept >= LEAST_KEPT:
        return found
    said = (
        f"a last look finds the place {here.moved_lm_px:.2f} LM px from where "
        f"{found.device} found it, {allowed:.2f} are allowed, and an agreement that "
        f"is {100 * (1 / max(here.kept, 1e-3) - 1):.0f} % better there"
    )
    if found.device != "cpu":
        raise WrongResultError(said)
    return replace(
        found, verdict=Verdict.REVIEW, warnings=(*found.warnings, f"{said}: check it")
    )


def measure(
    em: PreparedImage,
    lm: PreparedImage,
    matrix: Matrix,
    device: torch.device,
    dtype: torch.dtype,
) -> Measured:
    """Look at `matrix` (EM px -> LM px, as stored), afresh and coarsely."""
    parts = decompose(matrix, middle_of(em.full_shape))
    side = math.sqrt(em.full_shape[0] * em.full_shape[1])
    reduction = max(1.0, side * parts.scale / EM_PX)
    near = _around(em, lm, matrix, MARGIN_PX * reduction)
    with torch.inference_mode():
        em_field = field_of(em, reduction / parts.scale, device, dtype=dtype)
        lm_field = field_of(near, reduction, device, dtype=dtype)
        inner = between(em_field, lm_field, [matrix])
        seen = tile_surfaces(em_field.z, lm_field.z, inner, TILES, REACH_PX)
        fit = MovementFit(seen, em_field.shape)
        moved = fit.similarity(capture=False)
        still = fit.gain_of(torch.eye(3, dtype=torch.float64, device=device)[None])
    return Measured(
        value=float(seen.score[0]),
        moved_lm_px=float(moved.largest_px[0]) * reduction,
        own_px=reduction,
        kept=float(still[0]) / max(float(moved.gain[0]), 1e-12),
    )


def _around(
    em: PreparedImage, lm: PreparedImage, matrix: Matrix, margin_lm_px: float
) -> PreparedImage:
    """The part of the map on which the EM image lies."""
    height, width = em.full_shape
    corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    on_map = apply(compose(lm.from_full, matrix), corners)
    per_full = math.sqrt(abs(float(np.linalg.det(lm.from_full[:2, :2]))))
    margin = margin_lm_px * per_full
    rows, columns = lm.mask.shape
    x0, y0 = (max(0, math.floor(v)) for v in on_map.min(axis=0) - margin)
    x1, y1 = on_map.max(axis=0) + margin
    x1, y1 = min(columns, math.ceil(x1)), min(rows, math.ceil(y1))
    if x1 - x0 < 16 or y1 - y0 < 16:
        raise WrongResultError("the result puts the image beside its map")
    shift = invert(np.array([[1.0, 0.0, x0], [0.0, 1.0, y0], [0.0, 0.0, 1.0]]))
    return replace(
        lm,
        layers=tuple(layer[y0:y1, x0:x1] for layer in lm.layers),
        mask=lm.mask[y0:y1, x0:x1],
        wide_mask=None,
        from_full=compose(shift, lm.from_full),
    )


def _is_finite(found: Registration) -> bool:
    numbers = [found.confidence, *found.evidence.values()]
    if found.error_lm_px is not None:
        numbers += [found.error_lm_px.p50, found.error_lm_px.p95]
    return not any(math.isnan(value) for value in numbers)
