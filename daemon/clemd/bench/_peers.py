"""What a user of SimpleITK would do with the same pair, timed in the same run.

Mattes mutual information, affine, from 24 rotations, coarse to fine. The peer is
helped where an expert could help it: the EM image comes at the LM's pixel size and
without its info bar, the side it lies on (mirrored or not) is told, and reading the
files is not counted.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, invert, mirroring, resizing, similarity
from clemd.model import Matrix

STARTS = 24
BINS = 32
SAMPLING = 0.2
ITERATIONS = 100
SHRINK = (4, 2, 1)
SMOOTH_PX = (2.0, 1.0, 0.0)
SETTINGS = (
    f"Mattes mutual information, {BINS} bins, affine, {STARTS} rotations, pyramid "
    f"{'/'.join(map(str, SHRINK))}, {SAMPLING:.0%} of the pixels, at most "
    f"{ITERATIONS} steps a level"
)
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """What the peer found, and how long it took."""

    em_to_lm: Matrix
    metric: float
    seconds: float


def has_simpleitk() -> bool:
    """Is the optional peer installed?"""
    return importlib.util.find_spec("SimpleITK") is not None


def register_by_mutual_information(
    em: NDArray[Any],
    lm: NDArray[Any],
    *,
    ratio: float,
    info_bar_rows: int,
    mirrored: bool,
    threads: int,
    start: Matrix | None = None,
) -> PeerResult:
    """The best of 24 registrations by SimpleITK.

    Args:
        em: (height, width) as stored.
        lm: (height, width), the channel that shows structure.
        ratio: LM / EM pixel size as the files state it.
        info_bar_rows: rows at the bottom of `em` that are not specimen.
        mirrored: whether EM and LM show the specimen from opposite sides.
        threads: how many it may use.
        start: EM px -> LM px to start from instead of the 24 rotations.
    """
    sitk = importlib.import_module("SimpleITK")
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    began = time.perf_counter()
    small, small_from_em = _shrunk(em[: em.shape[0] - info_bar_rows], ratio, mirrored)
    if start is None:
        starts = _rotations(small.shape, lm.shape)
    else:
        starts = [compose(start, invert(small_from_em))]
    fixed = sitk.GetImageFromArray(small)
    moving = sitk.GetImageFromArray(lm.astype(np.float32))
    found = [_descend(sitk, fixed, moving, matrix) for matrix in starts]
    metric, lm_from_small = min(found, key=lambda one: one[0])
    return PeerResult(
        em_to_lm=compose(lm_from_small, small_from_em),
        metric=metric,
        seconds=time.perf_counter() - began,
    )


def _rotations(small_shape: tuple[int, ...], lm_shape: tuple[int, ...]) -> list[Matrix]:
    """Centre on centre, turned in equal steps."""
    return [
        similarity(
            scale=1.0,
            rotation_deg=360.0 * turn / STARTS,
            mirrored=False,
            about=_middle(small_shape),
            onto=_middle(lm_shape),
        )
        for turn in range(STARTS)
    ]


def _middle(shape: tuple[int, ...]) -> tuple[float, float]:
    return (shape[1] - 1) / 2, (shape[0] - 1) / 2


def _shrunk(
    em: NDArray[Any], ratio: float, mirrored: bool
) -> tuple[NDArray[np.float32], Matrix]:
    """The EM image at the LM's pixel size, and the matrix that took it there."""
    height, width = em.shape
    shape = (max(1, round(height / ratio)), max(1, round(width / ratio)))
    small = cv2.resize(
        em.astype(np.float32), (shape[1], shape[0]), interpolation=cv2.INTER_AREA
    )
    matrix = resizing((height, width), shape)
    if mirrored:
        small = np.ascontiguousarray(small[:, ::-1])
        matrix = compose(mirroring(shape[1]), matrix)
    return np.asarray(small, np.float32), matrix


def _descend(sitk: Any, fixed: Any, moving: Any, start: Matrix) -> tuple[float, Matrix]:
    """Follow the metric from `start`; where it ends and how well it fits there."""
    transform = sitk.AffineTransform(2)
    width, height = fixed.GetSize()
    centre = np.array(_middle((height, width)))
    transform.SetCenter(centre.tolist())
    transform.SetMatrix(start[:2, :2].ravel().tolist())
    shift = start[:2, :2] @ centre + start[:2, 2] - centre
    transform.SetTranslation(shift.tolist())
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLING, _SEED)
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


def _matrix_of(transform: Any) -> Matrix:
    """The 3x3 of an ITK affine transform: y = A (x - c) + t + c."""
    linear = np.array(transform.GetMatrix(), np.float64).reshape(2, 2)
    centre = np.array(transform.GetCenter(), np.float64)
    shift = np.array(transform.GetTranslation(), np.float64) + centre - linear @ centre
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = linear, shift
    return matrix
