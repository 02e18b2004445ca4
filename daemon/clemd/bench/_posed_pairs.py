"""Simulated pairs for the regressor: what it learns from, and what it is asked.

Every purpose has specimens of its own: none that is asked about was learned from, and
none belongs to another benchmark.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from clemd.geometry import decompose
from clemd.model import Matrix, PreparedImage
from clemd.preparing import prepare

from ._specimens import simulator, specimen

LEARN, WATCH, CALIBRATE, ASK_WIDE, ASK_PUBLISHED = 51, 52, 53, 54, 55
"""Purposes; specimen numbers of two purposes differ."""
LM_PX = 320
MOST_RATIO_ERROR = 0.1
ASPECTS = (0.75, 0.75, 0.7, 1.0, 0.62)
"""Height / width of EM images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PosedPair:
    """Both images as an engine gets them, and the truth."""

    em: PreparedImage
    lm: PreparedImage
    ratio: float
    """What the files would say of LM pixel size / EM pixel size."""
    em_to_lm: Matrix

    @property
    def width_lm_px(self) -> float:
        """Width of the EM field on the map."""
        return self.em.full_shape[1] * decompose(self.em_to_lm).scale


def learned(seed: int, purpose: int = LEARN) -> PosedPair:
    """A pair as the network learns from: everything drawn widely."""
    rng = np.random.default_rng([seed, purpose, 34])
    coverage = float(rng.uniform(0.33, 0.95))
    lm_px = int(np.clip(rng.uniform(95, 140) / coverage, 128, 330))
    over = float(rng.uniform(0.6, 0.95)) if rng.random() < 0.1 else None
    channel = 0 if rng.random() < 0.85 else int(rng.integers(1, 3))
    return _pair(
        specimen(seed, purpose),
        rng,
        lm_px=lm_px,
        coverage=coverage,
        aspect=float(rng.choice(ASPECTS)),
        ratio=float(rng.uniform(1.0, 1.3)),
        channel=channel,
        rotation_deg=float(rng.uniform(-180, 180)),
        mirrored=bool(rng.random() < 0.5),
        noise=math.exp(rng.uniform(math.log(0.4), math.log(2.2))),
        invert=bool(rng.random() < 0.4),
        overlap=over,
        pitch_um=float(rng.uniform(6, 18)),
        artefacts=float(rng.uniform(0, 2)),
        lm_pixel_um=float(
            np.clip(0.13 * 320 / lm_px * rng.uniform(0.7, 1.3), 0.1, 0.4)
        ),
    )


def wide(seed: int, purpose: int = ASK_WIDE) -> PosedPair:
    """Any turn, either side up, any place on the map, the ratio 10 % wrong at most."""
    rng = np.random.default_rng([seed, purpose, 34])
    return _pair(
        specimen(seed, purpose),
        rng,
        lm_px=LM_PX,
        coverage=float(rng.uniform(0.35, 0.9)),
        aspect=0.75,
        ratio=math.exp(rng.uniform(0, math.log(2.0))),
        rotation_deg=float(rng.uniform(-180, 180)),
        mirrored=bool(rng.random() < 0.5),
        noise=float(rng.uniform(0.5, 1.5)),
        invert=bool(rng.random() < 0.3),
    )


def published(seed: int, purpose: int = ASK_PUBLISHED) -> PosedPair:
    """Nearly centre on centre: 15 degrees, 5 % of the field, 10 % of the ratio."""
    rng = np.random.default_rng([seed, purpose, 34])
    return _pair(
        specimen(seed, purpose),
        rng,
        lm_px=LM_PX,
        coverage=float(rng.uniform(0.8, 0.92)),
        aspect=0.75,
        ratio=math.exp(rng.uniform(0, math.log(2.0))),
        rotation_deg=float(rng.uniform(-15, 15)),
        mirrored=False,
        noise=float(rng.uniform(0.5, 1.5)),
        offset=(float(rng.uniform(-0.05, 0.05)), float(rng.uniform(-0.05, 0.05))),
    )


def _pair(
    number: int,
    rng: np.random.Generator,
    *,
    lm_px: int,
    coverage: float,
    aspect: float,
    ratio: float,
    channel: int = 0,
    **more: Any,
) -> PosedPair:
    """Rendered and prepared; `more` goes to the simulator's `render_pair`."""
    width = ratio * coverage * lm_px
    height = aspect * width
    if aspect >= 1:  # as wide as a 4:3 field of that coverage would be high and wide
        width = height = 0.87 * width
    made = simulator().render_pair(
        number,
        em_shape=(round(height), round(width)),
        lm_shape=(lm_px, lm_px),
        ratio=ratio,
        **more,
    )
    told = ratio * (1 + float(rng.uniform(-MOST_RATIO_ERROR, MOST_RATIO_ERROR)))
    return PosedPair(
        em=prepare([made.em], reduction=told),
        lm=prepare([made.lm[channel]], reduction=1.0),
        ratio=told,
        em_to_lm=made.em_to_lm,
    )
