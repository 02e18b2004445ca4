"""What the regressor says of pairs whose pose is known."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, corner_errors, decompose, middle_of
from clemd.model import Matrix, PosePrior
from clemd.registration.regressor import Prediction, Trained, predict

from ._posed_pairs import PosedPair

PARAMETERS = ("rotation", "scale", "shift x", "shift y")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pair and its answer."""

    true: NDArray[np.float64]
    """(4,): rotation in degrees, LM px per EM px over what the files promise, and
    where the middle of the EM field lies, as shares of its width on the map."""
    found: NDArray[np.float64]
    """The same; the rotation within half a turn of the true one."""
    deviations: NDArray[np.float64]
    """Predicted standard deviations of the same."""
    log_odds: float
    corner_error: float
    """Mean over the corners, as a share of the EM width; infinite without an answer."""
    flipped: bool
    """The other side up."""
    cpu_s: float


def ask(pair: PosedPair, trained: Trained, *, mirror: bool | None = None) -> Asked:
    """One pair; `mirror` is what is told of it."""
    prior = PosePrior(pixel_size_ratio=pair.ratio, mirror=mirror)
    began = time.process_time()
    said = predict(trained, pair.em, pair.lm, prior)
    spent = time.process_time() - began
    true = _four(pair.em_to_lm, pair)
    if said is None:
        nothing = np.array([true[0], 1.0, 0.0, 0.0])
        return Asked(
            true=true,
            found=nothing,
            deviations=np.full(4, np.inf),
            log_odds=-np.inf,
            corner_error=np.inf,
            flipped=False,
            cpu_s=spent,
        )
    found = _four(said.matrix, pair)
    found[0] = true[0] + (found[0] - true[0] + 180) % 360 - 180
    gap = corner_errors(said.matrix, pair.em_to_lm, pair.em.full_shape).mean()
    return Asked(
        true=true,
        found=found,
        deviations=_deviations(said, pair),
        log_odds=said.log_odds,
        corner_error=float(gap / pair.width_lm_px),
        flipped=said.mirrored != decompose(pair.em_to_lm).mirrored,
        cpu_s=spent,
    )


def _four(matrix: Matrix, pair: PosedPair) -> NDArray[np.float64]:
    parts = decompose(matrix)
    middle = apply(matrix, [middle_of(pair.em.full_shape)])[0]
    map_middle = np.array(middle_of(pair.lm.full_shape))
    shift = (middle - map_middle) / pair.width_lm_px
    return np.array([parts.rotation_deg, parts.scale * pair.ratio, *shift])


def _deviations(said: Prediction, pair: PosedPair) -> NDArray[np.float64]:
    x, y, turn, grow = said.deviations
    width = pair.width_lm_px
    return np.array([turn, grow * said.scale * pair.ratio, x / width, y / width])


def r_squared(rows: Sequence[Asked]) -> NDArray[np.float64]:
    """Share of the variance of each parameter that is explained, (4,)."""
    true = np.stack([row.true for row in rows])
    found = np.stack([row.found for row in rows])
    missed = ((found - true) ** 2).sum(0)
    spread = ((true - true.mean(0)) ** 2).sum(0)
    return np.asarray(1 - missed / spread)


def standardised(rows: Sequence[Asked]) -> NDArray[np.float64]:
    """Misses over predicted deviations, (n, 4)."""
    return np.stack([(row.found - row.true) / row.deviations for row in rows])
