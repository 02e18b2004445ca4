"""What the network learns from: pairs with a known pose, thrown anew each time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clemd.geometry import compose, invert, mirroring
from clemd.model import Matrix, PosePrior, PreparedImage

from ._looking import lm_on_grid, shifts_of, step_of
from ._network import ARM_PX, EM_PX, SIDE_PX
from ._predicting import guesses_of, sight_of

WRONG = 3
"""Wrong places kept of each example."""
RIGHT_PX = 0.2 * EM_PX
"""A proposal is right when it is no further off at the middle."""
WIDE = (1.6, 1.6, ARM_PX * math.radians(9.0), ARM_PX * 0.115)
"""Of a first look: deviation of the shifts, px; half ranges of rotation and scale."""
NARROW = (0.35, 0.35, ARM_PX * math.radians(1.0), ARM_PX * 0.012)
"""Of a later look."""
NEGATIVE, NARROWLY = 0.2, 0.4
"""Shares of the draws."""
MOST_NOISE = 0.12
HIDDEN_SHARE = 0.2
_SWAP = np.array([[0.0, 1, 0], [1, 0, 0], [0, 0, 1]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One pair on the network's grid."""

    em: Tensor
    """(3, side, side) float16."""
    lm: Tensor
    """(3, height, width) float16."""
    true: Matrix
    """EM grid px -> LM view px."""
    wrong: tuple[Matrix, ...]
    """Places that the front end proposes and that are not it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Draws, ready for the network."""

    em: Tensor
    lm: Tensor
    shifts: Tensor
    """(n, 4): what the network should say."""
    right: Tensor
    """(n,): 1 where there is something to say."""


def example_of(
    em: PreparedImage, lm: PreparedImage, ratio: float, em_to_lm: Matrix
) -> Example:
    """A pair whose pose is known; `ratio` is what the files would promise."""
    with torch.inference_mode():
        sight = sight_of(em, lm, ratio)
        guesses = guesses_of(sight, PosePrior(pixel_size_ratio=ratio), WRONG + 1)
    true = sight.inner(em_to_lm)
    wrong = [one for one in guesses if _far(one, true)]
    return Example(
        em=sight.em[0].half().clone(),
        lm=sight.lm.half().clone(),
        true=true,
        wrong=tuple(wrong[:WRONG]),
    )


def _far(guess: Matrix, true: Matrix) -> bool:
    x, y, turn, _ = shifts_of(guess, true)
    away = math.hypot(x, y) > RIGHT_PX or abs(turn) > ARM_PX * math.radians(20)
    return away or np.linalg.det(guess[:2, :2]) * np.linalg.det(true[:2, :2]) < 0


def draw(examples: Sequence[Example], rng: np.random.Generator, count: int) -> Batch:
    """`count` looks at examples, each from another guess."""
    ems, lms, shifts, rights = [], [], [], []
    for _ in range(count):
        one = examples[int(rng.integers(len(examples)))]
        em, turned = _turned(one.em.float(), rng)
        true = compose(one.true, invert(turned))
        lm = one.lm
        right = rng.random() >= NEGATIVE
        if right:
            guess = compose(true, invert(step_of(_off(rng))))
        else:
            lm, guess = _elsewhere(one, examples, turned, rng)
        seen = lm_on_grid(lm.float(), [guess])[0]
        shifts.append(shifts_of(guess, true) if right else (0.0, 0.0, 0.0, 0.0))
        ems.append(_disturbed(em, rng))
        lms.append(_disturbed(seen, rng))
        rights.append(float(right))
    return Batch(
        em=torch.stack(ems),
        lm=torch.stack(lms),
        shifts=torch.tensor(shifts, dtype=torch.float32),
        right=torch.tensor(rights),
    )


def _off(rng: np.random.Generator) -> tuple[float, float, float, float]:
    if rng.random() < NARROWLY:
        x, y, turn, grow = rng.standard_normal(4) * NARROW
    else:
        x, y = rng.standard_normal(2) * WIDE[:2]
        turn, grow = rng.uniform(-1, 1, 2) * WIDE[2:]
    return float(x), float(y), float(turn), float(grow)


def _elsewhere(
    one: Example, examples: Sequence[Example], turned: Matrix, rng: np.random.Generator
) -> tuple[Tensor, Matrix]:
    """A place where the EM image does not lie: on its own map, or on another's."""
    if one.wrong and rng.random() < 0.7:
        guess = one.wrong[int(rng.integers(len(one.wrong)))]
        return one.lm, compose(guess, invert(turned))
    other = examples[int(rng.integers(len(examples)))]
    if other is one and one.wrong:
        return one.lm, compose(one.wrong[0], invert(turned))
    return other.lm, compose(other.true, invert(step_of(_off(rng))))


def _turned(em: Tensor, rng: np.random.Generator) -> tuple[Tensor, Matrix]:
    """One of the eight ways to lay a square; also old grid px -> new grid px."""
    matrix = np.eye(3)
    if rng.random() < 0.5:
        em = em.flip(2) * _signs(1.0, -1.0)
        matrix = mirroring(SIDE_PX)
    if rng.random() < 0.5:
        em = em.flip(1) * _signs(1.0, -1.0)
        matrix = compose(_SWAP, mirroring(SIDE_PX), _SWAP, matrix)
    if rng.random() < 0.5:
        em = em.transpose(1, 2) * _signs(-1.0, 1.0)
        matrix = compose(_SWAP, matrix)
    return em, matrix


def _signs(re: float, im: float) -> Tensor:
    return torch.tensor([re, im, 1.0])[:, None, None]


def _disturbed(view: Tensor, rng: np.random.Generator) -> Tensor:
    """Noise on the field, and by lot a block that shows nothing."""
    noise = torch.from_numpy(
        rng.standard_normal(view[:2].shape, dtype=np.float32)
    ) * float(rng.uniform(0, MOST_NOISE))
    view = torch.cat([(view[:2] + noise) * view[2:], view[2:]])
    if rng.random() < HIDDEN_SHARE:
        side = view.shape[1]
        size = rng.integers(side // 8, side // 2, 2)
        y, x = (int(rng.integers(0, side - s)) for s in size)
        view[:, y : y + int(size[0]), x : x + int(size[1])] = 0.0
    return view
