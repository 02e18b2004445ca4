"""One simulated pair, laid by this engine and by what it is compared with."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from clemd.errors import RegistrationRefusedError
from clemd.geometry import apply, as_matrix, as_rows, invert
from clemd.model import Matrix, PosePrior, PreparedImage, Registration
from clemd.preparing import prepare, prepare_cube
from clemd.registration import EngineContext, engine_named
from clemd.registration.global_gradient import CleanCube, GradientPair, clean, scale_of

from ._vibrational import GUIDE_SHAPE, VibrationalPair, error_of

ARMS = (
    "as the device states it",
    "global-gradient",
    "the paper's procedure",
    "sum of bands (eq. 2)",
    "deviation of bands (eq. 3)",
    "multimodal, sum of bands",
)
OURS = "global-gradient"


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """Where the arms have put one map."""

    errors_px: dict[str, float]
    """Arm -> mean residual over the field of the map, guide px."""
    found: Registration
    """Of this engine."""
    matrix: Matrix
    """Its map -> guide, whatever the verdict."""
    true: Matrix
    seconds: float


def lay(pair: VibrationalPair, *, arms: bool = True) -> Laid:
    """Lay the map of `pair` by every arm, each from the device's placement."""
    cube, guide, prior = prepared(pair)
    started = time.perf_counter()
    found = engine_named(OURS).register(cube, guide, prior, EngineContext())
    seconds = time.perf_counter() - started
    matrix = pair.stated if found.best_guess is None else as_matrix(found.best_guess)
    errors = {ARMS[0]: error_of(pair, pair.stated), OURS: error_of(pair, matrix)}
    if arms:
        errors |= {
            name: error_of(pair, other)
            for name, other in _others(pair, cube, guide, prior).items()
        }
    return Laid(
        errors_px=errors, found=found, matrix=matrix, true=pair.true, seconds=seconds
    )


def prepared(
    pair: VibrationalPair,
) -> tuple[PreparedImage, PreparedImage, PosePrior]:
    """A pair as engines get it."""
    cube = prepare_cube(list(pair.cube), pair.axis)
    scale = scale_of(pair.stated, cube.full_shape)
    prior = PosePrior(pixel_size_ratio=1 / scale, expected=as_rows(pair.stated))
    return cube, prepare([pair.guide], reduction=1.0), prior


def between_px(one: Laid, other: Laid) -> float:
    """How far two maps of a specimen are apart once both lie on the guide, guide px."""
    y, x = np.mgrid[40 : GUIDE_SHAPE[0] - 40 : 7j, 60 : GUIDE_SHAPE[1] - 60 : 7j]
    points = np.c_[x.ravel(), y.ravel()]
    ends = [apply(each.true @ invert(each.matrix), points) for each in (one, other)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).mean())


def _others(
    pair: VibrationalPair, cube: PreparedImage, guide: PreparedImage, prior: PosePrior
) -> dict[str, Matrix]:
    scale = scale_of(pair.stated, cube.full_shape)
    cleaned = clean(cube.layers, cube.axis, cube.mask)
    found = {ARMS[2]: GradientPair(cube, cleaned, guide, scale).published(pair.stated)}
    stack = np.stack(cube.layers)
    for name, picture in ((ARMS[3], stack.sum(0)), (ARMS[4], stack.std(0))):
        single = CleanCube(
            bands=np.asarray(picture[None], np.float32),
            axis=(0.0,),
            components=np.asarray(picture[None], np.float32),
            spikes=0,
        )
        laid = GradientPair(cube, single, guide, scale).published(pair.stated)
        found[name] = laid
    found[ARMS[5]] = _by_multimodal(pair, guide, prior)
    return found


def _by_multimodal(
    pair: VibrationalPair, guide: PreparedImage, prior: PosePrior
) -> Matrix:
    """The default engine on the picture that a user would take."""
    try:
        picture = prepare([pair.cube.sum(0)], reduction=1.0)
        found = engine_named("multimodal").register(
            picture, guide, prior, EngineContext()
        )
    except RegistrationRefusedError:
        return pair.stated
    return pair.stated if found.best_guess is None else as_matrix(found.best_guess)
