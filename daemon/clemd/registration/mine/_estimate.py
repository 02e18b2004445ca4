"""Donsker and Varadhan's lower bound of the mutual information, plain or stabilised.

The bound is E[T] over pairs that belong together, less log E[exp T] over shuffled
ones. Plainly taken, T is defined but for a constant and wanders until exp T overflows
(Choi & Lee, arXiv:2011.07932).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How the bound is taken from the network's values."""

    guarded: bool
    """logsumexp; else the exponentials are summed as they are."""
    drift: float
    """Price of (log E[exp T])²: holds the constant of T at none (ReMINE)."""

    def bound(self, together: Tensor, shuffled: Tensor) -> Tensor:
        """Nats, of the network's values (n,) each."""
        return together.mean() - self.apart(shuffled)

    def loss(self, together: Tensor, shuffled: Tensor) -> Tensor:
        """What a step makes smaller."""
        apart = self.apart(shuffled)
        loss = apart - together.mean()
        return loss + self.drift * apart**2 if self.drift else loss

    def apart(self, shuffled: Tensor) -> Tensor:
        """What shuffled pairs come to: log E[exp T]."""
        if not self.guarded:
            return torch.log(torch.exp(shuffled).mean())
        return torch.logsumexp(shuffled, 0) - math.log(len(shuffled))


PLAIN = Estimate(guarded=False, drift=0.0)
"""As published."""
STABLE = Estimate(guarded=True, drift=0.1)
"""Clipping T where shuffled (SMILE) would leave the constant a way out: with all of T
above the clip the rest of the bound grows for ever."""
