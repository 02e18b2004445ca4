"""How long a registration may take and how much memory it may hold.

Limits are looked at where an engine breathes, between pieces of work that are short
and small; what the first piece needs is estimated before it is allocated. A process
that is stopped by the kernel instead says nothing to the operator.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import psutil

from clemd.errors import RegistrationRefusedError

from ._engine import EngineContext

GB = 1e9
ENGINE_BYTES = 350 << 20
"""What the search and the witnesses add at most; they never see a whole image."""
BYTES_PER_WORKING_PX = 30
"""Greys, masks, equalised layer and their transients, for each prepared px."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Ends a registration in words, from the moment this is made."""

    time_s: float
    memory_bytes: float | None = None
    """Resident bytes of this process; None = what the machine has."""
    started_s: float = field(default_factory=time.monotonic)

    def check(self, stage: str, *, paused_s: float = 0.0) -> None:
        """End here if a limit is reached; `paused_s` of the time was not spent on it.

        Raises:
            RegistrationRefusedError: it is; says which, where and what to do.
        """
        spent_s = time.monotonic() - self.started_s - paused_s
        if spent_s > self.time_s:
            raise RegistrationRefusedError(
                f"not found within {self.time_s:g} s ({_place(stage)}): raise the time "
                "limit, or state the pixel-size ratio so that there is less to search"
            )
        if self.memory_bytes is not None:
            held = resident_bytes()
            if held > self.memory_bytes:
                raise RegistrationRefusedError(_too_much(held, self.memory_bytes))

    def check_fits(self, working_px: int) -> None:
        """Refuse `working_px` px of prepared layers before they are allocated.

        Raises:
            RegistrationRefusedError: they would not fit.
        """
        if self.memory_bytes is None:
            return
        needed = resident_bytes() + working_px * BYTES_PER_WORKING_PX + ENGINE_BYTES
        if needed > self.memory_bytes:
            raise RegistrationRefusedError(_too_much(needed, self.memory_bytes))


def keeping_limits(context: EngineContext) -> EngineContext:
    """`context` whose breathing points also hold its time limit, counted from now."""
    limits = Limits(time_s=context.time_limit_s)
    return replace(context, breathe=breathing_within(limits, context.breathe))


def breathing_within(
    limits: Limits, breathe: Callable[[str], None]
) -> Callable[[str], None]:
    """`breathe`, and a look at the limits before; its pauses do not count as time."""
    paused_s = 0.0

    def both(stage: str) -> None:
        nonlocal paused_s
        limits.check(stage, paused_s=paused_s)
        began_s = time.monotonic()
        breathe(stage)
        paused_s += time.monotonic() - began_s

    return both


def resident_bytes() -> int:
    """Memory that this process holds, its mapped files included."""
    return int(psutil.Process().memory_info().rss)


def _place(stage: str) -> str:
    return {
        "prepare": "ended while preparing the images",
        "search": "ended while searching",
        "rank": "ended while ranking what the search had found",
        "verdict": "ended before the verdict",
    }.get(stage, f"ended at: {stage}")


def _too_much(bytes_: float, limit: float) -> str:
    return (
        f"needs about {bytes_ / GB:.1f} GB of memory, {limit / GB:g} GB are allowed: "
        "raise the memory limit or export smaller images"
    )
