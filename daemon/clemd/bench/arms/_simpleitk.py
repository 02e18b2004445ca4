"""SimpleITK: Mattes mutual information, affine, from one start or from many."""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, middle_of
from clemd.model import Matrix

from ._arm import ArmResult, Image
from ._start import at_lm_pixels, centre_on_centre, ratio_or_equal_fields

STARTS = 24
BINS = 32
SAMPLING = 0.2
ITERATIONS = 100
SHRINK = (4, 2, 1)
SMOOTH_PX = (2.0, 1.0, 0.0)
DESCENT = (
    f"pyramid {'/'.join(map(str, SHRINK))}, {SAMPLING:.0%} of the pixels, at most "
    f"{ITERATIONS} steps a level"
)
MEASURE = f"Mattes mutual information, {BINS} bins, affine"


@dataclass(frozen=True, slots=True, kw_only=True)
class SimpleItkArm:
    """The EM image at the LM's pixel size, centre on centre; the best metric wins."""

    name: str
    rotations: int
    """Equal steps around the circle, the first unturned."""
    mirrors: tuple[bool, ...]
    package: str | None = "SimpleITK"

    @property
    def summary(self) -> str:
        """Its settings in one line."""
        starts = (
            f"{self.rotations} rotations x {len(self.mirrors)} mirrors"
            if self.rotations > 1
            else "single start"
        )
        return f"{MEASURE}, {starts}, {DESCENT}"

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """See `Arm.register`."""
        sitk = load_simpleitk()
        began = time.perf_counter()
        used, note = ratio_or_equal_fields(em.shape, lm.shape, ratio)
        ends = []
        for mirrored in self.mirrors:
            small, small_from_em = at_lm_pixels(em, used, mirrored=mirrored)
            starts = rotations(small.shape, lm.shape, self.rotations)
            # ITK takes seed 0 for the clock
            metric, matrix = best_descent(
                sitk, small, lm, starts, threads=threads, seed=seed + 1
            )
            ends.append((metric, compose(matrix, small_from_em)))
        metric, em_to_lm = min(ends, key=lambda end: end[0])
        lost = not math.isfinite(metric)
        return ArmResult(
            em_to_lm=None if lost else em_to_lm,
            seconds=time.perf_counter() - began,
            note="no start led anywhere" if lost else note,
        )


def load_simpleitk() -> Any:
    """The optional package."""
    return importlib.import_module("SimpleITK")


def rotations(small_shape: Any, lm_shape: Any, count: int = STARTS) -> list[Matrix]:
    """Centre on centre, turned in `count` equal steps."""
    return [
        centre_on_centre(small_shape, lm_shape, 360.0 * turn / count)
        for turn in range(count)
    ]


def best_descent(
    sitk: Any,
    small: NDArray[np.float32],
    lm: NDArray[Any],
    starts: Iterable[Matrix],
    *,
    threads: int,
    seed: int,
) -> tuple[float, Matrix]:
    """The lowest metric over `starts` and its matrix, `small` px -> `lm` px.

    The metric is infinite where every start walked off the map.
    """
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    fixed = sitk.GetImageFromArray(small)
    moving = sitk.GetImageFromArray(lm.astype(np.float32))
    ends = [_descend(sitk, fixed, moving, start, seed) for start in starts]
    return min(ends, key=lambda end: end[0])


def _descend(
    sitk: Any, fixed: Any, moving: Any, start: Matrix, seed: int
) -> tuple[float, Matrix]:
    """Follow the metric from `start`; how well it fits where it ends, and where."""
    transform = _affine_at(sitk, start, fixed.GetSize()[::-1])
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLING, seed)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0,
        minStep=1e-3,
        numberOfIterations=ITERATIONS,
        gradientMagnitudeTolerance=1e-8,
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel(SHRINK)
    method.SetSmoothingSigmasPerLevel(SMOOTH_PX)
    method.SetInitialTransform(transform, inPlace=True)
    try:
        method.Execute(fixed, moving)
    except RuntimeError:
        # it walked off the map: to ITK an error, to us a start that led nowhere
        return math.inf, _matrix_of(transform)
    return float(method.GetMetricValue()), _matrix_of(transform)


def _affine_at(sitk: Any, start: Matrix, shape: tuple[int, int]) -> Any:
    """`start` as an ITK affine transform about the middle of the fixed image."""
    transform = sitk.AffineTransform(2)
    centre = np.array(middle_of(shape))
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(start[:2, :2].ravel().tolist())
    shift = start[:2, :2] @ centre + start[:2, 2] - centre
    transform.SetTranslation(shift.tolist())
    return transform


def _matrix_of(transform: Any) -> Matrix:
    """The 3x3 of an ITK affine transform: y = A (x - c) + t + c."""
    linear = np.array(transform.GetMatrix(), np.float64).reshape(2, 2)
    centre = np.array(transform.GetCenter(), np.float64)
    shift = np.array(transform.GetTranslation(), np.float64) + centre - linear @ centre
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, shift
    return matrix
