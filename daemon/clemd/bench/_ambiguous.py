"""Simulated trials with one right answer among several that look right.

Mirror twins: the map is mirror-symmetric about a line but for a faint remainder, and
the EM image shows nothing but the symmetric part. Lattices: holes or bars that repeat,
and faint debris that does not. An answer in the wrong one of the places that fit is
wrong; the right one is right.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, invert, middle_of, similarity
from clemd.model import Matrix

from ._disturbing import add_noise
from ._specimens import LM_PX, conditions, shoot, specimen
from ._trial import Trial

CODES = {"twins": 40, "lattice": 41}
MOST_REMAINDER = 0.12
"""Largest share of its own content that the mirrored half of the map keeps."""
_GRID_RATIO = 1.6
"""EM px per LM px of the drawn image that is thrown afterwards."""


def ambiguous(kind: str, size: str, seed: int) -> Trial:
    """A trial whose right answer has look-alikes."""
    rng = np.random.default_rng([seed, CODES[kind], 33])
    maker = {"twins": _twins, "lattice": _lattice}[kind]
    return maker(size, specimen(seed, CODES[kind]), rng)


def _twins(size: str, number: int, rng: np.random.Generator) -> Trial:
    lm_px = LM_PX[size]
    taken = conditions("session", size, rng)
    # both images of the whole map, so that both can be made symmetric alike
    whole = replace(taken, coverage=1.0, ratio=_GRID_RATIO, rotation_deg=0.0, noise=0.4)
    side = round(_GRID_RATIO * lm_px)
    shot = shoot(
        number,
        replace(whole, overlap=None),
        em_shape=(side, side),
        ratio=_GRID_RATIO,
        offset=(0.0, 0.0),
    )
    assert shot.em_to_lm is not None
    lm = _fold(shot.lm, float(rng.uniform(0, MOST_REMAINDER)))
    em = _fold(shot.em, 0.0)
    width = taken.coverage * lm_px
    middle = (lm_px - 1) / 2
    at = (
        middle + rng.uniform(-0.1, 0.1) * width,
        middle + rng.uniform(-0.2, 0.2) * width,
    )
    return _thrown(em, lm, shot.em_to_lm, at, width, taken.rotation_deg, rng)


def _fold(image: NDArray[Any], remainder: float) -> NDArray[Any]:
    """The right half replaced by the mirrored left half, but for a remainder."""
    half = image.shape[1] // 2
    folded = image.astype(np.float32)
    mirrored = folded[:, :half][:, ::-1]
    own = folded[:, -half:]
    folded[:, -half:] = (1 - remainder) * mirrored + remainder * own
    return np.asarray(np.rint(folded), image.dtype)


def _lattice(size: str, number: int, rng: np.random.Generator) -> Trial:
    lm_px = LM_PX[size]
    taken = conditions("session", size, rng)
    width = taken.coverage * lm_px
    scene = _Scene(rng, lm_px, pitch=float(rng.uniform(0.1, 0.35)) * width)
    side = round(_GRID_RATIO * lm_px)
    scale = 1 / _GRID_RATIO
    grid = np.array(
        [[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5], [0, 0, 1]]
    )
    lm = np.asarray(cv2.GaussianBlur(scene.look(np.eye(3), lm_px, 0), (0, 0), 1.2))
    em = np.asarray(scene.look(grid, side, 1))
    em = 255 - em if rng.random() < 0.5 else em
    room = max(lm_px / 2 - 0.65 * width, 0)
    at = (lm_px / 2 + rng.uniform(-room, room), lm_px / 2 + rng.uniform(-room, room))
    return _thrown(
        np.asarray(np.clip(em, 0, 255), np.uint8),
        add_noise(lm, rng, float(rng.uniform(3, 9))),
        grid,
        (float(at[0]), float(at[1])),
        width,
        taken.rotation_deg,
        rng,
    )


class _Scene:
    """Holes in a film or bars of a grid, with debris; lengths in LM px."""

    def __init__(self, rng: np.random.Generator, lm_px: int, *, pitch: float) -> None:
        self.pitch, self.turn = pitch, rng.uniform(0, math.pi)
        self.fill, self.is_bars = rng.uniform(0.25, 0.4), bool(rng.random() < 0.5)
        count = int(rng.integers(8, 40))
        self.specks = rng.uniform(-0.1 * lm_px, 1.1 * lm_px, (count, 2))
        self.widths = rng.uniform(0.05, 0.15, count) * pitch
        self.levels = rng.uniform(-1, 1, (2, count)) * rng.uniform(0.05, 0.5)

    def look(self, to_lm: Matrix, side: int, which: int) -> NDArray[np.float32]:
        """Grey values of a square image whose px `to_lm` takes to the map."""
        v, u = np.mgrid[:side, :side]
        at = apply(to_lm, np.c_[u.ravel(), v.ravel()]).reshape(side, side, 2)
        c, s = math.cos(self.turn), math.sin(self.turn)
        turned = np.stack(
            [c * at[..., 0] + s * at[..., 1], c * at[..., 1] - s * at[..., 0]]
        )
        phase = np.abs((turned / self.pitch) % 1.0 - 0.5)
        if self.is_bars:
            edge = phase.max(axis=0) - (0.5 - 0.3 * self.fill)
        else:
            edge = self.fill - np.hypot(phase[0], phase[1])
        grey = 1 / (1 + np.exp(-np.clip(edge * self.pitch / 0.6, -30, 30)))
        for (x, y), width, level in zip(
            self.specks, self.widths, self.levels[which], strict=True
        ):
            far = (at[..., 0] - x) ** 2 + (at[..., 1] - y) ** 2
            grey += level * np.exp(-0.5 * far / width**2)
        return np.asarray(60 + 130 * grey, np.float32)


def _thrown(
    em: NDArray[Any],
    lm: NDArray[Any],
    em_to_lm: Matrix,
    at_lm_px: tuple[float, float],
    width_lm_px: float,
    turn_deg: float,
    rng: np.random.Generator,
) -> Trial:
    """A turned part of `em`, `width_lm_px` wide, around a point of the map."""
    scale = math.sqrt(abs(float(np.linalg.det(em_to_lm[:2, :2]))))
    columns = round(width_lm_px / scale)
    rows = round(0.75 * columns)
    middle = apply(invert(em_to_lm), [at_lm_px])[0]
    to_part = similarity(
        scale=1.0,
        rotation_deg=turn_deg,
        about=(float(middle[0]), float(middle[1])),
        onto=middle_of((rows, columns)),
    )
    part = cv2.warpAffine(
        em,
        to_part[:2],
        (columns, rows),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    return Trial(
        em=add_noise(part, rng, float(rng.uniform(3, 12))),
        lm=lm,
        em_to_lm=compose(em_to_lm, invert(to_part)),
        ratio=1 / scale * (1 + float(rng.uniform(-0.1, 0.1))),
    )
