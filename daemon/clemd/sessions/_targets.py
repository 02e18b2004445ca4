"""From the map to the stage: where to drive so that a spot is in view."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.model import ErrorRadius, Matrix

from ._coordinates import RAYLEIGH_95
from ._estimate import PLACE, PLAUSIBLE, STAGE
from ._facts import Target
from ._session import Epoch, Session

MEDIAN = math.sqrt(2 * math.log(2)) / RAYLEIGH_95
GRID = 17
"""Candidates along each side of the map."""
_STAGE_IS_SILENT = "the stage's positions say nothing yet"


def target(session: Session, lm_px: tuple[float, float]) -> Target:
    """The stage position that puts an LM point into the middle of the EM image.

    Raises:
        UsageError: the session cannot know; says what would help.
    """
    epoch = _trusted(session)
    estimate = epoch.estimate
    best = estimate.best
    mean = estimate.means[best]
    b = mean[STAGE].reshape(2, 2)
    if abs(np.linalg.det(b)) < 1e-12:
        raise UsageError(_STAGE_IS_SILENT, "", "register one more image elsewhere")
    away = np.linalg.solve(b, np.subtract(lm_px, mean[PLACE]))
    spread = _spread_lm(epoch, away)
    inverse = np.linalg.inv(b)
    in_um = inverse @ spread @ inverse.T
    in_um += estimate.learned.stage_um2 * np.eye(2)
    p95 = _round_95(in_um) * estimate.learned.heavy_tails
    x, y = estimate.origin_um + away
    return Target(
        stage_um=(float(x), float(y)),
        radius_um=ErrorRadius(p50=MEDIAN * p95, p95=p95),
        field_um=2 * p95,
    )


def lm_to_stage_um(session: Session) -> Matrix:
    """LM px -> EM stage µm, 3x3, as far as the session knows it.

    Raises:
        UsageError: the session cannot know; says what would help.
    """
    estimate = _trusted(session).estimate
    mean = estimate.means[estimate.best]
    b = mean[STAGE].reshape(2, 2)
    if abs(np.linalg.det(b)) < 1e-12:
        raise UsageError(_STAGE_IS_SILENT, "", "register one more image elsewhere")
    matrix = np.eye(3)
    matrix[:2, :2] = np.linalg.inv(b)
    matrix[:2, 2] = estimate.origin_um - matrix[:2, :2] @ mean[PLACE]
    return matrix


def next_image(
    session: Session,
    open_targets: list[tuple[float, float]],
    lm_shape: tuple[int, int],
) -> tuple[tuple[float, float], Target]:
    """Where one more EM image would shrink the error at the targets most.

    Looked for on a grid over the map, a field's margin from its rim. Returns the place
    on the map and the way to drive there.

    Raises:
        UsageError: as `next_best`.
    """
    height, width = lm_shape
    steps = np.linspace(0.1, 0.9, GRID)
    candidates = [(float(x * width), float(y * height)) for y in steps for x in steps]
    place = candidates[next_best(session, open_targets, candidates)]
    return place, target(session, place)


def next_best(
    session: Session,
    open_targets: list[tuple[float, float]],
    candidates: list[tuple[float, float]],
) -> int:
    """Which candidate, imaged next, would shrink the error at the targets most.

    Both in LM px. The gain of an image is known before it is taken: how sure it makes
    the estimate depends on where it lies, not on what it shows (A-optimal design,
    F. Pukelsheim, Optimal Design of Experiments, 1993).

    Raises:
        UsageError: no targets or candidates, or the session cannot know.
    """
    if not open_targets or not candidates:
        raise UsageError("nothing to weigh", "", "give open targets and candidates")
    epoch = _trusted(session)
    estimate = epoch.estimate
    b = estimate.means[estimate.best, STAGE].reshape(2, 2)
    origin = estimate.means[estimate.best, PLACE]
    covariance = estimate.covariances[estimate.best]
    scale2 = estimate.learned.stage_um2 * estimate.lm_px_per_um**2

    def look(point: tuple[float, float]) -> NDArray[np.float64]:
        away = np.linalg.solve(b, np.subtract(point, origin))
        seen = np.zeros((2, 10))
        seen[:, PLACE], seen[:, STAGE] = np.eye(2), np.kron(np.eye(2), away)
        return seen

    def left(candidate: tuple[float, float]) -> float:
        h = look(candidate)
        gain = covariance @ h.T
        after = covariance - gain @ np.linalg.solve(
            h @ gain + scale2 * np.eye(2), gain.T
        )
        return sum(float(np.trace(look(t) @ after @ look(t).T)) for t in open_targets)

    return int(np.argmin([left(candidate) for candidate in candidates]))


def _trusted(session: Session) -> Epoch:
    if session.epoch is None:
        raise UsageError(
            "no image of this session is registered", "", "register one first"
        )
    if session.former is not None:
        raise UsageError(
            "the session transform is in doubt",
            session.epoch.reason,
            "register one more image, which tells which was right",
        )
    if not session.epoch.estimate.speaks or session.epoch.estimate.images < 2:
        raise UsageError(_STAGE_IS_SILENT, "", "register one more image elsewhere")
    return session.epoch


def _spread_lm(epoch: Epoch, away_um: NDArray[np.float64]) -> NDArray[np.float64]:
    """(2, 2) LM px²: doubt of where that stage position lies, over all hypotheses."""
    estimate = epoch.estimate
    look = np.zeros((2, 10))
    look[:, PLACE], look[:, STAGE] = np.eye(2), np.kron(np.eye(2), away_um)
    means = estimate.means @ look.T
    apart = means - means[estimate.best]
    weights = np.where(estimate.weights > PLAUSIBLE, estimate.weights, 0.0)
    weights = weights / weights.sum()
    mixed = np.einsum("h,hij->ij", weights, look @ estimate.covariances @ look.T)
    return np.asarray(mixed + np.einsum("h,hi,hj->ij", weights, apart, apart))


def _round_95(covariance: NDArray[np.float64]) -> float:
    """95 % radius of a normal that is not round, counted over always the same draws."""
    values = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    draws = np.random.default_rng(95).normal(size=(4000, 2)) * np.sqrt(values)
    return float(np.quantile(np.linalg.norm(draws, axis=1), 0.95))
