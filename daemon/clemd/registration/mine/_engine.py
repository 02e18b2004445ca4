"""`mine`: start, learn, settle, and have it judged by witnesses of another kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from clemd.geometry import middle_of
from clemd.model import (
    Matrix,
    PosePrior,
    PreparedImage,
    Registration,
    Timing,
    TransformModel,
    Verdict,
)
from clemd.registration._engine import EngineContext
from clemd.registration._finding import CHECK, QUICK, find, narrowed
from clemd.registration._images import Images
from clemd.registration._judging import (
    NO_PLACE,
    Rivals,
    judged,
    nowhere,
    registration_of,
)
from clemd.registration._limits import keeping_limits
from clemd.registration._sharpening import nearest_similarity

from ._checkpoint import as_bytes, from_bytes, key_of
from ._climb import Climb, Rates, Settings
from ._estimate import STABLE
from ._grids import Grids, centre_on_centre, check_size, grids_of
from ._learning import Learning, Schedule
from ._memory import NETWORKS, Learned, Networks
from ._network import Arrays, take_weights, weights_of
from ._pose import EIGHT
from ._settling import LEAST_OVERLAP, Settled, settle

SETTINGS = Settings(
    generators=EIGHT,
    estimate=STABLE,
    rates=Rates(network=2e-3, pose=2e-3),
    batch=512,
)
SCHEDULE = Schedule(most=400)
STILL_GOOD = 0.6
"""A network that is used again must reach this share of the bound it once reached."""


class MineEngine:
    """Mutual information by a network that learns on the pair itself."""

    name = "mine"
    version = "1"

    def __init__(
        self,
        *,
        start: Literal["found", "centre"] = "found",
        networks: Networks | None = NETWORKS,
        settings: Settings = SETTINGS,
        schedule: Schedule = SCHEDULE,
    ) -> None:
        """Where to start, and what to remember.

        `start="centre"` lays centre on centre, unturned, as published: it reaches no
        further than the published method does. `networks` are kept between pairs; None
        keeps none.
        """
        self._start = start
        self._networks = networks
        self._settings = settings
        self._schedule = schedule

    def register(
        self,
        em: PreparedImage,
        lm: PreparedImage,
        prior: PosePrior,
        context: EngineContext,
    ) -> Registration:
        """Lay `em` on `lm`: see the package's text.

        Raises:
            RegistrationRefusedError: an image is smaller than the pyramid, or a limit
                is reached.
        """
        began = time.perf_counter()
        context = keeping_limits(context)
        images = Images(em, lm, torch.device(context.device))
        check_size(images, prior)
        start, rivals = self._started(images, prior, context)
        searched = time.perf_counter()
        if start is None:
            spent = Timing(search=searched - began, total=searched - began)
            return nowhere(self, context, spent, NO_PLACE)
        climbed = self._climbed(images, start, context)
        refined = time.perf_counter()
        if climbed.overlap < LEAST_OVERLAP / 2 or not np.isfinite(climbed.matrix).all():
            spent = Timing(
                search=searched - began,
                refine=refined - searched,
                total=refined - began,
            )
            return nowhere(self, context, spent, "the climb has left the map")
        seen = judged(
            images,
            climbed.matrix,
            prior,
            context,
            model=climbed.model,
            rivals=rivals,
        )
        seen = replace(seen, evidence=seen.evidence | climbed.evidence())
        spent = Timing(
            search=searched - began,
            refine=refined - searched,
            total=time.perf_counter() - began,
        )
        found = registration_of(seen, images, self, context, spent)
        if found.verdict is Verdict.ACCEPTED and self._networks is not None:
            learned = Learned(weights=climbed.weights, nats=climbed.learned_nats)
            self._networks.put(lm.label, learned)
        return found

    def _started(
        self, images: Images, prior: PosePrior, context: EngineContext
    ) -> tuple[Matrix | None, Rivals | None]:
        """Where the climb begins; a short search of `multimodal` says so."""
        if self._start == "centre":
            return centre_on_centre(images, prior), None
        effort, known = QUICK, prior
        if prior.only_expected and prior.expected is not None:
            effort, known = CHECK, narrowed(prior, images.em.full_shape)
        with torch.inference_mode():
            poses, candidates, _ = find(images, known, effort, context)
        if not poses:
            return None, None
        middle = middle_of(images.em.full_shape)
        return nearest_similarity(poses[0].matrix, middle), Rivals(poses, candidates)

    def _climbed(
        self, images: Images, start: Matrix, context: EngineContext
    ) -> _Climbed:
        grids = grids_of(images, start)
        levels = [
            level.to(images.device) for level in grids.levels(start, context.seed)
        ]
        climb = Climb(levels, self._settings, context.seed)
        known = None if self._networks is None else self._networks.get(images.lm.label)
        if known is not None:
            take_weights(climb.network, known.weights)
            settled = settle(climb.network, levels, np.zeros(len(EIGHT)))
            if settled.nats >= STILL_GOOD * known.nats:
                return _Climbed.of(climb, grids, start, settled, known.nats, 0)
            climb = Climb(levels, self._settings, context.seed)
        learning = self._learned(climb, images, start, context)
        settled = settle(climb.network, levels, climb.vector)
        return _Climbed.of(
            climb, grids, start, settled, settled.nats, learning.iterations
        )

    def _learned(
        self, climb: Climb, images: Images, start: Matrix, context: EngineContext
    ) -> Learning:
        """Learn, from a checkpoint if there is one."""
        learning = Learning(climb, self._schedule)
        store = context.checkpoints
        key = key_of(
            (images.em, images.lm),
            start,
            f"{self.name} {self.version} {context.seed} {context.device}",
            f"{self._schedule} {self._settings.rates} {self._settings.batch}",
            f"{self._settings.estimate} {torch.__version__}",
        )
        kept = None if store is None else store.load(key)
        state = None if kept is None else from_bytes(kept)
        if state is not None:
            learning.resume(state)

        def keep(arrays: Arrays) -> None:
            if store is not None:
                store.save(key, as_bytes(arrays))

        learning.run(lambda: context.breathe("refine"), keep)
        if store is not None:
            store.drop(key)
        return learning


@dataclass(frozen=True, slots=True, kw_only=True)
class _Climbed:
    """What the climb came to."""

    matrix: Matrix
    model: TransformModel
    weights: Arrays
    nats: float
    learned_nats: float
    held_out_nats: float
    overlap: float
    iterations: int

    @classmethod
    def of(
        cls,
        climb: Climb,
        grids: Grids,
        start: Matrix,
        settled: Settled,
        learned_nats: float,
        iterations: int,
    ) -> _Climbed:
        climb.put(settled.vector)
        return cls(
            matrix=grids.moved(start, climb.matrix()),
            model=settled.model,
            weights=weights_of(climb.network),
            nats=settled.nats,
            learned_nats=learned_nats,
            held_out_nats=max(climb.held_out(), 0.0),  # none there: no number
            overlap=climb.overlap(),
            iterations=iterations,
        )

    def evidence(self) -> dict[str, float]:
        """For the report; the verdict does not hear it."""
        return {
            "mine_nats": self.nats,
            "mine_held_out_nats": self.held_out_nats,
            "mine_overlap": self.overlap,
            "mine_iterations": float(self.iterations),
        }
