"""Cool, warm, hot or blind: the states and what it takes to change them.

                     t >= warm_c              t >= hot_c
            ┌──────┐ ───────────► ┌──────┐ ───────────► ┌──────┐
            │ cool │              │ warm │              │ hot  │
            └──────┘ ◄─────────── └──────┘ ◄─────────── └──────┘
               │   t <= warm_c - 3   │    t <= hot_c - 3    │
               │    for 5 s          │     for 5 s          │
               └──────────┬──────────┴──────────┬───────────┘
                 no value │                     ▲ values for 5 s
                          ▼                     │ (the very first at once)
                       ┌───────────────────────────┐
                       │           blind           │
                       └───────────────────────────┘

Heating and losing sight act at once (from cool straight to hot if need be), since
waiting could harm; cooling and seeing again must last, since flapping would.
"""

from __future__ import annotations

from dataclasses import dataclass

from clemd.model import ThermalState

_ORDER = (ThermalState.COOL, ThermalState.WARM, ThermalState.HOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Temperatures and times at which the state changes."""

    warm_c: float
    hot_c: float
    hysteresis_c: float = 3.0
    """Cooler than the threshold by this before the state goes down."""
    dwell_s: float = 5.0
    """Time that a better state must have held before it is believed."""


class StateMachine:
    """The thermal state, stepped by one temperature at a time.

    The caller brings the time, so every case can be played without waiting.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._thresholds = thresholds
        self._has_seen = False
        self._better_since_s: float | None = None
        self.state = ThermalState.BLIND

    def step(self, temperature_c: float | None, *, now_s: float) -> ThermalState:
        """Take one value (None = nothing is known) and return the state after it."""
        if temperature_c is None:
            return self._enter(ThermalState.BLIND)
        if not self._has_seen:
            self._has_seen = True
            return self._enter(self._rising(temperature_c))
        if self.state is ThermalState.BLIND:
            # hot is never waited for, not even on the first look after blindness
            if self._rising(temperature_c) is ThermalState.HOT:
                return self._enter(ThermalState.HOT)
            return self._when_lasting(self._rising(temperature_c), now_s)
        rising = self._rising(temperature_c)
        if _ORDER.index(rising) > _ORDER.index(self.state):
            return self._enter(rising)
        falling = self._falling(temperature_c)
        if falling is self.state:
            self._better_since_s = None
            return self.state
        return self._when_lasting(falling, now_s)

    def _when_lasting(self, better: ThermalState, now_s: float) -> ThermalState:
        if self._better_since_s is None:
            self._better_since_s = now_s
        if now_s - self._better_since_s >= self._thresholds.dwell_s:
            return self._enter(better)
        return self.state

    def _enter(self, state: ThermalState) -> ThermalState:
        self._better_since_s = None
        self.state = state
        return state

    def _rising(self, temperature_c: float) -> ThermalState:
        if temperature_c >= self._thresholds.hot_c:
            return ThermalState.HOT
        if temperature_c >= self._thresholds.warm_c:
            return ThermalState.WARM
        return ThermalState.COOL

    def _falling(self, temperature_c: float) -> ThermalState:
        """The state to fall to: the lowest whose ceiling is cleared by the margin."""
        margin_c = temperature_c + self._thresholds.hysteresis_c
        if self.state is ThermalState.HOT and margin_c > self._thresholds.hot_c:
            return ThermalState.HOT
        if self.state is ThermalState.COOL or margin_c <= self._thresholds.warm_c:
            return ThermalState.COOL
        return ThermalState.WARM
