"""itk-elastix: its default parameter maps, similarity and then affine."""

from __future__ import annotations

import functools
import importlib
import math
import time
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose, middle_of, translation
from clemd.model import Matrix

from ._arm import ArmResult, Image
from ._start import at_lm_pixels, ratio_or_equal_fields

RESOLUTIONS = 4
STAGES = (("rigid", "SimilarityTransform"), ("affine", "AffineTransform"))
"""Default map of elastix and the transform it is run with, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ElastixArm:
    """The EM image at the LM's pixel size, centre on centre, unturned."""

    name: str = "elastix"
    package: str | None = "itk.ElastixPython"
    summary: str = (
        "similarity, then affine; Mattes mutual information, default maps: "
        f"{RESOLUTIONS} resolutions x 256 steps, 2048 samples; single start"
    )

    def register(
        self, em: Image, lm: Image, *, ratio: float | None, threads: int, seed: int
    ) -> ArmResult:
        """See `Arm.register`."""
        with warnings.catch_warnings():
            # its wrappers load themselves piecemeal and crash where warnings raise
            warnings.simplefilter("ignore")
            itk = _load()
            began = time.perf_counter()
            used, note = ratio_or_equal_fields(em.shape, lm.shape, ratio)
            small, small_from_em = at_lm_pixels(em, used)
            try:
                found = _register(itk, small, lm.astype(np.float32), threads, seed)
            except RuntimeError:
                # too few samples on the map: to elastix an error
                return ArmResult(
                    em_to_lm=None,
                    seconds=time.perf_counter() - began,
                    note="gave up: too few samples on the map",
                )
        return ArmResult(
            em_to_lm=compose(found, small_from_em),
            seconds=time.perf_counter() - began,
            note=note,
        )


@functools.cache
def _load() -> Any:
    """The package with all its wrappers: that takes many seconds, once."""
    itk = importlib.import_module("itk")
    speck = itk.GetImageFromArray(np.zeros((2, 2), np.float32))
    itk.ElastixRegistrationMethod.New(speck, speck)
    itk.ParameterObject.New()
    return itk


def _register(
    itk: Any,
    small: NDArray[np.float32],
    lm: NDArray[np.float32],
    threads: int,
    seed: int,
) -> Matrix:
    """`small` px -> `lm` px."""
    method = itk.ElastixRegistrationMethod.New(_centred(itk, small), _centred(itk, lm))
    method.SetParameterObject(_parameters(itk, seed))
    method.SetNumberOfThreads(threads)
    method.SetLogToConsole(False)
    method.SetLogToFile(False)
    method.UpdateLargestPossibleRegion()
    found = method.GetTransformParameterObject()
    stages = [_matrix_of(found.GetParameterMap(i)) for i in range(len(STAGES))]
    # elastix composes: the first stage acts first
    return compose(
        translation(*middle_of(lm.shape)),
        *reversed(stages),
        translation(*(-v for v in middle_of(small.shape))),
    )


def _centred(itk: Any, image: NDArray[np.float32]) -> Any:
    """An ITK image whose middle is the origin."""
    made = itk.GetImageFromArray(image)
    made.SetOrigin([-v for v in middle_of(image.shape)])
    return made


def _parameters(itk: Any, seed: int) -> Any:
    parameters = itk.ParameterObject.New()
    for default, transform in STAGES:
        stage = parameters.GetDefaultParameterMap(default, RESOLUTIONS)
        stage["Transform"] = (transform,)
        stage["AutomaticTransformInitialization"] = ("false",)
        stage["RandomSeed"] = (str(seed + 1),)
        stage["WriteResultImage"] = ("false",)
        parameters.AddParameterMap(stage)
    return parameters


def _matrix_of(stage: Any) -> Matrix:
    """The 3x3 of one stage: y = A (x - c) + t + c."""
    values = [float(v) for v in stage["TransformParameters"]]
    if stage["Transform"][0] == "SimilarityTransform":
        size, angle = values[0], values[1]
        c, s = size * math.cos(angle), size * math.sin(angle)
        linear = np.array([[c, -s], [s, c]])
    else:
        linear = np.array(values[:4]).reshape(2, 2)
    centre = np.array([float(v) for v in stage["CenterOfRotationPoint"]])
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = np.array(values[-2:]) + centre - linear @ centre
    return matrix
