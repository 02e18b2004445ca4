"""Pairing at work: decide, keep the reasons, tell everyone, ask for registrations."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from clemd.clicked import Points
from clemd.messages import PairMessage
from clemd.model import PairProposal, Side, Verdict
from clemd.pairing import Decision, State, Tried, decide, weighed
from clemd.store import PairRow

from ._house import House
from ._kinds import REGISTER
from ._known import KnownFrames
from ._learning import Learning
from ._urgency import AGAIN, FIRST, NEW

_VERDICTS = {
    Verdict.ACCEPTED: Tried.ACCEPTED,
    Verdict.REVIEW: Tried.REVIEW,
    Verdict.REJECTED: Tried.REJECTED,
}
MOST_TOLD = 20
"""Images that a new map does not fit, but whose words for waiting are renewed."""
_UNDECIDED = (State.WAITING, State.TRYING, State.EXHAUSTED)


class Matching:
    """Draws every decision anew from the database; keeps nothing but a cache.

    All methods must run inside a transaction of the store.
    """

    def __init__(self, house: House, learning: Learning, *, request_key: str) -> None:
        self._house = house
        self._learning = learning
        self._settings = house.profile.pairing
        self._request_key = request_key
        """Names the registration parameters: other parameters are other work."""
        self.known = KnownFrames(house.store, self._settings)

    def came(self, frame_id: str) -> None:
        """A new frame: find its partners, or say what it waits for."""
        if self.known.arrived(frame_id).side is Side.EM:
            self.consider(frame_id)
            return
        store = self._house.store
        undecided = {
            row.frame_id
            for state in _UNDECIDED
            for row in store.newest_decisions(state.value)
        }
        stage, mixed = self._stage(), self.known.mixed()
        new, told = self.known.arrived(frame_id), 0
        for em in self.known.of_side(Side.EM):
            if em.frame_id not in undecided:
                continue
            if weighed(em, new, self._settings, stage).is_excluded:
                told += 1  # it waits on; what for is told anew to the newest
                if told > MOST_TOLD:
                    continue
            self._apply(self._decision(em.frame_id, stage, mixed))
        if not store.pairs(lm_frame_id=frame_id, limit=1):
            self._wait_for_images(frame_id)

    def consider(self, em_frame_id: str) -> None:
        """Something about an EM image has changed: decide again."""
        self._apply(self._decision(em_frame_id, self._stage(), self.known.mixed()))

    def enqueue_again(self, pair_id: str) -> int:
        """Queue a pair that has results already; the new one is kept beside them."""
        results = len(self._house.store.registrations(pair_id=pair_id))
        key = f"{self.key_of(pair_id)}:again-{results}"
        return self._enqueue(key, {"pair_id": pair_id}, AGAIN)

    def enqueue_placing(self, pair_id: str, points: Points) -> int:
        """Queue a pair laid by hand; the same points only once."""
        said = sha256(json.dumps(points).encode()).hexdigest()[:16]
        key = f"place:{pair_id}:{said}:{self._request_key}"
        return self._enqueue(key, {"pair_id": pair_id, "points": points}, FIRST)

    def _enqueue(self, key: str, payload: dict[str, Any], priority: int) -> int:
        self._house.metrics.jobs_queued.inc()
        return self._house.queue.enqueue(REGISTER, key, payload, priority=priority)

    def key_of(self, pair_id: str) -> str:
        """Names the work: this pair with these parameters."""
        return f"register:{pair_id}:{self._request_key}"

    def enqueue_registration(self, pair_id: str) -> int:
        """Queue the registration of one pair; the same work only once."""
        queue = self._house.queue
        job_id = self._enqueue(self.key_of(pair_id), {"pair_id": pair_id}, NEW)
        job = queue.job(job_id)
        results = self._house.store.registrations(pair_id=pair_id, limit=1)
        if job is not None and job.state not in {"queued", "leased"} and not results:
            queue.retry(job_id)
        return job_id

    def _stage(self) -> Callable[[str, str], float | None]:
        mapped = {row.lm_frame_id for row in self._house.store.transforms()}

        def share(em_frame_id: str, lm_frame_id: str) -> float | None:
            if lm_frame_id not in mapped:
                return None
            return self._learning.share_on(
                self.known.row(em_frame_id), self.known.row(lm_frame_id)
            )

        return share

    def _decision(
        self,
        em_frame_id: str,
        stage: Callable[[str, str], float | None],
        mixed: frozenset[str],
    ) -> Decision:
        store = self._house.store
        return decide(
            self.known.arrived(em_frame_id),
            self.known.of_side(Side.LM),
            self._settings,
            tried={
                pair.lm_frame_id: self._became(pair)
                for pair in store.pairs(em_frame_id=em_frame_id)
            },
            chosen=store.chosen_map(em_frame_id),
            mixed=mixed,
            stage=stage,
        )

    def _became(self, pair: PairRow) -> Tried:
        if pair.state == "overruled":
            return Tried.FORBIDDEN
        results = self._house.store.registrations(pair_id=pair.id)
        if not results:
            return Tried.REJECTED if pair.state == "done" else Tried.OPEN
        holds = min(results, key=lambda row: list(_VERDICTS).index(row.verdict))
        return _VERDICTS[holds.verdict]

    def _apply(self, decision: Decision) -> None:
        store = self._house.store
        if decision.state is State.OVERRULED:
            return
        if decision.session is not None:
            store.move_to_session(decision.em_frame_id, decision.session)
            self.known.forget(decision.em_frame_id)
        is_new = store.add_decision(
            decision.em_frame_id,
            decision.state.value,
            partner_id=decision.lm_frame_id,
            doubt=decision.doubt,
            reasons=decision.reasons,
            left_out={one.lm_frame_id: one.reason for one in decision.left_out},
        )
        for proposal in decision.tries:
            self._try(proposal, decision.doubt)
        if is_new and decision.state is State.SETTLED and decision.lm_frame_id:
            self._tell_doubt(decision.em_frame_id, decision.lm_frame_id, decision.doubt)
        if is_new and decision.state in {State.WAITING, State.EXHAUSTED}:
            self._house.store.announce(
                PairMessage(
                    em_frame_id=decision.em_frame_id,
                    state="waiting",
                    reasons=decision.reasons,
                    doubt=decision.doubt,
                ),
                session=self.known.row(decision.em_frame_id).session,
            )

    def _tell_doubt(self, em_frame_id: str, lm_frame_id: str, doubt: str) -> None:
        """The pixels have spoken: is it surer now on which map the image lies?"""
        for pair in self._house.store.pairs(em_frame_id=em_frame_id):
            if pair.lm_frame_id == lm_frame_id and pair.state != "overruled":
                self.tell_pair(pair, doubt)

    def _try(self, proposal: PairProposal, doubt: str) -> None:
        store = self._house.store
        pair_id = store.add_pair(proposal)
        self.tell_pair(store.pair(pair_id), doubt)
        em, lm = (
            self.known.row(i) for i in (proposal.em_frame_id, proposal.lm_frame_id)
        )
        self._learning.announce(em, lm)
        self.enqueue_registration(pair_id)

    def tell_pair(self, pair: PairRow, doubt: str = "") -> None:
        self._house.store.announce(
            PairMessage.model_validate(
                {
                    "pair_id": pair.id,
                    "em_frame_id": pair.em_frame_id,
                    "lm_frame_id": pair.lm_frame_id,
                    "state": pair.state,
                    "reasons": pair.reasons,
                    "doubt": doubt,
                }
            ),
            session=self.known.row(pair.em_frame_id).session,
        )

    def _wait_for_images(self, lm_frame_id: str) -> None:
        store = self._house.store
        some = bool(store.frame_ids(Side.EM.value, 1))
        reason = "no EM image fits it yet" if some else "no EM image has arrived yet"
        if store.add_decision(lm_frame_id, State.WAITING.value, reasons=(reason,)):
            store.announce(
                PairMessage(
                    lm_frame_id=lm_frame_id, state="waiting", reasons=(reason,)
                ),
                session=self.known.row(lm_frame_id).session,
            )
