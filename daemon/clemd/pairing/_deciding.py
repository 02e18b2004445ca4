"""Which maps to try next for one EM image, and how sure that is.

              nothing fits                 a try was accepted
    waiting ◄────────────── trying ──────────────────────────► settled
       ▲ │                   │  ▲                                 ▲
       │ └───────────────────┘  │ a better map came               │
       │   a map came that fits │                                 │
       └──────────────────── exhausted            overruled ──────┘
          another map came   (all that fit were tried)  (a person said so)

A decision is drawn anew from the facts whenever one of them changes; nothing is
remembered between two of them but what was tried and what a person said.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from clemd.config import PairingSettings

from ._arrived import Arrived
from ._candidates import Candidate, LeftOut, candidates
from ._clues import StageShare
from ._decision import Decision, State
from ._doubting import Tried, doubt_of, doubt_of_accepted, missing, session_from


def decide(
    em: Arrived,
    maps: Sequence[Arrived],
    settings: PairingSettings,
    *,
    tried: Mapping[str, Tried] | None = None,
    chosen: str | None = None,
    mixed: Collection[str] = (),
    stage: StageShare = lambda _em, _lm: None,
) -> Decision:
    """Decide about `em`.

    Args:
        em: the image.
        maps: every LM map on record.
        settings: the profile's.
        tried: LM frame id -> what became of the pair.
        chosen: the map that a person has put it on.
        mixed: sessions that hold several specimens.
        stage: what the stage says.
    """
    tried = tried or {}
    if chosen is not None:
        return Decision(
            em_frame_id=em.frame_id,
            state=State.OVERRULED,
            lm_frame_id=chosen,
            reasons=("put together by the operator",),
        )
    allowed = [lm for lm in maps if tried.get(lm.frame_id) is not Tried.FORBIDDEN]
    fit, left = candidates(em, allowed, settings, stage)
    left += [
        LeftOut(lm_frame_id=lm, reason="the operator said that they do not belong")
        for lm, state in tried.items()
        if state is Tried.FORBIDDEN
    ]
    doubt = doubt_of(em, fit, mixed)
    if settled := _settled(em, fit, left, settings, tried):
        return settled
    if not fit:
        return Decision(
            em_frame_id=em.frame_id,
            state=State.WAITING,
            doubt="no map fits",
            reasons=(missing(em, maps, left),),
            left_out=tuple(left),
        )
    return _next(em, fit, left, settings, tried, doubt)


def _next(
    em: Arrived,
    fit: list[Candidate],
    left: list[LeftOut],
    settings: PairingSettings,
    tried: Mapping[str, Tried],
    doubt: str,
) -> Decision:
    fresh = [one for one in fit if one.lm.frame_id not in tried]
    is_open = sum(state is Tried.OPEN for state in tried.values())
    spent = sum(state is not Tried.FORBIDDEN for state in tried.values())
    room = _room(settings, tried)
    if not doubt and fit[0] in fresh:
        room = min(room, 1)  # nothing else is in question until the pixels say no
    elif not doubt and tried.get(fit[0].lm.frame_id) is Tried.OPEN:
        room = 0
    tries = tuple(one.proposal(em, doubt) for one in fresh[: max(0, room)])
    best = _best(fit, tried)
    if not doubt and tried.get(fit[0].lm.frame_id) is Tried.REJECTED:
        doubt = "the pixels do not confirm what the files say"
    if not tries and not is_open:
        some = "map was" if spent == 1 else "maps were"
        reason = f"{spent} {some} tried, none was accepted; waiting for another map"
        return Decision(
            em_frame_id=em.frame_id,
            state=State.EXHAUSTED,
            lm_frame_id=best.lm.frame_id,
            doubt=doubt or "no try was accepted",
            reasons=(reason, *best.proposal(em, "").reasons),
            left_out=(*left, *(_left(one) for one in fresh)),
        )
    return Decision(
        em_frame_id=em.frame_id,
        state=State.TRYING,
        tries=tries,
        lm_frame_id=best.lm.frame_id,
        doubt=doubt,
        reasons=best.proposal(em, "").reasons,
        left_out=(*left, *(_left(one) for one in fresh[len(tries) :])),
        session=None if doubt else session_from(em, best),
    )


def _left(one: Candidate) -> LeftOut:
    return LeftOut(
        lm_frame_id=one.lm.frame_id,
        reason="less likely: tried if the likelier ones are not accepted",
    )


def _best(fit: list[Candidate], tried: Mapping[str, Tried]) -> Candidate:
    """A review outranks what is not tried yet, that outranks a rejection."""
    weight = {Tried.REVIEW: 0, Tried.OPEN: 1, Tried.REJECTED: 2}
    return min(
        fit, key=lambda one: weight.get(tried.get(one.lm.frame_id, Tried.OPEN), 1)
    )


def _settled(
    em: Arrived,
    fit: list[Candidate],
    left: list[LeftOut],
    settings: PairingSettings,
    tried: Mapping[str, Tried],
) -> Decision | None:
    """After an accepted result: maps that are as likely are tried all the same.

    One wrong result in a thousand is accepted; the map that it belongs on tells.
    """
    accepted = [lm for lm, state in tried.items() if state is Tried.ACCEPTED]
    if not accepted:
        return None
    among = [one for one in fit if one.lm.frame_id in accepted]
    fresh = [
        one
        for one in fit
        if among and one.rank >= among[0].rank and one.lm.frame_id not in tried
    ]
    room = _room(settings, tried) if len(among) == 1 else 0
    tries = fresh[: max(0, room)]
    doubt = doubt_of_accepted(fit, left, tried)
    return Decision(
        em_frame_id=em.frame_id,
        state=State.SETTLED,
        tries=tuple(one.proposal(em, doubt) for one in tries),
        lm_frame_id=among[0].lm.frame_id if among else accepted[0],
        doubt=doubt,
        reasons=(
            "the pixels fit",
            *(among[0].proposal(em, "").reasons if among else ()),
        ),
        left_out=(*left, *(_left(one) for one in fresh[len(tries) :])),
    )


def _room(settings: PairingSettings, tried: Mapping[str, Tried]) -> int:
    """How many more maps may be tried now."""
    is_open = sum(state is Tried.OPEN for state in tried.values())
    spent = sum(state is not Tried.FORBIDDEN for state in tried.values())
    return min(settings.max_candidates - is_open, settings.max_tries - spent)
