"""Cool, warm, hot or blind: what the device is, and what is shown of it."""

from __future__ import annotations

from dataclasses import dataclass

from clemd.model import ThermalState

_ORDER = (
    ThermalState.COOL,
    ThermalState.WARM,
    ThermalState.BLIND,
    ThermalState.HOT,
)
"""From harmless to harmful; of two states the later one is obeyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Temperatures and times at which the state changes."""

    warm_c: float
    hot_c: float
    hysteresis_c: float = 3.0
    """Cooler than the threshold by this before the state goes down."""
    dwell_s: float = 10.0
    """The state changes at most once in this time."""


class StateMachine:
    """The thermal state, stepped by one temperature at a time.

                         t >= warm_c               t >= hot_c
                ┌──────┐ ──────────► ┌──────┐ ──────────► ┌──────┐
                │ cool │             │ warm │             │ hot  │
                └──────┘ ◄────────── └──────┘ ◄────────── └──────┘
                   │   t <= warm_c - 3  │    t <= hot_c - 3   │
                   │     for a dwell    │      for a dwell    │
                   └──────────┬─────────┴──────────┬──────────┘
                     no value │                    ▲ values for a dwell
                              ▼                    │ (hot at once)
                           ┌──────────────────────────┐
                           │          blind           │
                           └──────────────────────────┘

    Every arrow is taken at once or after a dwell of better values, but never sooner
    than a dwell after the arrow before it. So that the wait for the display never
    delays the guard, there are two answers:

    * `state` is shown. At most one change per dwell; a worse state that came and went
      while it was held is shown when its time has come, never forgotten.
    * `acting` is obeyed. It is the worse of `state` and what this look says (hot,
      blind, warm, cool), so heat and blindness act on the very look that tells them.

    The caller brings the time, so every case can be played without waiting.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._changed_s: float | None = None
        self._better_since_s: float | None = None
        self._pending: ThermalState | None = None
        self._has_seen = self._has_shown = self._is_late = False
        self.state = ThermalState.BLIND
        self.acting = ThermalState.BLIND

    def step(self, temperature_c: float | None, *, now_s: float) -> ThermalState:
        """Take one value (None = nothing is known) and return the state after it."""
        said = self._said(temperature_c)
        if not self._has_seen and temperature_c is not None:
            # at once, and no change where nothing was shown before it
            self._has_seen = True
            self.state, self._better_since_s = said, None
            self._changed_s = now_s if self._has_shown else None
        elif _rank(said) > _rank(self.state):
            self._worsen(said, now_s)
        elif self._pending is not None:
            if self._may_change(now_s):
                self._enter(self._pending, now_s, is_late=True)
        elif said is self.state:
            self._better_since_s = None
        else:
            self._improve(said, now_s)
        self._has_shown = True
        # what is only shown belatedly has been obeyed when it was there
        self.acting = said if self._is_late else max(self.state, said, key=_rank)
        return self.state

    def _worsen(self, said: ThermalState, now_s: float) -> None:
        self._better_since_s = None
        worst = max(said, self._pending or said, key=_rank)
        if self._may_change(now_s):
            self._enter(worst, now_s, is_late=worst is not said)
        else:
            self._pending = worst

    def _improve(self, said: ThermalState, now_s: float) -> None:
        if self._better_since_s is None:
            self._better_since_s = now_s
        lasted_s = now_s - self._better_since_s
        if lasted_s >= self._thresholds.dwell_s and self._may_change(now_s):
            self._enter(said, now_s)

    def _enter(
        self, state: ThermalState, now_s: float, *, is_late: bool = False
    ) -> None:
        self.state, self._changed_s, self._is_late = state, now_s, is_late
        self._better_since_s, self._pending = None, None

    def _may_change(self, now_s: float) -> bool:
        since = self._changed_s
        return since is None or now_s - since >= self._thresholds.dwell_s

    def _said(self, temperature_c: float | None) -> ThermalState:
        """What this value means, coming from the state that is shown."""
        if temperature_c is None:
            return ThermalState.BLIND
        limits = self._thresholds
        hot_c, warm_c = limits.hot_c, limits.warm_c
        if self.acting is ThermalState.HOT:
            hot_c -= limits.hysteresis_c
        if self.state in {ThermalState.WARM, ThermalState.HOT}:
            warm_c -= limits.hysteresis_c
        if temperature_c >= limits.hot_c or temperature_c > hot_c:
            return ThermalState.HOT
        if temperature_c >= limits.warm_c or temperature_c > warm_c:
            return ThermalState.WARM
        return ThermalState.COOL


def _rank(state: ThermalState) -> int:
    return _ORDER.index(state)
