"""The temperatures of the last hours, so that a result can say how hot it was made."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    temperature_c: float | None
    is_throttled: bool


class ThermalHistory:
    """The last `length` looks; older ones are forgotten.

    `longest_gap_s` bounds how long one look speaks for the time after it.
    """

    def __init__(self, *, length: int = 7200, longest_gap_s: float = 5.0) -> None:
        self._looks: deque[_Look] = deque(maxlen=length)
        self._longest_gap_s = longest_gap_s

    def note(
        self, at_s: float, temperature_c: float | None, *, is_throttled: bool
    ) -> None:
        """Add one look; times must not go backwards."""
        self._looks.append(_Look(at_s, temperature_c, is_throttled))

    def highest_between(self, start_s: float, end_s: float) -> float | None:
        """The highest temperature seen from `start_s` to `end_s`; None if none was.

        The last look before the start counts too: the device was that warm then.
        """
        values = [
            look.temperature_c
            for look in self._between(start_s, end_s)
            if look.temperature_c is not None
        ]
        return max(values, default=None)

    def throttled_between(self, start_s: float, end_s: float) -> float:
        """Seconds of that time in which the device slowed itself."""
        looks = list(self._between(start_s, end_s))
        ends = [look.at_s for look in looks[1:]] + [end_s]
        total_s = 0.0
        for look, next_s in zip(looks, ends, strict=True):
            until_s = min(next_s, end_s, look.at_s + self._longest_gap_s)
            if look.is_throttled:
                total_s += max(0.0, until_s - max(look.at_s, start_s))
        return total_s

    def recent(self, *, since_s: float) -> tuple[tuple[float, float | None], ...]:
        """(time, temperature) of every look at or after `since_s`, oldest first."""
        return tuple(
            (look.at_s, look.temperature_c)
            for look in self._looks
            if look.at_s >= since_s
        )

    def _between(self, start_s: float, end_s: float) -> list[_Look]:
        looks = list(self._looks)
        times = [look.at_s for look in looks]
        first = bisect_left(times, start_s)
        if first > 0 and start_s - times[first - 1] <= self._longest_gap_s:
            first -= 1
        return looks[first : bisect_right(times, end_s)]
