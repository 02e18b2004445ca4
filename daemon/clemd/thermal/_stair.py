"""How far a device's power and clocks are lowered before its jobs have to wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clemd.config import ThermalSettings
from clemd.model import LeverState, ThermalState

PRESSED_S = 2.0
"""Between two steps down while jobs are slowed."""
CALM_S = 30.0
"""Cool for so long before a step up: what a step does takes that long to show."""
NEAR_C = 5.0
"""Jobs count as slowed by heat as long as the device is so near to what it is held at:
the duty that they once had stays when they are gone."""
_FREE_DUTY = 0.99


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverStep:
    """What is set on a device."""

    power_limit_w: float | None = None
    """None: left as it was found."""
    clocks_mhz: tuple[int, int] | None = None
    """Least and most; None: free."""


def steps_of(settings: ThermalSettings, found: LeverState) -> tuple[LeverStep, ...]:
    """From the device as it was found to as low as the profile allows.

    Only the first one where nothing is allowed, or nothing can be lowered.
    """
    clocks = settings.lock_clocks_mhz
    locked = None if clocks is None else (clocks.min, clocks.max)
    powers = _powers_w(settings, found)
    lowered = [LeverStep(power_limit_w=w, clocks_mhz=locked) for w in powers]
    if not lowered and locked is not None:
        lowered = [LeverStep(clocks_mhz=locked)]
    return (LeverStep(), *lowered)


def _powers_w(settings: ThermalSettings, found: LeverState) -> list[float]:
    wish, now_w = settings.power_limit_w, found.power_limit_w
    if wish is None or now_w is None:
        return []
    floor_w = max(wish.min, found.least_power_w or 0.0)
    powers: list[float] = []
    while now_w - wish.step > floor_w:
        now_w -= wish.step
        powers.append(now_w)
    return [*powers, floor_w] if floor_w < now_w else powers


class Stair:
    """Which step holds, stepped by one look at a time.

              warm for a dwell, or jobs slowed for 2 s          hot
        ┌──────────────┐ ──────────► ┌─────────────┐ ──────────► ┌────────┐
        │ as it was    │             │ some steps  │             │ lowest │
        │ found        │ ◄────────── │ lower       │ ◄────────── │ step   │
        └──────────────┘             └─────────────┘             └────────┘
                          cool for 30 s: one step up

    Warm but cooling (below the threshold, within its hysteresis) and unseen: stays.
    Pure: the caller brings the time and does what the step says.
    """

    def __init__(
        self, steps: Sequence[LeverStep], *, warm_c: float, dwell_s: float
    ) -> None:
        self.steps = tuple(steps)
        self._warm_c, self._dwell_s = warm_c, dwell_s
        self._since_s: float | None = None
        """From when on what speaks for a change has held."""
        self._way = 0
        self.level = 0

    @property
    def now(self) -> LeverStep:
        """The step that holds."""
        return self.steps[self.level]

    def step(
        self,
        now_s: float,
        state: ThermalState,
        temperature_c: float | None,
        *,
        duty: float,
        goal_c: float,
    ) -> LeverStep:
        """Take one look and say what is to be set.

        `state` is the one that is obeyed, `duty` the share of the time that a job
        may work, `goal_c` what the device is held at where jobs would pass it.
        """
        if state is ThermalState.HOT:
            self.level, self._way = len(self.steps) - 1, 0
            return self.now
        is_slowed = duty < _FREE_DUTY and (temperature_c or 0.0) >= goal_c - NEAR_C
        way, wait_s = self._wish(state, temperature_c, is_slowed=is_slowed)
        if way != self._way:
            self._way, self._since_s = way, now_s
        since_s = now_s if self._since_s is None else self._since_s
        if way and now_s - since_s >= wait_s:
            self.level = min(max(self.level + way, 0), len(self.steps) - 1)
            self._since_s = now_s
        return self.now

    def _wish(
        self, state: ThermalState, temperature_c: float | None, *, is_slowed: bool
    ) -> tuple[int, float]:
        """One down (1), one up (-1) or none, and after how many seconds."""
        if temperature_c is None or state is ThermalState.BLIND:
            return 0, 0.0
        if is_slowed:
            return 1, PRESSED_S
        if state is ThermalState.WARM:
            return (1, self._dwell_s) if temperature_c >= self._warm_c else (0, 0.0)
        return -1, CALM_S
