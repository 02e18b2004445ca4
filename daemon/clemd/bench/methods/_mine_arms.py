"""One pair, laid by the engine `mine` or by the published procedure."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from clemd.bench._solving import in_8_bits
from clemd.bench._specimens import Conditions, shoot, specimen
from clemd.bench._trial import SUCCESS, Trial
from clemd.bench.arms._mine import DRMIME_RATES, equal_frames, published_climb
from clemd.errors import RegistrationRefusedError
from clemd.geometry import as_matrix
from clemd.model import Matrix, PosePrior
from clemd.preparing import prepare
from clemd.registration import EngineContext
from clemd.registration.mine import PUBLISHED, MineEngine, Sampling, edge_pixels

CODE = 7
"""Specimens that no tier of `clemd bench registration` draws."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """What came of one pair."""

    matrix: Matrix | None
    error_lm_px: float
    """Mean over the corners of the EM field; infinite where there is no matrix."""
    captured: bool
    """Within 2 % of the EM field's width."""
    verdict: str = ""
    iterations: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    """Of one thread: what the wall clock would say of an idle machine."""


def pair_at(
    seed: int,
    *,
    rotation_deg: float = 0.0,
    offset: tuple[float, float] = (0.0, 0.0),
    coverage: float = 0.8,
    ratio: float = 1.5,
    size: str = "small",
) -> Trial:
    """A simulated pair turned and shifted by so much from centre on centre.

    `offset` is in shares of the EM field's width.
    """
    taken = Conditions(
        size=size, coverage=coverage, ratio=ratio, rotation_deg=rotation_deg
    )
    shot = shoot(specimen(seed, CODE), taken, offset=offset)
    return Trial(em=shot.em, lm=shot.lm, em_to_lm=shot.em_to_lm, ratio=shot.told_ratio)


def ours(trial: Trial, engine: MineEngine, seed: int, label: str = "") -> Laid:
    """By the engine, as the daemon prepares the images."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        found = engine.register(
            prepare([trial.em], reduction=trial.ratio),
            prepare([trial.lm], reduction=1.0, label=label),
            PosePrior(pixel_size_ratio=trial.ratio),
            EngineContext(seed=seed),
        )
    except RegistrationRefusedError:
        return _laid(trial, None)
    guess = None if found.best_guess is None else as_matrix(found.best_guess)
    return _laid(
        trial,
        guess,
        verdict=found.verdict.value,
        iterations=int(found.evidence.get("mine_iterations", 0)),
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
    )


def published(
    trial: Trial,
    seed: int,
    *,
    iterations: int,
    longest_px: int,
    sampling: Sampling = PUBLISHED,
    share: float = 1.0,
) -> Laid:
    """By the published procedure at DRMIME's rates, centre on centre, unturned.

    No level has more samples than `share` of the finest one's edge px.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    em, lm = in_8_bits(trial.em), in_8_bits(trial.lm)
    frames = equal_frames(em, lm, trial.ratio or 1.0, longest_px)
    if share < 1:
        low, high = float(frames.fixed.min()), float(frames.fixed.max())
        edges = len(edge_pixels((frames.fixed - low) / (high - low)))
        sampling = replace(sampling, most=round(share * edges))
    climb = published_climb(frames, DRMIME_RATES, seed, sampling=sampling)
    for _ in range(iterations):
        climb.step()
    found = frames.em_to_lm(climb.matrix())
    return _laid(
        trial,
        found if np.isfinite(found).all() else None,
        iterations=iterations,
        wall_s=time.perf_counter() - wall,
        cpu_s=time.process_time() - cpu,
    )


def _laid(trial: Trial, matrix: Matrix | None, **more: object) -> Laid:
    error = float("inf") if matrix is None else float(trial.errors_lm_px(matrix).mean())
    return Laid(
        matrix=matrix,
        error_lm_px=error,
        captured=error < SUCCESS * trial.width_lm_px,
        **more,  # type: ignore[arg-type]
    )
