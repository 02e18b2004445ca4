"""Play one session through the daemon's own decisions; only the pixels are modelled."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from clemd.pairing import Arrived, Decision, State, Tried, decide, several_specimens
from clemd.sessions import Session

from ._pairing_world import Visit
from ._session_world import MAP

TRUE_MAP = (0.95, 0.04)
"""Chance that an image on its own map is accepted, that it goes to review."""
OTHER_MAP = (0.001, 0.01)
"""The same on a map that it does not lie on: the verdict's own goal, and ten times
that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is said of one image in the end."""

    habit: str
    is_right: bool
    """It is on a map of its area; or, of an image that lies on none, on none."""
    is_open: bool
    """It is on no map."""
    is_marked: bool
    """Whoever looks at it is told that it is doubtful."""
    tries: int


@dataclass(slots=True)
class _Desk:
    """What the daemon would have in its database."""

    visit: Visit
    rng: np.random.Generator
    maps: dict[str, Arrived]
    images: dict[str, Arrived]
    tried: defaultdict[str, dict[str, Tried]]
    decisions: dict[str, Decision]
    sessions: defaultdict[str, Session]
    queue: list[tuple[str, str]]
    pixels: bool


def play(visit: Visit, seed: int, *, pixels: bool) -> list[Outcome]:
    """The session from the first file to the last, with or without any verdict."""
    desk = _Desk(
        visit=visit,
        rng=np.random.default_rng([seed, 13]),
        maps={},
        images={},
        tried=defaultdict(dict),
        decisions={},
        sessions=defaultdict(Session),
        queue=[],
        pixels=pixels,
    )
    for frame_id in visit.order:
        if frame_id in visit.maps:
            desk.maps[frame_id] = visit.maps[frame_id]
            for em in desk.images:
                if desk.decisions[em].state is not State.SETTLED:
                    _consider(desk, em)
        else:
            desk.images[frame_id] = visit.images[frame_id].arrived
            _consider(desk, frame_id)
        for _ in range(int(desk.rng.integers(0, 4))):
            _work(desk)
    while desk.queue:
        _work(desk)
    for em in desk.images:
        _consider(desk, em)
        while desk.queue:
            _work(desk)
    return [_outcome(desk, em) for em in desk.images]


def _consider(desk: _Desk, em: str) -> None:
    everything = [*desk.maps.values(), *desk.images.values()]
    found = decide(
        desk.images[em],
        list(desk.maps.values()),
        desk.visit.settings,
        tried=desk.tried[em],
        mixed=several_specimens(everything, desk.visit.settings),
        stage=lambda one, lm: _share(desk, one, lm),
    )
    desk.decisions[em] = found
    if found.session is not None:
        desk.images[em] = replace(desk.images[em], session=found.session)
    if desk.pixels:
        for pair in found.tries:
            desk.tried[em][pair.lm_frame_id] = Tried.OPEN
            desk.queue.append((em, pair.lm_frame_id))


def _share(desk: _Desk, em: str, lm: str) -> float | None:
    sighting = desk.visit.images[em].sighting
    if sighting is None or lm not in desk.sessions:
        return None
    return desk.sessions[lm].share_on(sighting, MAP)


def _work(desk: _Desk) -> None:
    """One registration comes back."""
    if not desk.queue:
        return
    em, lm = desk.queue.pop(0)
    image = desk.visit.images[em]
    belongs = desk.visit.area_of[lm] == image.area
    accepted, review = TRUE_MAP if belongs else OTHER_MAP
    drawn = desk.rng.random()
    desk.tried[em][lm] = (
        Tried.ACCEPTED
        if drawn < accepted
        else Tried.REVIEW
        if drawn < accepted + review
        else Tried.REJECTED
    )
    if drawn < accepted and image.sighting is not None:
        session = desk.sessions[lm]
        desk.sessions[lm] = session.folded(image.sighting, image.observed).session
    _consider(desk, em)


def _outcome(desk: _Desk, em: str) -> Outcome:
    found, image = desk.decisions[em], desk.visit.images[em]
    lm = found.lm_frame_id
    if desk.pixels and found.state is not State.SETTLED:
        # a map that the pixels did not confirm is not where the image is said to be
        lm = lm if lm and desk.tried[em].get(lm) is Tried.REVIEW else None
    on = desk.visit.area_of.get(lm or "", "")
    return Outcome(
        habit=desk.visit.habit,
        is_right=on == image.area,
        is_open=lm is None,
        is_marked=bool(found.doubt),
        tries=len(desk.tried[em]),
    )
