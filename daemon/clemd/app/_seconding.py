"""A second engine is asked where the first one left a result in doubt.

result in review ──► job ──► another engine, when nothing else is to be done
│ gives way at every breathing point
▼
the same result again, with what the other one says of it
"""

from __future__ import annotations

from typing import Any

import structlog

from clemd.jobs import Lease
from clemd.model import Registration, Verdict
from clemd.seconding import CLIMBING, compared, guess_for, second_engine
from clemd.store import FrameRow, RegistrationRow

from ._holding import Holding
from ._house import House
from ._kinds import EXPORT, SECOND
from ._urgency import DOUBTED, LATER

GRACE_S = 30.0
"""After its time the engine ends in words, at the next breathing point; a worker that
has not by then hangs."""
_log = structlog.get_logger(__name__)


class Seconding:
    """From a result in doubt to the other engine's word about it."""

    def __init__(self, house: House, hold: Holding, *, request: dict[str, Any]) -> None:
        self._house = house
        self._hold = hold
        self._request = request

    @property
    def limit_s(self) -> float:
        """When a worker that is still at it hangs."""
        return self._house.profile.registration.second_limit_s + GRACE_S

    def ask(self, registration_id: str, found: Registration) -> None:
        """Queue the question, in the transaction that keeps the result."""
        settings = self._house.profile.registration
        engine = second_engine(found, settings.second_engine, settings.engine)
        if engine is None:
            return
        self._house.metrics.jobs_queued.inc()
        job_id = self._house.queue.enqueue(
            SECOND,
            f"second:{registration_id}",
            {"registration_id": registration_id, "engine": engine},
            priority=DOUBTED,
        )
        job = self._house.queue.job(job_id)
        if job is not None and job.state == "queued":
            self._hold.announce(job, "queued")

    def is_wanted(self, row: RegistrationRow) -> bool:
        """Does the doubt still stand, and does anybody need to know?"""
        if row.second is not None or row.decided_by != "engine":
            return False
        results = self._house.store.registrations(em_frame_id=row.em_frame_id)
        return not any(one.verdict is Verdict.ACCEPTED for one in results)

    def request(self, lease: Lease, row: RegistrationRow) -> dict[str, Any]:
        """What the worker is asked."""
        settings = self._house.profile.registration
        engine = lease.payload["engine"]
        return self._request | {
            "engine": engine,
            "expected": guess_for(engine, row.registration),
            "time_limit_s": settings.second_limit_s,
            # who goes on from a checkpoint has used that time; who begins anew has not
            "spent_s": (
                self._house.store.busy_s(lease.job_id) if engine in CLIMBING else 0.0
            ),
            "afresh": True,
        }

    def keep(
        self, lease: Lease, row: RegistrationRow, em: FrameRow, answer: Registration
    ) -> None:
        """The answer, the message and the end of the job: one transaction."""
        store = self._house.store
        second = compared(row.registration, answer, em.frame.shape)
        with store.transaction():
            if store.add_second(row.id, second):
                store.announce(store.registration_message(row.id), session=row.session)
                self._house.queue.enqueue(
                    EXPORT,
                    f"report:{row.id}",
                    {"registration_id": row.id, "report_only": True},
                    priority=LATER,
                )
            self._house.queue.finish(lease)
            self._hold.announce(lease, "done")
        self._house.metrics.jobs_done.inc()
        self._house.committed()
        _log.info(
            "second_engine",
            em=em.frame.path,
            first=row.registration.engine,
            second=answer.engine,
            agreement=second.agreement.value,
            apart_lm_px=second.apart_lm_px and round(second.apart_lm_px, 2),
            seconds=round(answer.seconds.total, 2),
        )
