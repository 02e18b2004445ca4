"""Who goes first: the priorities of jobs in the queue, the larger the sooner."""

from __future__ import annotations

from clemd.thermal import Priority

FIRST = 30
"""What the operator is looking at."""
NEW = 10
"""What the instrument exported."""
AGAIN = 5
"""Re-runs of what has a result already."""
DOUBTED = 3
"""A second engine, where the first one left a result in doubt."""
LATER = 1
"""Further files of a result."""


def rank_of(priority: int) -> Priority:
    """What heat makes of a priority."""
    if priority >= FIRST:
        return Priority.NOW
    return Priority.NEXT if priority >= NEW else Priority.AGAIN
