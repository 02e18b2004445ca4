"""Simulated specimens with a right answer, by tier."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import binning, compose, decompose, invert
from clemd.model import Matrix

from ._disturbing import add_noise, drown, frame, hide
from ._trial import HANGING, HANGING_OVER, Trial

LM_PX = {"small": 320, "full": 1024}
DRAWN_EM_PX = {"small": 420, "full": 1536}
"""A wider EM image is drawn this wide and enlarged: the map shows no more."""
CODES = {"mild": 1, "session": 2, "wild": 3, "unknown": 4, "clean": 5, "noisy": 6}
LEAST_SNR, MOST_SNR = 0.5, 0.95
LEFT = 0.6
"""Share of the EM field that the `noisy` tier leaves to be registered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """How one simulated trial is taken."""

    size: str
    coverage: float
    """EM field width / LM field width."""
    ratio: float
    """EM px per LM px."""
    rotation_deg: float
    mirrored: bool = False
    noise: float = 1.0
    invert: bool = False
    overlap: float | None = None
    """Share of the EM field on the map; None = all that has room."""
    ratio_error: float = 0.0
    is_framed: bool = False
    pitch_um: float = 11.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A rendered pair at the wanted EM pixel size."""

    em: NDArray[np.uint8]
    lm: NDArray[np.uint16]
    em_to_lm: Matrix | None
    told_ratio: float


def conditions(tier: str, size: str, rng: np.random.Generator) -> Conditions:
    """Drawn by lot, within what the tier allows."""
    if tier == "mild":
        return Conditions(
            size=size,
            coverage=float(rng.uniform(0.8, 0.92)),
            ratio=_ratio(rng, 2.0),
            rotation_deg=float(rng.uniform(-15, 10)),
            ratio_error=float(rng.uniform(-0.01, 0.01)),
        )
    is_wild = tier in ("wild", "unknown")
    unknown = math.exp(rng.uniform(math.log(0.15), math.log(1.15)))
    hangs_over = tier in HANGING and rng.random() < HANGING_OVER
    overlap = float(rng.uniform(0.52, 0.7)) if hangs_over else None
    return Conditions(
        size=size,
        coverage=unknown if tier == "unknown" else float(rng.uniform(0.35, 0.75)),
        ratio=_ratio(rng, 2.0 if tier == "noisy" else 10.0),
        rotation_deg=float(rng.uniform(-180, 180)),
        mirrored=bool(is_wild and rng.random() < 0.5),
        noise=_noise(tier, rng),
        invert=bool(is_wild and rng.random() < 0.5),
        overlap=overlap,
        ratio_error=float(rng.uniform(-0.1, 0.1)),
        is_framed=is_wild,
    )


def _ratio(rng: np.random.Generator, most: float) -> float:
    return math.exp(rng.uniform(0, math.log(most)))


def _noise(tier: str, rng: np.random.Generator) -> float:
    low, high = {"session": (0.5, 1.5), "wild": (1.0, 3.0), "unknown": (1.0, 3.0)}.get(
        tier, (1.0, 1.0)
    )
    return float(rng.uniform(low, high))


def positive(tier: str, size: str, seed: int) -> Trial:
    """A trial whose right answer is known."""
    rng = np.random.default_rng([seed, CODES[tier], 31])
    taken = conditions(tier, size, rng)
    is_masked = tier == "noisy" and rng.random() < 0.5
    more: dict[str, Any] = {"offset": _mild_offset(rng)} if tier == "mild" else {}
    if tier == "noisy" and not is_masked:
        more["overlap"] = LEFT
    shot = shoot(specimen(seed, CODES[tier]), taken, **more)
    em, em_to_lm = shot.em, shot.em_to_lm
    assert em_to_lm is not None
    if tier == "noisy":
        em = drown(em, rng, float(rng.uniform(LEAST_SNR, MOST_SNR)))
        em = hide(em, rng, 1 - LEFT) if is_masked else em
    if taken.is_framed:
        em, shift = frame(em, rng)
        em_to_lm = compose(em_to_lm, shift)
    return Trial(
        em=em,
        lm=shot.lm,
        em_to_lm=em_to_lm,
        ratio=None if tier == "unknown" else shot.told_ratio,
    )


def specimen(seed: int, code: int) -> int:
    """The specimen of a seed and a kind of trial: none is used twice."""
    return seed * 100 + code


def _mild_offset(rng: np.random.Generator) -> tuple[float, float]:
    """1.6-4.9 % of the EM field width, in any direction."""
    far, angle = rng.uniform(0.016, 0.049), rng.uniform(0, 2 * np.pi)
    return float(far * math.cos(angle)), float(far * math.sin(angle))


def shoot(number: int, taken: Conditions, **more: Any) -> Shot:
    """Render specimen `number`; `more` goes to the simulator's `render_pair`."""
    lm_px = LM_PX[taken.size]
    width = taken.ratio * taken.coverage * lm_px
    drawn = min(width, DRAWN_EM_PX[taken.size])
    settings = {
        "em_shape": (round(0.75 * drawn), round(drawn)),
        "lm_shape": (lm_px, lm_px),
        "ratio": drawn / (taken.coverage * lm_px),
        "rotation_deg": taken.rotation_deg,
        "mirrored": taken.mirrored,
        "noise": taken.noise,
        "invert": taken.invert,
        "overlap": taken.overlap,
        "pitch_um": taken.pitch_um,
    }
    made = simulator().render_pair(number, **(settings | more))
    em, em_to_lm = made.em, made.em_to_lm
    told = made.lm_pixel_um / made.em_pixel_um * (1 + taken.ratio_error)
    if width > 1.02 * drawn:
        em, grown = _enlarge(em, width / drawn, number)
        em_to_lm = None if em_to_lm is None else compose(em_to_lm, invert(grown))
        told *= width / drawn
    return Shot(em=em, lm=made.lm[0], em_to_lm=em_to_lm, told_ratio=told)


def _enlarge(
    em: NDArray[np.uint8], factor: float, number: int
) -> tuple[NDArray[np.uint8], Matrix]:
    """More px for the same field, with noise of their own; old px -> new px."""
    # not cv2.resize: rounding each side to whole px would stretch one of them
    matrix = binning(1 / factor)
    shape = int(em.shape[1] * factor), int(em.shape[0] * factor)
    grown = cv2.warpAffine(
        em, matrix[:2], shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    noisy = add_noise(grown, np.random.default_rng([number, 8]), 6.0)
    return noisy, matrix


def true_pose(em_to_lm: Matrix) -> tuple[float, bool]:
    """Rotation in degrees and mirror of a truth."""
    parts = decompose(em_to_lm)
    return parts.rotation_deg, parts.mirrored


def simulator() -> Any:
    """The simulator's module, found as the daemon finds it.

    Raises:
        UsageError: none is installed.
    """
    for point in entry_points(group="clemd.simulators"):
        return importlib.import_module(point.value.partition(":")[0])
    raise UsageError(
        "no simulated microscope is installed", "clemd.simulators", "reinstall clemd"
    )
