"""What an operator or a program may ask the running daemon to do."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from clemd.errors import UsageError
from clemd.messages import PairMessage
from clemd.model import PairProposal, Verdict, display_name
from clemd.sessions import target
from clemd.store import NoSuchRecordError

from ._house import House
from ._intake import Intake
from ._learning import Learning
from ._views import Views


class Commands:
    """Verbs of the page and the bus; each is checked, kept and announced."""

    def __init__(
        self, house: House, intake: Intake, views: Views, learning: Learning
    ) -> None:
        self._house = house
        self._learning = learning
        self._intake = intake
        self._views = views
        self.verbs: dict[str, Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]] = {
            "status": self._status,
            "accept": self._accept,
            "reject": self._reject,
            "undo": self._undo,
            "pair": self._pair,
            "retry": self._retry,
            "target": self._target,
        }

    async def __call__(self, verb: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Carry out one command.

        Raises:
            UsageError: unknown verb, missing or wrong argument.
        """
        if verb not in self.verbs:
            raise UsageError(
                f"unknown command {verb!r}", "", f"use one of {', '.join(self.verbs)}"
            )
        try:
            return await self.verbs[verb](arguments)
        except NoSuchRecordError as missing:
            raise UsageError(str(missing), verb, "check the id") from missing

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._views.health()

    async def _accept(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, Verdict.ACCEPTED)

    async def _reject(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, Verdict.REJECTED)

    async def _undo(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return self._overrule(arguments, None)

    def _overrule(
        self, arguments: dict[str, Any], verdict: Verdict | None
    ) -> dict[str, Any]:
        store = self._house.store
        row = store.registration(_text(arguments, "registration_id"))
        if verdict is Verdict.ACCEPTED and row.registration.em_to_lm is None:
            raise UsageError(
                "a rejected result has no matrix to accept",
                row.id,
                "retry the pair",
            )
        by = "engine" if verdict is None else "operator"
        with store.transaction():
            changed = store.overrule(
                row.id,
                verdict or row.registration.verdict,
                by=by,
                reason=display_name(
                    str(arguments.get("reason", ""))[:200].encode(
                        "utf-8", "backslashreplace"
                    )
                ),
            )
            if changed.verdict is Verdict.ACCEPTED:
                self._learning.learn(changed)
                self._learning.compare_maps(changed)
            else:
                self._learning.unlearn(changed, f"{by} says: {changed.verdict.value}")
            for other in store.registrations(em_frame_id=row.em_frame_id):
                store.announce(
                    store.registration_message(other.id), session=row.session
                )
        self._house.committed()
        return {"registration_id": row.id, "verdict": changed.verdict.value}

    async def _pair(self, arguments: dict[str, Any]) -> dict[str, Any]:
        em = self._house.store.frame(_text(arguments, "em_frame_id"))
        lm = self._house.store.frame(_text(arguments, "lm_frame_id"))
        if (em.side, lm.side) != ("em", "lm"):
            raise UsageError(
                "a pair is one EM and one LM frame",
                f"{em.side}, {lm.side}",
                "swap them",
            )
        reasons = ("put together by the operator",)
        with self._house.store.transaction():
            pair_id = self._house.store.add_pair(
                PairProposal(
                    em_frame_id=em.id, lm_frame_id=lm.id, score=100.0, reasons=reasons
                )
            )
            self._house.store.announce(
                PairMessage(
                    pair_id=pair_id,
                    em_frame_id=em.id,
                    lm_frame_id=lm.id,
                    state="proposed",
                    reasons=reasons,
                ),
                session=em.session,
            )
            job_id = self._intake.enqueue_registration(pair_id)
        self._house.committed()
        return {"pair_id": pair_id, "job_id": job_id}

    async def _retry(self, arguments: dict[str, Any]) -> dict[str, Any]:
        job_id = arguments.get("job_id")
        if type(job_id) is not int or not 0 < job_id < 1 << 62:
            raise UsageError("retry needs a job_id", repr(job_id), "give a number")
        if not self._house.queue.retry(job_id):
            raise UsageError("no such job, or it is running", str(job_id), "wait")
        self._house.committed()
        return {"job_id": job_id}

    async def _target(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """Where the stage has to go so that an LM point is in the middle."""
        session = _text(arguments, "session")
        lm = self._house.store.frame(_text(arguments, "lm_frame_id"))
        point = arguments.get("lm_px")
        if (
            not isinstance(point, list)
            or len(point) != 2
            or not all(type(v) in (int, float) and math.isfinite(v) for v in point)
        ):
            raise UsageError("lm_px is not a point", repr(point), "give [x, y] in px")
        found = target(
            self._learning.session(session, lm.id), (float(point[0]), float(point[1]))
        )
        return {
            "stage_um": list(found.stage_um),
            "radius_um": asdict(found.radius_um),
            "field_um": found.field_um,
        }


def _text(arguments: dict[str, Any], name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise UsageError(f"{name} is missing", repr(value), "give the id as text")
    return value


def _reason(arguments: dict[str, Any]) -> str:
    """The operator's words, made fit for one line."""
    said = str(arguments.get("reason", ""))[:200]
    return display_name(said.encode("utf-8", "backslashreplace"))
