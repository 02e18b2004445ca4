"""The operator's own word, for a while."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from clemd.errors import UsageError

LONGEST_S = 8 * 3600.0


class Wish(StrEnum):
    """What the operator may ask for."""

    ALLOW = "allow"
    """Jobs may start although they were forecast to be throttled, or nothing is seen.
    The limit stays: no wish lifts it while the device can be seen."""
    PAUSE = "pause"
    """No work on the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A wish and its end."""

    wish: Wish
    until_s: float
    """On the governor's clock."""
    by: str = ""
    """Who asked."""

    @classmethod
    def of(cls, wish: str, *, seconds: float, now_s: float, by: str = "") -> Override:
        """A wish as it comes from the page or the bus.

        Raises:
            UsageError: no such wish, or no sensible duration.
        """
        if wish not in set(Wish):
            raise UsageError(
                "no such override", str(wish), f"choose one of {', '.join(Wish)}, none"
            )
        if not 0 < seconds <= LONGEST_S:
            raise UsageError(
                "an override must end",
                f"{seconds:g} s",
                f"choose more than 0 and at most {LONGEST_S:g} s",
            )
        return cls(wish=Wish(wish), until_s=now_s + seconds, by=by)
