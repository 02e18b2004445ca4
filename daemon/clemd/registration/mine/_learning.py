"""Climb until pixels that no step saw gain no more; broken off, go on to the same bits.

The published number of iterations was chosen by eye, just before the bound breaks down.
Held-out pixels see that coming: their bound stops rising while that of the fitted ones
goes on. The best state by them is kept, whatever comes after.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ._climb import Climb
from ._network import Arrays

GAIN_NATS = 0.002
"""A smaller gain is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When to look, and when to stop."""

    most: int
    """Iterations at most."""
    look_every: int = 20
    warm_up: int = 40
    """Iterations in which only the network learns: an untrained one would throw the
    pose about."""
    patience: int = 5
    """Looks without a gain before the steps are made smaller, or the end."""
    slow_downs: int = 2
    """How often they are made smaller..."""
    slower: float = 0.4
    """...by this factor."""
    breathe_every: int = 4
    keep_every: int = 200
    """Iterations between checkpoints; one more is made when it is stopped."""


class Learning:
    """One climb, from its start or from where it was broken off."""

    def __init__(self, climb: Climb, schedule: Schedule) -> None:
        self.climb = climb
        self.schedule = schedule
        self.iterations = 0
        self.history: list[float] = []
        """The held-out bound at every look, nats."""
        self._best_nats = -np.inf
        self._best: Arrays = climb.state()
        self._idle = 0
        self._slowed = 0

    @property
    def best_nats(self) -> float:
        """The best held-out bound so far."""
        return float(self._best_nats)

    def run(self, breathe: Callable[[], None], keep: Callable[[Arrays], None]) -> None:
        """Climb to the end; the climb is then left in its best state.

        `keep` is given a checkpoint now and then, and before whatever `breathe` raises
        is passed on.
        """
        while not self._is_done():
            self.climb.step(moves=self.iterations >= self.schedule.warm_up)
            self.iterations += 1
            if self.iterations % self.schedule.look_every == 0:
                self._look()
            if self.iterations % self.schedule.keep_every == 0:
                keep(self.state())
            if self.iterations % self.schedule.breathe_every == 0:
                try:
                    breathe()
                except BaseException:
                    keep(self.state())
                    raise
        self.climb.take(self._best)

    def state(self) -> Arrays:
        """Everything that the rest of the way depends on."""
        counters = [self.iterations, self._idle, self._slowed]
        return {
            **{f"now.{name}": value for name, value in self.climb.state().items()},
            **{f"best.{name}": value for name, value in self._best.items()},
            "counters": np.array(counters, np.int64),
            "history": np.array(self.history, np.float64),
            "best_nats": np.array(self._best_nats, np.float64),
        }

    def resume(self, state: Arrays) -> None:
        """Go on from a `state`."""
        self.climb.resume(_under("now.", state))
        self._best = _under("best.", state)
        self.iterations, self._idle, self._slowed = (
            int(count) for count in state["counters"]
        )
        self.history = [float(nats) for nats in state["history"]]
        self._best_nats = float(state["best_nats"])

    def _is_done(self) -> bool:
        is_idle = self._idle >= self.schedule.patience
        ended = is_idle and self._slowed >= self.schedule.slow_downs
        return ended or self.iterations >= self.schedule.most

    def _look(self) -> None:
        if self.iterations <= self.schedule.warm_up:
            return
        nats = self.climb.held_out()
        self.history.append(nats)
        if nats > self._best_nats + GAIN_NATS:
            self._best_nats, self._best = nats, self.climb.state()
            self._idle = 0
            return
        self._idle += 1
        is_idle = self._idle >= self.schedule.patience
        if is_idle and self._slowed < self.schedule.slow_downs:
            self.climb.take(self._best)
            self.climb.slow_down(self.schedule.slower)
            self._slowed += 1
            self._idle = 0


def _under(prefix: str, state: Arrays) -> Arrays:
    return {
        name.removeprefix(prefix): value
        for name, value in state.items()
        if name.startswith(prefix)
    }
