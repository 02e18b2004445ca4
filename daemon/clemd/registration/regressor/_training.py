"""How the weights come about: examples in, a network out; the same for the same seed.

The loss is the negative log likelihood of a normal distribution (Nix & Weigend 1994),
weighed so that easy draws do not crowd out hard ones (beta-NLL, Seitzer et al. 2022),
and the cross entropy of right and wrong places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as nnf
from torch import Tensor

from ._examples import Batch, Example, draw
from ._network import LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE, TwoHeads

BETA = 0.5
PLACES_WEIGHT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How long and how fast."""

    steps: int = 1800
    batch: int = 32
    rate: float = 1.5e-3
    warm_up: int = 100
    decay: float = 1e-4
    seed: int = 0
    report_every: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How the training stands."""

    step: int
    loss: float
    """Mean since the last report."""
    rms: tuple[float, float, float, float]
    """Of x, y, rotation and scale on examples that are not learned from, px."""
    places: float
    """Share of those that it tells right from wrong."""


def train(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    recipe: Recipe,
    tell: Callable[[Progress], None],
) -> TwoHeads:
    """Learn from `examples`; `held_out` only shows how it goes."""
    network = fresh(recipe.seed)
    rng = np.random.default_rng([recipe.seed, 77])
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=recipe.rate, weight_decay=recipe.decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, _rate(recipe))
    checked = draw(held_out, np.random.default_rng([recipe.seed, 78]), 384)
    total, since = 0.0, 0
    for step in range(1, recipe.steps + 1):
        loss = loss_of(network, draw(examples, rng, recipe.batch))
        optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        total, since = total + float(loss.detach()), since + 1
        if step % recipe.report_every == 0 or step == recipe.steps:
            tell(_progress(network, checked, step, total / since))
            total, since = 0.0, 0
    return network.eval()


def fresh(seed: int) -> TwoHeads:
    """A network that has learned nothing, drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TwoHeads()


def loss_of(network: TwoHeads, batch: Batch) -> Tensor:
    """What is made small."""
    out = network(batch.em, batch.lm)
    spread = out[:, 4:8].clamp(LEAST_LOG_VARIANCE, MOST_LOG_VARIANCE)
    misses = (out[:, :4] - batch.shifts) ** 2
    likely = 0.5 * (misses * torch.exp(-spread) + spread)
    weighed = likely * torch.exp(spread).detach() ** BETA
    right = batch.right
    regression: Tensor = (weighed.sum(1) * right).sum() / right.sum().clamp(min=1.0)
    places = nnf.binary_cross_entropy_with_logits(out[:, 8], right)
    return regression + PLACES_WEIGHT * places


def _rate(recipe: Recipe) -> Callable[[int], float]:
    """Warm up, then down along a cosine."""

    def factor(step: int) -> float:
        if step < recipe.warm_up:
            return (step + 1) / recipe.warm_up
        done = (step - recipe.warm_up) / max(1, recipe.steps - recipe.warm_up)
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    return factor


def _progress(network: TwoHeads, checked: Batch, step: int, loss: float) -> Progress:
    with torch.inference_mode():
        out = network(checked.em, checked.lm)
    right = checked.right > 0
    x, y, turn, grow = (
        ((out[right, :4] - checked.shifts[right]) ** 2).mean(0).sqrt().tolist()
    )
    told = ((out[:, 8] > 0) == right).float().mean()
    return Progress(step=step, loss=loss, rms=(x, y, turn, grow), places=float(told))
