"""Faults of a device, one at a time, in whole registrations.

A pair is registered on the pretended device, whose operations are counted. Then it is
registered once more; at operations drawn at random the process forks, and in the child
the result of that one operation is made wrong (or of that one and of every such
operation after it: a device that stays broken). The child goes on to the end, with all
checks that stand before publication, and tells what would have been published. What
comes before a fault is computed once for all faults of a pair; after a fault that does
not stay nobody looks at single operations any more, so the child computes without
the pretence (`PretendDevice.release`), the same numbers in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from clemd.errors import RegistrationRefusedError, WrongResultError
from clemd.geometry import as_matrix, corner_errors
from clemd.model import PosePrior, PreparedImage, Registration, Verdict
from clemd.preparing import prepare
from clemd.registration import (
    EngineContext,
    engine_named,
    noting,
    recheck,
    use_threads,
)

from . import _specimens
from ._fault_kinds import KINDS
from ._forking import Forking, Watcher
from .pretend_device import PretendDevice

TIERS = ("session", "wild", "clean", "noisy")
MOVED_LM_PX = 0.1
"""A fault that moves the matrix by more has done something."""
NONE = "none"
"""No fault at all."""
STAYS = 0.25
"""Share of faults that stay from then on."""
_UNKNOWN: dict[str, Any] = {
    "moved_lm_px": None,
    "error_lm_px": None,
    "noticed": "",
    "said": "",
}
_UNDISTURBED: dict[str, Any] = {
    "kind": NONE,
    "stays": False,
    "operation": -1,
    "name": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one registration with one fault."""

    seed: int
    tier: str
    kind: str
    stays: bool
    operation: int
    """Which one of the registration's."""
    name: str
    operations: int
    """How many it has without a fault."""
    end: str
    """`accepted`, `review`, `rejected`, `failed` (an exception ended the worker), or
    `stopped` (noticed, and not followed to its end)."""
    noticed: str
    """What the checks said first; empty where they said nothing."""
    moved_lm_px: float | None
    """Largest corner's distance from the undisturbed result; None without a matrix."""
    error_lm_px: float | None
    """... from the truth."""
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One simulated pair, prepared."""

    seed: int
    tier: str
    em: PreparedImage
    lm: PreparedImage
    prior: PosePrior
    truth: Any


def pair_of(seed: int) -> Pair:
    """The pair of that seed; the tiers take turns."""
    tier = TIERS[seed % len(TIERS)]
    trial = _specimens.positive(tier, "small", seed)
    return Pair(
        seed=seed,
        tier=tier,
        em=prepare([trial.em], reduction=trial.ratio),
        lm=prepare([trial.lm], reduction=1.0),
        prior=PosePrior(pixel_size_ratio=trial.ratio, mirror=trial.mirror),
        truth=trial.em_to_lm,
    )


def answer(pair: Pair, watcher: Watcher) -> tuple[Registration, str]:
    """A registration on the pretended device, and what the checks say of it first."""
    context = EngineContext(device=PretendDevice.NAME, seed=pair.seed)
    engine = engine_named("multimodal")
    with PretendDevice(fault=watcher) as device:
        with noting() as notes:
            watcher.device, watcher.notes = device, notes
            found = engine.register(pair.em, pair.lm, pair.prior, context)
        try:
            found = recheck(pair.em, pair.lm, found)
        except WrongResultError as wrong:
            notes.append(str(wrong))
    return found, notes[0] if notes else ""


def faults_of(pair: Pair, count: int) -> Iterator[Outcome]:
    """One registration without a fault, and `count` with one.

    Fewer where a kind cannot be; none where the pair is not accepted without a fault.
    """
    use_threads(1)  # a fork takes no threads along
    counter = Watcher()
    told, clean = _ended(pair, counter)
    yield Outcome(
        seed=pair.seed,
        tier=pair.tier,
        operations=counter.count,
        **(_UNKNOWN | _UNDISTURBED | told),
    )
    if clean is None or clean.verdict is not Verdict.ACCEPTED:
        return
    rng = np.random.default_rng([pair.seed, 6])
    kinds = list(KINDS)
    at = {
        int(place): (kinds[int(rng.integers(len(kinds)))], bool(rng.random() < STAYS))
        for place in rng.choice(counter.count, size=count, replace=False)
    }
    forking = Forking(at, rng, counter.count)
    told, _ = _ended(pair, forking, clean)
    if forking.child is not None:
        forking.child.end(told)
    for heard in forking.heard:
        yield Outcome(
            seed=pair.seed,
            tier=pair.tier,
            operations=counter.count,
            **(_UNKNOWN | heard),
        )


def _ended(
    pair: Pair, watcher: Watcher, clean: Registration | None = None
) -> tuple[dict[str, Any], Registration | None]:
    """How a registration on the pretended device ended, and its result."""
    try:
        found, noticed = answer(pair, watcher)
    except RegistrationRefusedError as refused:
        return {"end": "rejected", "said": str(refused)}, None
    except Exception as failed:  # noqa: BLE001 - a worker that ends so is recycled
        return {"end": "failed", "said": f"{type(failed).__name__}: {failed}"}, None
    told = _told(pair, clean or found, found)
    return told | {"noticed": noticed}, found


def _told(pair: Pair, clean: Registration, found: Registration) -> dict[str, Any]:
    shape = pair.em.full_shape
    if found.em_to_lm is None or clean.em_to_lm is None:
        return {"end": found.verdict.value}
    matrix = as_matrix(found.em_to_lm)
    undisturbed = as_matrix(clean.em_to_lm)
    if not (np.isfinite(matrix).all() and np.isfinite(undisturbed).all()):
        return {"end": found.verdict.value, "said": "not a number"}
    return {
        "end": found.verdict.value,
        "moved_lm_px": float(corner_errors(matrix, undisturbed, shape).max()),
        "error_lm_px": float(corner_errors(matrix, pair.truth, shape).max()),
    }
