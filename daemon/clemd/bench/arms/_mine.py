"""DRMIME at its 500 iterations, and TFUDL-CLEM's 87,000 by the iteration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, invert, middle_of, similarity
from clemd.model import Matrix

from ._arm import ArmResult, Image
from ._start import opencv_threads, ratio_or_equal_fields, resized

if TYPE_CHECKING:  # torch loads for those who run an arm that needs it
    from clemd.registration.mine import Climb, Estimate, Sampling

DRMIME_ITERATIONS = 500
DRMIME_LONGEST_PX = 256
TFUDL_ITERATIONS = 87_000
DRMIME_RATES = (1e-3, 5e-3, 1e-4)
TFUDL_RATES = (1e-5, 5e-4, 1e-5)
"""Of the network, of the vector that all levels share, of the finest level's own."""
PER_AXIS = False
"""One unit is half of each side, as published."""
_PROCEDURE = "6 levels, Canny edges, network 2-100-100-1, Adam"


@dataclass(frozen=True, slots=True, kw_only=True)
class DrmimeArm:
    """Every iteration is really run; begins centre on centre, unturned."""

    name: str = "drmime-500"
    package: str | None = None
    iterations: int = DRMIME_ITERATIONS
    longest_px: int = DRMIME_LONGEST_PX

    @property
    def summary(self) -> str:
        """Its settings in one line."""
        return (
            f"own writing of DRMIME: {self.iterations} iterations, EM at most "
            f"{self.longest_px} px, {_PROCEDURE} 1e-3 / 5e-3 / 1e-4"
        )

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """See `Arm.register`."""
        import clemd.registration.mine  # noqa: F401 - torch loads, not on its time

        began = time.perf_counter()
        used, note = ratio_or_equal_fields(em.shape, lm.shape, ratio)
        with _torch_threads(threads), opencv_threads(threads):
            frames = equal_frames(em, lm, used, self.longest_px)
            climb = published_climb(frames, DRMIME_RATES, seed)
            for _ in range(self.iterations):
                climb.step()
            em_to_lm = frames.em_to_lm(climb.matrix())
        is_sound = bool(np.isfinite(em_to_lm).all())
        return ArmResult(
            em_to_lm=em_to_lm if is_sound else None,
            seconds=time.perf_counter() - began,
            note=note if is_sound else "diverged",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TfudlArm:
    """A few iterations at the EM image's full size are timed; no matrix comes of it.

    Needs about 3 GB of memory where a level has a million samples or more.
    """

    name: str = "tfudl"
    package: str | None = None
    timed: int = 20
    """Iterations whose median is taken."""
    warm_up: int = 2

    @property
    def summary(self) -> str:
        """Its settings in one line."""
        return (
            f"own writing of TFUDL-CLEM: {TFUDL_ITERATIONS:,} x the median of "
            f"{self.timed} iterations at full EM size, {_PROCEDURE} "
            "1e-5 / 5e-4 / 1e-5; time only"
        )

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """See `Arm.register`; `seconds` is what 87,000 iterations would take."""
        used, assumed = ratio_or_equal_fields(em.shape, lm.shape, ratio)
        with _torch_threads(threads), opencv_threads(threads):
            frames = equal_frames(em, lm, used, max(em.shape))
            climb = published_climb(frames, TFUDL_RATES, seed)
            times_s = [
                _seconds_of(climb.step) for _ in range(self.warm_up + self.timed)
            ]
        each_s = median(times_s[self.warm_up :])
        note = f"{each_s:.3g} s an iteration x {TFUDL_ITERATIONS:,}; no pose"
        return ArmResult(
            em_to_lm=None,
            seconds=TFUDL_ITERATIONS * each_s,
            note=f"{note}; {assumed}" if assumed else note,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Frames:
    """Two images of one shape and pixel size, as the method demands them."""

    fixed: NDArray[np.float32]
    """The EM image."""
    moving: NDArray[np.float32]
    """The LM, its centre on the EM's, grey where it ends."""
    fixed_from_em: Matrix
    lm_from_moving: Matrix

    def em_to_lm(self, moving_from_fixed: Matrix) -> Matrix:
        """EM px -> LM px, of a matrix between -1..1 and -1..1."""
        from clemd.registration.mine import unit_from_px

        unit = unit_from_px(self.fixed.shape, isotropic=PER_AXIS)
        return compose(
            self.lm_from_moving,
            invert(unit),
            moving_from_fixed,
            unit,
            self.fixed_from_em,
        )


def equal_frames(em: Image, lm: Image, ratio: float, longest_px: int) -> Frames:
    """The EM image on at most `longest_px`, and the LM brought onto its frame."""
    share = min(1.0, longest_px / max(em.shape))
    shape = (max(1, round(em.shape[0] * share)), max(1, round(em.shape[1] * share)))
    fixed, fixed_from_em = resized(em, shape)
    lm_px_per_px = em.shape[1] / shape[1] / ratio
    shrink = max(1.0, lm_px_per_px)  # means of areas first: linear reading would alias
    seen, seen_from_lm = resized(
        lm, (max(1, round(lm.shape[0] / shrink)), max(1, round(lm.shape[1] / shrink)))
    )
    lm_from_moving = similarity(
        scale=lm_px_per_px,
        rotation_deg=0.0,
        about=middle_of(shape),
        onto=middle_of(lm.shape),
    )
    moving = cv2.warpPerspective(
        seen,
        compose(seen_from_lm, lm_from_moving),
        shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderValue=float(lm.mean()),
    )
    return Frames(
        fixed=fixed,
        moving=np.asarray(moving, np.float32),
        fixed_from_em=fixed_from_em,
        lm_from_moving=lm_from_moving,
    )


def published_climb(
    frames: Frames,
    rates: tuple[float, float, float],
    seed: int,
    *,
    sampling: Sampling | None = None,
    estimate: Estimate | None = None,
) -> Climb:
    """The published procedure on two equal frames; `rates` of network, pose, finest."""
    from clemd.registration import mine

    network, pose, finest = rates
    settings = mine.Settings(
        generators=mine.SIX,
        estimate=estimate or mine.PLAIN,
        rates=mine.Rates(network=network, pose=pose, finest=finest),
    )
    levels = mine.levels_of(
        mine.Plane(grey=frames.fixed),
        mine.Plane(grey=frames.moving),
        np.eye(3),
        sampling or mine.PUBLISHED,
    )
    return mine.Climb(levels, settings, seed)


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    """Torch uses as many as it is told, and afterwards as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds_of(act: Callable[[], None]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began
