"""Trials with truth: real pairs thrown into known poses, and simulated specimens.

Tuning and reporting never share a seed: tuning uses seeds below `FIRST_REPORTING_SEED`,
reporting that seed and above.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError, UsageError
from clemd.geometry import as_matrix
from clemd.model import PosePrior, Registration
from clemd.preparing import prepare
from clemd.registration import EngineContext, engine_named

from ._throwing import TIERS, RealPair, Trial, load_pairs, throw

FIRST_REPORTING_SEED = 1000
SUCCESS = 0.02
"""Mean corner error of a right answer, as a fraction of the EM field width."""
RELATED = ("histology", "ebsd")
"""Pairs of one specimen: never negatives of each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What an arm made of one trial."""

    source: str
    """`real` or `simulated`."""
    pair: str
    kind: str
    tier: str
    seed: int
    is_negative: bool
    error: float
    """Mean corner error / EM width; infinite without a matrix or a truth."""
    error_lm_px: float
    seconds: float
    registration: Registration | None

    @property
    def is_right(self) -> bool:
        """The overlay is where it belongs."""
        return not self.is_negative and self.error < SUCCESS


def real_trials(
    pairs: list[RealPair], tiers: tuple[str, ...], seed: int
) -> Iterator[tuple[str, Trial]]:
    """One positive of each pair and tier, and a negative for two of three."""
    rng = np.random.default_rng([seed, 77])
    for tier in tiers:
        for pair in pairs:
            yield "real", throw(pair, tier, seed)
            other = pairs[int(rng.integers(len(pairs)))]
            if tier != "mild" and not _related(pair, other):
                yield "real", throw(pair, tier, seed + 500_000, lm_from=other)


def _related(a: RealPair, b: RealPair) -> bool:
    return a.name == b.name or (a.kind == b.kind and a.kind in RELATED)


def simulated_trials(
    tiers: tuple[str, ...], seed: int, *, em_px: int = 160, lm_px: int = 384
) -> Iterator[tuple[str, Trial]]:
    """A positive of each tier and a negative.

    The negative lies off the map, is of another specimen, or is mere texture.
    """
    render = simulator().render_pair
    for tier in tiers:
        rng = np.random.default_rng([seed, TIERS.index(tier), 5])
        base = seed * 10 + TIERS.index(tier)
        made = _render(render, base, tier, rng, em_px, lm_px)
        yield "simulated", _simulated(made, made, tier, seed, "simulated")
        which = int(rng.integers(3))
        if which == 0:
            other = _render(render, base, tier, rng, em_px, lm_px, elsewhere=True)
            yield (
                "simulated",
                _simulated(other, other, tier, seed, "negative elsewhere"),
            )
        elif which == 1:
            other = _render(render, base + 7_000_003, tier, rng, em_px, lm_px)
            yield "simulated", _simulated(made, other, tier, seed, "negative unrelated")
        else:
            yield "simulated", _texture(made, tier, seed, rng)


def simulator() -> Any:
    """The simulator's module, found as the daemon finds it."""
    for point in entry_points(group="clemd.simulators"):
        return importlib.import_module(point.value.partition(":")[0])
    raise UsageError(
        "no simulated microscope is installed", "clemd.simulators", "reinstall clemd"
    )


def _render(
    render: Any,
    seed: int,
    tier: str,
    rng: np.random.Generator,
    em_px: int,
    lm_px: int,
    *,
    elsewhere: bool = False,
) -> Any:
    wild = tier == "wild"
    return render(
        seed,
        em_shape=(em_px, round(em_px * 4 / 3)),
        lm_shape=(lm_px, lm_px),
        coverage=float(rng.uniform(0.35, 0.7)),
        rotation_deg=float(
            rng.uniform(-10, 10) if tier == "mild" else rng.uniform(-180, 180)
        ),
        mirrored=bool(wild and rng.random() < 0.5),
        noise=float(rng.uniform(0.5, 1.5) * (2.0 if wild else 1.0)),
        invert=bool(wild and rng.random() < 0.5),
        elsewhere=elsewhere,
    )


def _simulated(em: Any, lm: Any, tier: str, seed: int, kind: str) -> Trial:
    truth = em.em_to_lm if em is lm else None
    ratio = em.lm_pixel_um / em.em_pixel_um
    wrong = em.metadata_ratio / ratio if em is lm else 1.0
    return Trial(
        pair=f"simulated-{em.seed}",
        kind=kind,
        tier=tier,
        seed=seed,
        em=em.em,
        lm=lm.lm[0],
        ratio_prior=ratio * wrong,
        em_to_lm=None if truth is None else np.asarray(truth),
    )


def _texture(made: Any, tier: str, seed: int, rng: np.random.Generator) -> Trial:
    noise = rng.normal(size=made.em.shape)
    for axis in (0, 1):
        kernel = np.exp(-0.5 * (np.arange(-6, 7) / rng.uniform(1, 2.5)) ** 2)
        noise = np.apply_along_axis(
            np.convolve, axis, noise, kernel / kernel.sum(), "same"
        )
    noise = (noise - noise.min()) / np.ptp(noise)
    return Trial(
        pair=f"simulated-{made.seed}",
        kind="negative texture",
        tier=tier,
        seed=seed,
        em=np.asarray(255 * noise, np.uint8),
        lm=made.lm[0],
        ratio_prior=made.metadata_ratio,
        em_to_lm=None,
    )


def solve(source: str, trial: Trial, *, know_ratio: bool = True) -> Outcome:
    """Our engine on one trial."""
    started = time.perf_counter()
    ratio = trial.ratio_prior if know_ratio else None
    found: Registration | None
    try:
        found = engine_named("auto").register(
            prepare([_plane(trial.em)], reduction=ratio),
            prepare([_plane(trial.lm)], reduction=1.0),
            PosePrior(pixel_size_ratio=ratio),
            EngineContext(),
        )
    except RegistrationRefusedError:
        found = None
    seconds = time.perf_counter() - started
    rows = None if found is None else found.best_guess
    error = math.inf if rows is None else trial.error(as_matrix(rows))
    return Outcome(
        source=source,
        pair=trial.pair,
        kind=trial.kind,
        tier=trial.tier,
        seed=trial.seed,
        is_negative=trial.em_to_lm is None,
        error=error,
        error_lm_px=math.inf if math.isinf(error) else error * trial.width_lm_px,
        seconds=seconds,
        registration=found,
    )


def _plane(image: NDArray[Any]) -> NDArray[Any]:
    return image if image.ndim == 2 else image.mean(2)


def pairs_in(data: Path | None) -> list[RealPair]:
    """Real pairs with truth; none where the folder is absent."""
    if data is None:
        return []
    if not data.is_dir():
        raise UsageError("no such folder", str(data), "check --data")
    return load_pairs(data)
