"""What an enlarged light image is good for, and what it is not.

The thesis enlarges LM images four times with a learned network (SRGAN) and says itself
that the detail it adds "makes no sense". Here the classical ways are compared with
what a microscope of finer pixels would have recorded, and it is counted how often a
measurement on enlarged px is as exact as it believes to be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.bench._figures import Share
from clemd.bench._specimens import simulator, specimen
from clemd.exporting import enlarged
from clemd.geometry import binning
from clemd.model import FloatImage

from ._figures import Figure, median_in_words, tell

FACTOR = 4
FINE_PX = 384
CODE = 57
REGION_PX = 6
"""Side of a region whose mean brightness is measured, LM px."""
REPEATS = 24
"""Times the same field is recorded with other noise."""
NOISE = 0.06
"""Of one px, as a share of the brightness range."""
Enlarge = Callable[[FloatImage], FloatImage]


def _by(flag: int) -> Enlarge:
    def enlarge(image: FloatImage) -> FloatImage:
        size = (FACTOR * image.shape[1], FACTOR * image.shape[0])
        return np.asarray(cv2.resize(image, size, interpolation=flag), np.float32)

    return enlarge


def _ours(image: FloatImage) -> FloatImage:
    shape = FACTOR * image.shape[0], FACTOR * image.shape[1]
    return np.asarray(enlarged(image, binning(FACTOR), shape), np.float32)


WAYS: dict[str, Enlarge] = {
    "nearest": _by(cv2.INTER_NEAREST),
    "linear": _by(cv2.INTER_LINEAR),
    "cubic": _by(cv2.INTER_CUBIC),
    "Lanczos": _by(cv2.INTER_LANCZOS4),
    "clemd's (Lanczos, held to its neighbours)": _ours,
}


def run(trials: int, seed: int, data: Path | None, as_json: bool) -> int:
    """Print the table; the exit code."""
    fields = [_field(number) for number in range(seed, seed + trials)]
    figures = [
        figure for name, way in WAYS.items() for figure in _looks(name, way, fields)
    ]
    figures += _measures(fields, seed)
    return tell(
        "enlarging",
        figures,
        trials=trials,
        seed=seed,
        as_json=as_json,
        notes=(
            f"Reflected light of {FINE_PX} px, averaged over {FACTOR} x {FACTOR} px to "
            f"the recorded image, enlarged {FACTOR} times.",
            "Beyond the range: share of enlarged px brighter or darker than all 3 x 3 "
            "recorded px around, by more than 1 % of the range.",
            f"Measured: the mean of {REGION_PX} x {REGION_PX} recorded px, {REPEATS} "
            "recordings of each field; interval = mean within 1.96 standard errors of "
            "the px used.",
        ),
    )


def _field(number: int) -> FloatImage:
    """Noise-free as light can be, at the finer px; 0..1."""
    made = simulator().render_pair(
        specimen(number, CODE),
        em_shape=(24, 24),
        lm_shape=(FINE_PX, FINE_PX),
        ratio=1.0,
        lm_pixel_um=0.04,
        noise=0.0,
    )
    lm = made.lm[0].astype(np.float32)
    low, high = np.percentile(lm, [0.5, 99.5])
    return np.asarray(np.clip((lm - low) / max(high - low, 1e-6), 0, 1), np.float32)


def _recorded(field: FloatImage) -> FloatImage:
    size = (field.shape[1] // FACTOR, field.shape[0] // FACTOR)
    small = cv2.resize(field, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)


def _looks(name: str, way: Enlarge, fields: Sequence[FloatImage]) -> list[Figure]:
    errors, beyond = [], []
    for field in fields:
        small = _recorded(field)
        large = way(small)
        inner = np.s_[16:-16, 16:-16]
        errors.append(float(np.sqrt(((large - field)[inner] ** 2).mean())))
        beyond.append(float(_outside(small, large)[inner].mean()))
    return [
        Figure(
            part="looks",
            what=f"{name}: RMS from what finer px would have recorded",
            published="-",
            ours=median_in_words([100 * e for e in errors], "% of the range"),
            values=tuple(errors),
        ),
        Figure(
            part="looks",
            what=f"{name}: beyond the range of the recorded px around",
            published="-",
            ours=median_in_words([100 * b for b in beyond], "% of px"),
            values=tuple(beyond),
        ),
    ]


def _outside(small: FloatImage, large: FloatImage) -> NDArray[np.bool_]:
    near = _by(cv2.INTER_NEAREST)
    around = np.ones((3, 3), np.uint8)
    least = near(np.asarray(cv2.erode(small, around), np.float32))
    most = near(np.asarray(cv2.dilate(small, around), np.float32))
    return np.asarray((large < least - 0.01) | (large > most + 0.01))


def _measures(fields: Sequence[FloatImage], seed: int) -> list[Figure]:
    """Is the true mean within the interval that the px claim?"""
    hits = dict.fromkeys(("recorded", *WAYS), 0)
    asked = 0
    for number, field in enumerate(fields, seed):
        rng = np.random.default_rng([number, CODE])
        small = _recorded(field)
        y, x = rng.integers(8, small.shape[0] - 8 - REGION_PX, 2)
        for _ in range(REPEATS):
            noise = rng.standard_normal(small.shape, dtype=np.float32)
            noisy = np.asarray(small + np.float32(NOISE) * noise, np.float32)
            asked += 1
            spots = {"recorded": (noisy - small, 1)} | {
                name: (way(noisy) - way(small), FACTOR) for name, way in WAYS.items()
            }
            for name, (off, by) in spots.items():
                part = off[by * y : by * (y + REGION_PX), by * x : by * (x + REGION_PX)]
                error = float(part.std(ddof=1)) / np.sqrt(part.size)
                hits[name] += abs(float(part.mean())) < 1.96 * error
    return [
        Figure(
            part="measured",
            what=f"{name}: 95 % interval of a mean holds the truth",
            published="-",
            ours=str(Share(hit, asked)),
            values=(hit / asked,),
        )
        for name, hit in hits.items()
    ]
