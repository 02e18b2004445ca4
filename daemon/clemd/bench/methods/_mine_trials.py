"""The experiments behind the table of `mine`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from clemd.bench._solving import in_8_bits
from clemd.bench._specimens import positive
from clemd.bench._trial import Trial
from clemd.bench.arms._mine import equal_frames, published_climb
from clemd.geometry import apply
from clemd.registration.mine import (
    PLAIN,
    PUBLISHED,
    STABLE,
    Climb,
    MineEngine,
    Networks,
)

from ._mine_arms import Laid, ours, pair_at, published

ITERATIONS = 500
LONGEST_PX = 160
"""EM side of the published procedure where its accuracy is asked..."""
RANGE_PX = 96
"""...and where only success is."""
TURNS_DEG = (-15.0, -10.0, 10.0)
SHIFTS = (-0.05, 0.05)
PADDINGS = {
    "black": "published, black beyond the map",
    "grey": "published, grey beyond the map",
    "mask": "engine, centre start, masked beyond the map",
}
HANGING = 0.75
"""Share of the EM field on the map, where padding is compared."""
KEPT = 0.05
"""Share of the finest level's edge px that the published limit leaves of 10k px."""
TRUNCATED_PX = 128
LOOK_EVERY = 10
PerPlace = dict[str, list[list[Laid]]]
"""Arm -> place -> trials."""
DIVERGING_SEEDS = 20
DIVERGING_RATES = (0.2, 5e-3, 1e-4)
DIVERGING_PX, DIVERGING_ITERATIONS = 32, 1000


def mild(trials: int, seed: int) -> dict[str, list[Laid]]:
    """Pairs within the published range: -15..10 degrees, 1.6-4.9 % off."""
    rows: dict[str, list[Laid]] = {"found": [], "centre": [], "published": []}
    for at in range(seed, seed + trials):
        trial = positive("mild", "small", at)
        rows["found"].append(ours(trial, MineEngine(networks=None), at))
        centre = MineEngine(start="centre", networks=None)
        rows["centre"].append(ours(trial, centre, at))
        rows["published"].append(
            published(trial, at, iterations=ITERATIONS, longest_px=LONGEST_PX)
        )
    return rows


def large(trials: int, seed: int) -> dict[str, list[Laid]]:
    """Maps of 1024 px: a first pair, the next one, and an EM of ten times the px."""
    rows: dict[str, list[Laid]] = {"first": [], "next": [], "binned": []}
    for at in range(seed, seed + trials):
        engine = MineEngine(networks=Networks())
        for kind, number in (("first", 2 * at), ("next", 2 * at + 1)):
            trial = pair_at(
                number, rotation_deg=8.0, offset=(0.03, -0.02), ratio=1.2, size="full"
            )
            rows[kind].append(ours(trial, engine, at, label="reflection"))
        trial = pair_at(at, rotation_deg=-6.0, ratio=10.0, coverage=0.9, size="full")
        rows["binned"].append(ours(trial, MineEngine(networks=None), at))
    return rows


def capture(trials: int, seed: int) -> tuple[PerPlace, PerPlace, PerPlace]:
    """Pairs turned, shifted along x, and shifted along y, from centre on centre."""
    turned = [(turn, 0.0, 0.0) for turn in TURNS_DEG]
    along_x = [(0.0, shift, 0.0) for shift in SHIFTS]
    along_y = [(0.0, 0.0, shift) for shift in SHIFTS]
    one, two, three = (
        _captured(places, trials, seed) for places in (turned, along_x, along_y)
    )
    return one, two, three


def _captured(
    places: list[tuple[float, float, float]], trials: int, seed: int
) -> PerPlace:
    """`places`: turn, deg, and shifts along x and y, shares of the field."""
    name = f"published procedure at {RANGE_PX} px"
    rows: PerPlace = {name: [], "engine, centre start": []}
    centre = MineEngine(start="centre", networks=None)
    for turn, x, y in places:
        pairs = [
            (at, pair_at(at, rotation_deg=turn, offset=(x, y)))
            for at in range(seed, seed + trials)
        ]
        rows[name].append(
            [
                published(pair, at, iterations=ITERATIONS, longest_px=RANGE_PX)
                for at, pair in pairs
            ]
        )
        rows["engine, centre start"].append(
            [ours(pair, centre, at) for at, pair in pairs]
        )
    return rows


