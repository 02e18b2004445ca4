"""What was decided about a job, in numbers and in one sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from clemd.model import ThermalState


class Priority(IntEnum):
    """Who goes first where not all can go."""

    NOW = 0
    """The frame that the operator is looking at."""
    NEXT = 1
    """What the instrument exported."""
    AGAIN = 2
    """Re-runs of what has a result already."""


class Admission(StrEnum):
    """What a job may do."""

    ADMIT = "admit"
    """Start, at full speed."""
    THROTTLE = "throttle"
    """Start, and pause at breathing points."""
    DEFER = "defer"
    """Wait: back into the queue."""
    CPU = "cpu"
    """Run on the CPU instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalJob:
    """What is known of a job before it starts."""

    priority: Priority = Priority.NEXT
    work_s: float = 10.0
    """Seconds of work at full duty, as such jobs took before."""
    waited_s: float = 0.0
    """Since it was first deferred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalDecision:
    """A decision about one job at one moment."""

    admission: Admission
    state: ThermalState
    """That was obeyed, which may be worse than the one shown."""
    sentence: str
    """For the operator."""
    duty: float = 1.0
    """Expected share of the time that the device will work for the job."""
    wait_s: float | None = None
    """When to ask again; None = it may start, or nobody knows."""
    is_estimate: bool = True
    """`wait_s` follows from what is known of the device, or from the operator's word;
    else it is only a time after which to ask again."""
    lasting_s: float | None = None
    """Estimated time from start to end, pauses included."""
    peak_c: float | None = None
    """Highest temperature forecast at full speed, margin included."""

    @property
    def may_start(self) -> bool:
        """On this device, now."""
        return self.admission in {Admission.ADMIT, Admission.THROTTLE}


def in_words(seconds: float) -> str:
    """A duration as people say it.

    >>> in_words(42), in_words(200), in_words(7000)
    ('about 40 s', 'about 3 min', 'about 2 h')
    """
    if seconds < 90:
        return f"about {max(5, 5 * round(seconds / 5))} s"
    if seconds < 5400:
        return f"about {round(seconds / 60)} min"
    return f"about {round(seconds / 3600)} h"
