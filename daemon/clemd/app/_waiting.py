"""What a job says that heat has put off, while others have their turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clemd.jobs import JobRow
from clemd.thermal import Admission

from ._holding import Holding, estimate
from ._house import House
from ._kinds import ON_DEVICE

MOST = 20
"""As many as `clemd status` lists."""
FRESH = timedelta(seconds=30)
"""Who has said why it waits so lately is left alone."""
_WAITS = "waits"
"""So begins what heat says to a job that must wait, and nothing else does."""
ITS_TURN = f"{_WAITS} for its turn"


def renew_reasons(house: House) -> None:
    """Say anew why each job waits that heat has put off.

    The head of the queue is told by `Holding` whenever it is decided about. Without
    this, all of them would go on naming the temperature at which they were put off for
    as long as somebody else works.
    """
    put_off = house.queue.jobs(("deferred",), limit=MOST)
    stale = [job for job in put_off if _is_heats(job) and _is_stale(job)]
    if not stale:
        return
    hold = Holding(house)
    with house.store.transaction():
        for job in stale:
            _renew(house, hold, job)
    house.committed()


def _renew(house: House, hold: Holding, job: JobRow) -> None:
    decision = house.guard.foretell(job)
    must_wait = decision.admission is Admission.DEFER
    said = decision.sentence if must_wait else ITS_TURN
    house.queue.hold(job.id, said)
    if said != job.reason:
        wait_s = estimate(decision) if must_wait else None
        hold.announce(job, "deferred", said, wait_s=wait_s)


def _is_heats(job: JobRow) -> bool:
    return job.kind in ON_DEVICE and job.reason.startswith(_WAITS)


def _is_stale(job: JobRow) -> bool:
    return datetime.now(UTC) - datetime.fromisoformat(job.updated_at) >= FRESH