def padding(trials: int, seed: int) -> dict[str, list[Laid]]:
    """Pairs near centre on centre, a quarter of whose EM field lies beyond the map."""
    rows: dict[str, list[Laid]] = {kind: [] for kind in PADDINGS}
    for at in range(seed, seed + trials):
        trial = pair_at(at, rotation_deg=3.0, offset=(0.02, -0.02))
        for kind, fill in (("black", 0.0), ("grey", float(trial.lm.mean()))):
            rows[kind].append(
                published(
                    _ending(trial, fill),
                    at,
                    iterations=ITERATIONS,
                    longest_px=RANGE_PX,
                )
            )
        engine = MineEngine(start="centre", networks=None)
        rows["mask"].append(ours(_ending(trial, math.nan), engine, at))
    return rows


def _ending(trial: Trial, fill: float) -> Trial:
    """The map ends where `HANGING` of the EM field lies on it; `fill` beyond."""
    assert trial.em_to_lm is not None
    height, width = trial.em.shape
    x, _ = apply(trial.em_to_lm, [(HANGING * width, height / 2)])[0]
    lm = trial.lm.astype(np.float32)
    lm[:, round(float(x)) :] = fill
    return replace(trial, lm=lm)


def truncation(trials: int, seed: int) -> dict[str, list[tuple[float, float]]]:
    """Mean errors of the top and of the bottom corners, LM px."""
    rows: dict[str, list[tuple[float, float]]] = {"raster": [], "drawn": [], "all": []}
    for at in range(seed, seed + trials):
        trial = pair_at(at, rotation_deg=3.0, offset=(0.02, -0.02))
        for kind, sampling in (
            ("raster", PUBLISHED),
            ("drawn", replace(PUBLISHED, permuted=True)),
            ("all", PUBLISHED),
        ):
            found = published(
                trial,
                at,
                iterations=ITERATIONS,
                longest_px=TRUNCATED_PX,
                sampling=sampling,
                share=1.0 if kind == "all" else KEPT,
            )
            if found.matrix is not None:
                e = trial.errors_lm_px(found.matrix)  # clockwise from the top left
                rows[kind].append((float(e[:2].mean()), float(e[2:].mean())))
    return rows


@dataclass(frozen=True, slots=True)
class Late:
    """How one long run of the estimate went."""

    ended: int
    """Iterations after which the pose or the bound is no number; 0 = never."""
    constant_nats: float
    """The largest log E[exp T] that was a number: 0 where T does not wander."""


def divergence(seed: int) -> dict[str, list[Late]]:
    """Both estimates from the same starts on the same pair, seed by seed."""
    trial = pair_at(seed, rotation_deg=3.0, offset=(0.02, -0.02))
    frames = equal_frames(
        in_8_bits(trial.em), in_8_bits(trial.lm), trial.ratio or 1.0, DIVERGING_PX
    )
    one = replace(PUBLISHED, levels=1)
    return {
        name: [
            _late(
                published_climb(
                    frames, DIVERGING_RATES, at, sampling=one, estimate=estimate
                )
            )
            for at in range(seed, seed + DIVERGING_SEEDS)
        ]
        for name, estimate in (("plain", PLAIN), ("stabilised", STABLE))
    }


def _late(climb: Climb) -> Late:
    largest = 0.0
    for done in range(1, DIVERGING_ITERATIONS + 1):
        climb.step()
        if done % LOOK_EVERY:
            continue
        constant = climb.constant()
        if not (math.isfinite(constant) and np.isfinite(climb.matrix()).all()):
            return Late(done, largest)
        largest = max(largest, abs(constant))
    return Late(0, largest)
