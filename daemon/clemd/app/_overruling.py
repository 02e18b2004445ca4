"""What a person says about pairs holds over rules and pixels, and can be taken back."""

from __future__ import annotations

from clemd.model import PairProposal, Verdict
from clemd.pairing import State
from clemd.store import PairRow, RegistrationRow

from ._house import House
from ._learning import Learning
from ._matching import Matching

BY_OPERATOR = "put together by the operator"
ELSEWHERE = "the operator put this image on another map"
NEVER = "the operator said that the two do not belong together"


class Overruling:
    """All methods must run inside a transaction of the store."""

    def __init__(self, house: House, learning: Learning, matching: Matching) -> None:
        self._house = house
        self._learning = learning
        self._matching = matching

    def choose(self, em_frame_id: str, lm_frame_id: str) -> tuple[str, int]:
        """A person puts an image on a map; (pair id, job id)."""
        store = self._house.store
        for pair in store.pairs(em_frame_id=em_frame_id):
            if pair.lm_frame_id != lm_frame_id:
                self.set_aside(pair, ELSEWHERE)
        pair_id = store.add_pair(
            PairProposal(
                em_frame_id=em_frame_id,
                lm_frame_id=lm_frame_id,
                score=1e4,
                reasons=(BY_OPERATOR,),
            )
        )
        pair = store.pair(pair_id)
        if pair.state == "overruled":
            self._take_back(pair, NEVER)
        store.set_pair_state(pair_id, "proposed", (BY_OPERATOR, *pair.reasons))
        self._matching.tell_pair(store.pair(pair_id))
        store.add_decision(
            em_frame_id,
            State.OVERRULED.value,
            partner_id=lm_frame_id,
            reasons=(BY_OPERATOR,),
        )
        return pair_id, self._matching.enqueue_registration(pair_id)

    def forbid(self, em_frame_id: str, lm_frame_id: str) -> str:
        """A person says that two do not belong together; the pair's id."""
        store = self._house.store
        pair_id = store.add_pair(
            PairProposal(
                em_frame_id=em_frame_id,
                lm_frame_id=lm_frame_id,
                score=0.0,
                reasons=(NEVER,),
            ),
            state="overruled",
        )
        self.set_aside(store.pair(pair_id), NEVER)
        if store.chosen_map(em_frame_id) == lm_frame_id:
            store.add_decision(em_frame_id, State.WAITING.value, reasons=(NEVER,))
        self._matching.consider(em_frame_id)
        return pair_id

    def release(self, em_frame_id: str) -> None:
        """A person takes back what was said about an image: the rules hold again."""
        store = self._house.store
        for pair in store.pairs(em_frame_id=em_frame_id, state="overruled"):
            self._take_back(pair, ELSEWHERE, NEVER)
        store.add_decision(
            em_frame_id, State.WAITING.value, reasons=("left to the rules again",)
        )
        self._matching.consider(em_frame_id)

    def set_aside(self, pair: PairRow, reason: str = "") -> None:
        """A pair that a person does not want, its results with it."""
        reason = reason or pair.reasons[0]
        store = self._house.store
        if pair.state != "overruled":
            store.set_pair_state(pair.id, "overruled", (reason, *pair.reasons))
            self._matching.tell_pair(store.pair(pair.id))
        for row in store.registrations(pair_id=pair.id):
            if row.verdict is not Verdict.REJECTED:
                self._overrule(row, "operator", reason)

    def _take_back(self, pair: PairRow, *said: str) -> None:
        """Undo `_set_aside`, without touching other words of the operator."""
        store = self._house.store
        left = tuple(r for r in pair.reasons if r not in said) or pair.reasons
        rows = store.registrations(pair_id=pair.id)
        store.set_pair_state(pair.id, "done" if rows else "proposed", left)
        self._matching.tell_pair(store.pair(pair.id))
        for row in rows:
            if row.decided_by == "operator" and row.decided_reason in said:
                self._overrule(row, "engine", "")
        if not rows:
            self._matching.enqueue_registration(pair.id)

    def _overrule(self, row: RegistrationRow, by: str, reason: str) -> None:
        store = self._house.store
        changed = store.overrule(row.id, Verdict.REJECTED, by=by, reason=reason)
        if changed.verdict is Verdict.ACCEPTED:
            self._learning.learn(changed)
        else:
            self._learning.unlearn(changed, reason or "left to the rules again")
        for other in store.registrations(em_frame_id=row.em_frame_id):
            store.announce(store.registration_message(other.id), session=row.session)
