"""The jobs of a trace, and what became of them."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from clemd.thermal import Priority

CPU_FACTOR = 8.0
"""The CPU takes so much longer."""


@dataclass(slots=True, kw_only=True)
class Played:
    """What happened."""

    highest_c: float = -math.inf
    """Of the device itself, not of the thermometer."""
    blind_excess_c: float | None = None
    """Highest above the limit while the governor knew that it saw nothing, and higher
    than when that began; None where it never was unseen."""
    worked_s: float = 0.0
    """Of our work on the device, until the trace ends."""
    changes_s: list[float] = field(default_factory=list)
    """When the shown state changed."""
    begun: int = 0
    ended: int = 0
    deferrals: int = 0
    on_cpu: int = 0
    longest_wait_s: float = 0.0
    """Of a job from its start or first deferral to its end."""


@dataclass(slots=True)
class Job:
    priority: Priority
    left_s: float
    came_s: float
    first_deferred_s: float | None = None
    not_before_s: float = 0.0


def draw_job(rng: random.Random, now_s: float) -> Job:
    """Any priority, 2 to 60 s of work."""
    priority = rng.choice((Priority.NOW, Priority.NEXT, Priority.AGAIN))
    work_s = math.exp(rng.uniform(math.log(2.0), math.log(60.0)))
    return Job(priority, round(work_s, 1), now_s)
