"""Which trials a run consists of, and how each is made from its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from clemd.errors import UsageError

from . import _ambiguous, _negatives
from ._negatives import negative
from ._real_pairs import SMALL_LM_PX, RealPair, are_related, pairs_in
from ._specimens import positive
from ._throwing import throw, throw_beside, throw_elsewhere
from ._trial import NEGATIVES, REAL_TIERS, TIERS, Spec, Trial

SIMULATED_KINDS = (*_negatives.CODES, *_ambiguous.CODES)
REAL_KINDS = ("unrelated", "other-field")
HARD = ("other-field", "neighbour", "twins", "lattice")
"""Kinds of negatives that look like the right thing."""
POSITIVE = "positive"


def plan(
    *,
    tiers: Sequence[str],
    kinds: Sequence[str],
    seeds: Sequence[int],
    real_seeds: Sequence[int],
    pairs: Sequence[RealPair],
    size: str,
) -> list[Spec]:
    """Every trial of a run, seed by seed, so that a broken-off run is balanced."""
    specs = []
    for seed in sorted({*seeds, *real_seeds}):
        if seed in seeds:
            specs += _simulated(tiers, kinds, seed, size)
        if seed in real_seeds:
            specs += _real(tiers, kinds, seed, size, pairs)
    return specs


def _simulated(
    tiers: Sequence[str], kinds: Sequence[str], seed: int, size: str
) -> list[Spec]:
    chosen = [(tier, POSITIVE) for tier in tiers if tier in TIERS]
    if NEGATIVES in tiers:
        chosen += [(NEGATIVES, k) for k in SIMULATED_KINDS if not kinds or k in kinds]
    return [
        Spec(source="simulated", pair="", tier=t, kind=k, seed=seed, size=size)
        for t, k in chosen
    ]


def _real(
    tiers: Sequence[str],
    kinds: Sequence[str],
    seed: int,
    size: str,
    pairs: Sequence[RealPair],
) -> list[Spec]:
    chosen = [(tier, POSITIVE) for tier in tiers if tier in REAL_TIERS]
    if NEGATIVES in tiers:
        chosen += [(NEGATIVES, k) for k in REAL_KINDS if not kinds or k in kinds]
    return [
        Spec(source="real", pair=pair.name, tier=t, kind=k, seed=seed, size=size)
        for t, k in chosen
        for pair in pairs
    ]


class Maker:
    """Makes trials; keeps the real pairs it was given or has read."""

    def __init__(self, data: Path | None) -> None:
        self._data = data
        self._pairs: dict[str, list[RealPair]] = {}

    def make(self, spec: Spec) -> Trial | None:
        """The trial of that name; None where its pair leaves no room for it.

        Raises:
            UsageError: its pair is not in the folder of real pairs.
        """
        if spec.source == "real":
            return self._make_real(spec)
        if spec.tier in TIERS:
            return positive(spec.tier, spec.size, spec.seed)
        if spec.kind in _ambiguous.CODES:
            return _ambiguous.ambiguous(spec.kind, spec.size, spec.seed)
        return negative(spec.kind, spec.size, spec.seed)

    def _make_real(self, spec: Spec) -> Trial | None:
        pairs = self._sized(spec.size)
        pair = next((p for p in pairs if p.name == spec.pair), None)
        if pair is None:
            raise UsageError(f"no pair {spec.pair!r}", str(self._data), "check --data")
        if spec.tier != NEGATIVES:
            return throw(pair, spec.tier, spec.seed)
        rng = np.random.default_rng([spec.seed, 78, sum(pair.name.encode())])
        tier = ("session", "wild")[int(rng.integers(2))]
        if spec.kind == "other-field":
            return throw_beside(pair, tier, spec.seed + 700_000)
        others = [p for p in pairs if not are_related(pair, p)]
        if not others:
            return None
        # by lot of the same kind (retina on retina), which looks more alike
        alike = [p for p in others if p.kind == pair.kind]
        pool = alike if alike and rng.random() < 0.5 else others
        other = pool[int(rng.integers(len(pool)))]
        return throw_elsewhere(pair, other, tier, spec.seed + 500_000)

    def _sized(self, size: str) -> list[RealPair]:
        if size not in self._pairs:
            pairs = pairs_in(self._data)
            if size == "small":
                pairs = [pair.reduced(SMALL_LM_PX) for pair in pairs]
            self._pairs[size] = pairs
        return self._pairs[size]
