"""Simulated trials in which every answer is wrong, by kind.

Half of them are taken as in the `session` tier, half as in the `wild` one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import compose

from ._disturbing import frame
from ._specimens import LM_PX, Conditions, Shot, conditions, shoot, specimen, true_pose
from ._trial import Trial

LEAST_MISS_DEG = 25.0
"""Least gap between the true rotation and the range that is told instead."""
CODES = {
    "unrelated": 20,
    "off-map": 21,
    "flipped": 22,
    "wrong-basin": 23,
    "texture": 24,
    "empty": 25,
    "other-field": 26,
    "neighbour": 27,
}
_TINY = (24, 24)


def negative(kind: str, size: str, seed: int) -> Trial:
    """A trial without a right answer."""
    rng = np.random.default_rng([seed, CODES[kind], 32])
    taken = conditions("wild" if rng.random() < 0.5 else "session", size, rng)
    taken = replace(taken, overlap=None)
    trial = _MAKERS[kind](specimen(seed, CODES[kind]), taken, rng)
    if taken.is_framed:
        trial = _framed(trial, rng)
    return replace(trial, is_negative=True)


def _framed(trial: Trial, rng: np.random.Generator) -> Trial:
    em, shift = frame(trial.em, rng)
    pose = None if trial.em_to_lm is None else compose(trial.em_to_lm, shift)
    return replace(trial, em=em, em_to_lm=pose)


def _as_trial(shot: Shot, em: NDArray[Any] | None = None, **told: Any) -> Trial:
    return Trial(
        em=shot.em if em is None else em,
        lm=shot.lm,
        em_to_lm=shot.em_to_lm,
        ratio=shot.told_ratio,
        **told,
    )


def _unrelated(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """Another specimen's EM image."""
    here = shoot(number, taken, em_shape=_TINY)
    other = shoot(number + 50_000_000, taken, lm_shape=_TINY)
    return Trial(em=other.em, lm=here.lm, em_to_lm=None, ratio=other.told_ratio)


def _off_map(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """The same specimen, millimetres away."""
    return _as_trial(shoot(number, taken, elsewhere=True))


def _other_field(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """The same section, right beside the map."""
    return _as_trial(shoot(number, taken, is_beside=True))


def _neighbour(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """The next section: cells in the same order, each moved, their content redrawn.

    Small cells, so that several are in the field: their moves differ by more than
    2 % of its width, and no similarity is right for all.
    """
    taken = replace(taken, pitch_um=7.0, coverage=max(taken.coverage, 0.5))
    return _as_trial(shoot(number, taken, section=1))


def _flipped(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """The right map, and the wrong mirror told as certain."""
    shot = shoot(number, taken)
    assert shot.em_to_lm is not None
    return _as_trial(shot, mirror=not true_pose(shot.em_to_lm)[1])


def _wrong_basin(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """The right map, and a range of rotations told that excludes the right one."""
    shot = shoot(number, taken)
    assert shot.em_to_lm is not None
    width = rng.uniform(60, 240)
    spare = 360 - 2 * LEAST_MISS_DEG - width
    low = true_pose(shot.em_to_lm)[0] + LEAST_MISS_DEG + rng.uniform(0, spare)
    low = (low + 180) % 360 - 180
    return _as_trial(shot, rotation_deg=(float(low), float(low + width)))


def _texture(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """Grain of one width, or of many, and nothing else."""
    shot = shoot(number, taken, em_shape=_TINY)
    shape = _em_shape(taken)
    fine = rng.uniform(1, 2.5) * taken.ratio
    total = np.zeros(shape, np.float32)
    for octave in range(1 if rng.random() < 0.5 else 4):
        white = rng.standard_normal(shape, dtype=np.float32)
        soft = np.asarray(cv2.GaussianBlur(white, (0, 0), fine * 2**octave))
        total += soft / soft.std()
    total = (total - total.min()) / np.ptp(total)
    return _without_em(shot, np.asarray(255 * total, np.uint8), taken)


def _empty(number: int, taken: Conditions, rng: np.random.Generator) -> Trial:
    """Bare resin: an even grey, a slope, and the detector's noise."""
    shot = shoot(number, taken, em_shape=_TINY)
    shape = _em_shape(taken)
    slope = np.linspace(-1, 1, shape[0])[:, None] * rng.uniform(0, 20)
    noise = rng.standard_normal(shape, dtype=np.float32) * rng.uniform(1, 14)
    grey = np.clip(rng.uniform(60, 180) + slope + noise, 0, 255)
    return _without_em(shot, np.asarray(grey, np.uint8), taken)


def _without_em(shot: Shot, em: NDArray[np.uint8], taken: Conditions) -> Trial:
    told = taken.ratio * (1 + taken.ratio_error)
    return Trial(em=em, lm=shot.lm, em_to_lm=None, ratio=told)


def _em_shape(taken: Conditions) -> tuple[int, int]:
    width = taken.ratio * taken.coverage * LM_PX[taken.size]
    return round(0.75 * width), round(width)


_MAKERS: dict[str, Callable[[int, Conditions, np.random.Generator], Trial]] = {
    "unrelated": _unrelated,
    "off-map": _off_map,
    "flipped": _flipped,
    "wrong-basin": _wrong_basin,
    "texture": _texture,
    "empty": _empty,
    "other-field": _other_field,
    "neighbour": _neighbour,
}
