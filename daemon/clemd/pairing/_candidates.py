"""The maps one EM image may lie on, likeliest first, and those it cannot."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from clemd.config import PairingSettings
from clemd.model import PairProposal
from clemd.name_patterns import parse_pattern, said_by

from ._arrived import Arrived
from ._clues import (
    OWN_GROUPS,
    STRENGTH,
    VERSION,
    Clue,
    Kind,
    StageShare,
    apart_h,
    clues,
    metadata_ratio,
    span,
)
from ._superseding import supersedes


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One map, and what speaks for and against it."""

    lm: Arrived
    clues: tuple[Clue, ...]
    apart_h: float
    ratio: float | None

    @property
    def rank(self) -> tuple[int, ...]:
        """By kind of clue, strongest first: how many agree less how many do not."""
        net = dict.fromkeys(STRENGTH, 0)
        for clue in self.clues:
            net[clue.kind] += 1 if clue.agrees else -1
        return tuple(net.values())

    @property
    def order(self) -> tuple[object, ...]:
        """For sorting, best first; what cannot decide may still order."""
        odd = self.ratio is not None and not 0.5 <= self.ratio <= 200
        return (*(-n for n in self.rank), odd, self.apart_h, self.lm.frame_id)

    @property
    def against(self) -> Clue | None:
        """The strongest clue that speaks against it."""
        return next((clue for clue in self.clues if not clue.agrees), None)

    @property
    def is_excluded(self) -> bool:
        """The strongest that speaks says no, and means it."""
        soft = {clue.kind for clue in self.clues if clue.is_soft and not clue.agrees}
        for kind, net in zip(STRENGTH, self.rank, strict=True):
            if net > 0:
                return False
            if net < 0 and kind not in soft:
                return True
        first = next((clue for clue in self.clues if clue.kind not in soft), None)
        return first is not None and not first.agrees

    def proposal(self, em: Arrived, doubt: str) -> PairProposal:
        """As it is kept."""
        reasons = [clue.words for clue in self.clues]
        if self.ratio is not None and 0.5 <= self.ratio <= 200:
            reasons.append(f"metadata say one LM pixel is {self.ratio:.2f} EM pixels")
        if em.frame.acquired_at and self.lm.frame.acquired_at:
            reasons.append(f"taken {span(self.apart_h)} apart")
        if doubt:
            reasons.append(f"doubtful: {doubt}")
        score = 1 / (1 + self.apart_h)
        for net, weight in zip(self.rank, (1000, 100, 10, 5, 1), strict=True):
            score += weight * net
        return PairProposal(
            em_frame_id=em.frame_id,
            lm_frame_id=self.lm.frame_id,
            score=score,
            reasons=tuple(reasons) or ("nothing speaks for or against it",),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A map that is not tried, and why."""

    lm_frame_id: str
    reason: str
    is_superseded: bool = False
    """It fits, but a newer map of the same place is there."""


def candidates(
    em: Arrived,
    maps: Sequence[Arrived],
    settings: PairingSettings,
    stage: StageShare,
) -> tuple[list[Candidate], list[LeftOut]]:
    """Who may be a partner of `em`, likeliest first, and who not."""
    found, left = [], []
    for lm in maps:
        one = weighed(em, lm, settings, stage)
        if one.is_excluded and one.against is not None:
            left.append(LeftOut(lm_frame_id=lm.frame_id, reason=one.against.words))
        else:
            found.append(one)
    of_session: dict[str, list[Arrived]] = {}
    for one in found:
        of_session.setdefault(one.lm.session, []).append(one.lm)
    current = []
    for one in found:
        others = of_session[one.lm.session]
        newer = next((o for o in others if supersedes(o, one.lm, settings)), None)
        if newer is None:
            current.append(one)
        else:
            left.append(
                LeftOut(
                    lm_frame_id=one.lm.frame_id,
                    reason=f"superseded by the newer map {newer.frame.path}",
                    is_superseded=True,
                )
            )
    return sorted(current, key=lambda one: one.order), left


def weighed(
    em: Arrived, lm: Arrived, settings: PairingSettings, stage: StageShare
) -> Candidate:
    """One map with everything that speaks for and against it."""
    return Candidate(
        lm=lm,
        clues=clues(em, lm, settings, stage),
        apart_h=apart_h(em, lm),
        ratio=metadata_ratio(em.frame, lm.frame),
    )


def several_specimens(
    frames: Collection[Arrived], settings: PairingSettings
) -> frozenset[str]:
    """Sessions whose files name more than one specimen."""
    named: dict[str, set[str]] = {}
    for one in frames:
        for key in settings.ids:
            if key in OWN_GROUPS or one.is_guess(key):
                continue
            if value := one.stated(key):
                named.setdefault(f"{one.session}\n{key}", set()).add(value)
        for rule in settings.names:
            text = rule.em if one.side.value == "em" else rule.lm
            said = said_by(text, one.relative)
            if said is None:
                continue
            fields = parse_pattern(rule.em).fields & parse_pattern(rule.lm).fields
            for key in fields - {VERSION}:
                named.setdefault(f"{one.session}\nname {key}", set()).add(said[key])
            break
    return frozenset(
        key.partition("\n")[0] for key, values in named.items() if len(values) > 1
    )


__all__ = ["Candidate", "Kind", "LeftOut", "candidates", "several_specimens"]
