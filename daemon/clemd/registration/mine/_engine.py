"""`mine`: start, learn, settle, and have it judged by witnesses of another kind."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from clemd.errors import RegistrationRefusedError
from clemd.geometry import compose, invert, resizing, similarity
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
from clemd.registration._images import Images, middle_of
from clemd.registration._judging import Rivals, judged, nowhere, registration_of
from clemd.registration._limits import keeping_limits
from clemd.registration._sharpening import nearest_similarity
from clemd.registration._witnesses import grey_and_valid

from ._checkpoint import as_bytes, from_bytes, key_of
from ._climb import Climb, Rates, Settings
from ._estimate import STABLE
from ._learning import Learning, Schedule
from ._memory import NETWORKS, Learned, Networks
from ._network import Arrays, take_weights, weights_of
from ._pose import EIGHT
from ._sampling import Plane, Sampling, levels_of, unit_from_px
from ._settling import Settled, settle

FINEST_EM_PX, FINEST_LM_PX = 420, 1400
"""EM side and longest map side of the finest level."""
SAMPLING = Sampling(
    levels=5,
    least_side_px=24,
    most=40_000,
    permuted=True,
    held_out=0.2,
    isotropic=True,
)
SETTINGS = Settings(
    generators=EIGHT,
    estimate=STABLE,
    rates=Rates(network=2e-3, pose=2e-3),
    batch=512,
)
SCHEDULE = Schedule(most=400)
LEAST_LEVELS = 2
STILL_GOOD = 0.6
"""A network that is used again must reach this share of the bound it once reached."""


@dataclass(frozen=True, slots=True)
class _Grids:
    """Both images on the finest level, and the matrices that took them there."""

    em: Plane
    lm: Plane
    em_from_full: Matrix
    lm_from_full: Matrix
    unit: Matrix
    """Px of the EM level -> units of the movement."""

    def inner(self, em_to_lm: Matrix) -> Matrix:
        """Images as stored -> the finest level's grids."""
        return compose(self.lm_from_full, em_to_lm, invert(self.em_from_full))

    def moved(self, em_to_lm: Matrix, movement: Matrix) -> Matrix:
        """`em_to_lm` after a movement, in units, of the EM image."""
        in_px = compose(invert(self.unit), movement, self.unit)
        full = compose(invert(self.em_from_full), in_px, self.em_from_full)
        matrix = compose(em_to_lm, full)
        return np.asarray(matrix / matrix[2, 2])


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
        start, rivals = self._started(images, prior, context)
        searched = time.perf_counter()
        if start is None:
            spent = Timing(search=searched - began, total=searched - began)
            reason = "no placement with enough overlap has any structure in common"
            return nowhere(self, context, spent, reason)
        climbed = self._climbed(images, start, context)
        refined = time.perf_counter()
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
            return _centre_on_centre(images, prior), None
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
        grids = _grids(images, start)
        levels = [
            level.to(images.device)
            for level in levels_of(
                grids.em, grids.lm, grids.inner(start), SAMPLING, context.seed
            )
        ]
        if len(levels) < LEAST_LEVELS:
            height, width = grids.em.grey.shape
            raise RegistrationRefusedError(
                f"the EM field is {width} x {height} px at the map's resolution, "
                f"smaller than the pyramid of `mine`, which needs "
                f"{LEAST_LEVELS * SAMPLING.least_side_px} px a side: use "
                "multimodal, or a map of finer pixels"
            )
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
        grids: _Grids,
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
            held_out_nats=climb.held_out(),
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


def _centre_on_centre(images: Images, prior: PosePrior) -> Matrix:
    em, lm = images.em.full_shape, images.lm.full_shape
    ratio = prior.pixel_size_ratio
    if ratio is None:  # fields of one area
        ratio = float(np.sqrt(em[0] * em[1] / (lm[0] * lm[1])))
    return similarity(
        scale=1 / ratio,
        rotation_deg=0.0,
        mirrored=bool(prior.mirror),
        about=middle_of(em),
        onto=middle_of(lm),
    )


def _grids(images: Images, start: Matrix) -> _Grids:
    """Both images at the pitch of the finest level."""
    scale = float(np.sqrt(abs(np.linalg.det(start[:2, :2]))))
    pitch = images.reduction(1 / scale, FINEST_EM_PX, FINEST_LM_PX)
    em, em_from_full = _plane(images.em, pitch / scale)
    lm, lm_from_full = _plane(images.lm, pitch)
    return _Grids(
        em,
        lm,
        em_from_full,
        lm_from_full,
        unit_from_px(em.grey.shape, isotropic=SAMPLING.isotropic),
    )


def _plane(image: PreparedImage, reduction: float) -> tuple[Plane, Matrix]:
    """The mean layer at `reduction` px as stored, and the matrix that took it there."""
    height, width = image.mask.shape
    per_full = float(np.sqrt(abs(np.linalg.det(image.from_full[:2, :2]))))
    factor = max(reduction * per_full, 0.25)
    shape = (max(8, round(height / factor)), max(8, round(width / factor)))
    grey, valid = grey_and_valid(image, shape, torch.device("cpu")).numpy()
    plane = Plane(grey=np.asarray(grey), valid=np.asarray(valid > 0.99))
    grid = resizing((height, width), shape)
    return plane, compose(grid, image.from_full)
