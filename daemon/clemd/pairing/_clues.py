"""What speaks for and against one EM image lying on one LM map.

Each kind of clue says yes, no, or nothing. The strongest kind that speaks decides
whether the map is a candidate; a weaker one that contradicts it makes the pair
doubtful.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from clemd.config import PairingSettings
from clemd.model import Frame
from clemd.name_patterns import said_by

from ._arrived import Arrived, Told

MOST_RELATIVE_SIGMA = 0.1
"""Of a pixel size; a search round a ratio allows for 10 %."""
OVERLAP = 0.5
"""Share of the image on the map, as the stage says, from which it lies on it."""
BESIDE = 0.02
VERSION = "version"
"""A field of that name tells newer exports from older ones, never two specimens."""


OWN_GROUPS = frozenset({"dataset", "project", "session"})
"""Each microscope makes its own: that they differ says nothing where others agree."""


class Kind(StrEnum):
    """What speaks, the strongest first."""

    IDS = "ids"
    NAME = "name"
    SESSION = "session"
    STAGE = "stage"
    TIME = "time"


STRENGTH = tuple(Kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """One thing that was compared."""

    kind: Kind
    agrees: bool
    words: str
    is_soft: bool = False
    """It makes a map less likely, and doubtful, but does not rule it out."""


StageShare = Callable[[str, str], float | None]
"""(EM frame id, LM frame id) -> share of the image that lies on the map by what the
session has learned of the stage; None where nothing is known."""


def clues(
    em: Arrived, lm: Arrived, settings: PairingSettings, stage: StageShare
) -> tuple[Clue, ...]:
    """Everything that speaks, the strongest first."""
    found = [
        *_ids(em, lm, settings),
        *_names(em, lm, settings),
        *_session(em, lm),
        *_stage(em, lm, stage),
        *_time(em, lm, settings),
    ]
    return tuple(found)


def _ids(em: Arrived, lm: Arrived, settings: PairingSettings) -> list[Clue]:
    """Every id that both state; the first decides what the later ones may say.

    Many microscopes fill these fields with free text: that they differ rules a map out
    only where the profile names the ids to go by.
    """
    is_soft = "ids" not in settings.model_fields_set
    found: list[Clue] = []
    for key in settings.ids:
        one, other = em.stated(key), lm.stated(key)
        if not one or not other:
            continue
        if one != other and (
            (found and key in OWN_GROUPS) or em.is_guess(key) or lm.is_guess(key)
        ):
            continue
        here, there = _shown(em.frame, key), _shown(lm.frame, key)
        words = (
            f"same {key} {here!r} in both files"
            if one == other
            else f"the EM file states {key} {here!r}, the map {there!r}"
        )
        found.append(
            Clue(kind=Kind.IDS, agrees=one == other, words=words, is_soft=is_soft)
        )
        if not found[0].agrees:
            break
    return found


def _shown(frame: Frame, key: str) -> str:
    plain = {"sample": frame.sample, "session": frame.session}.get(key)
    return (
        plain or frame.ids.get(key) or frame.ids.get(f"{key}id") or frame.session or ""
    )


def _names(em: Arrived, lm: Arrived, settings: PairingSettings) -> list[Clue]:
    for rule in settings.names:
        one = said_by(rule.em, em.relative)
        other = said_by(rule.lm, lm.relative)
        if one is None or other is None:
            continue
        common = sorted((set(one) & set(other)) - {VERSION})
        differ = [key for key in common if one[key] != other[key]]
        if differ:
            key = differ[0]
            words = (
                f"the EM file's name says {key} {one[key]!r}, the map's {other[key]!r}"
            )
        else:
            said = ", ".join(f"{key} {one[key]!r}" for key in common)
            words = f"both names say {said}"
        return [Clue(kind=Kind.NAME, agrees=not differ, words=words)]
    return []


def _session(em: Arrived, lm: Arrived) -> list[Clue]:
    if Told.NOBODY in (em.told, lm.told):
        return []
    if em.session == lm.session:
        return [
            Clue(kind=Kind.SESSION, agrees=True, words=f"same session {em.session!r}")
        ]
    if em.told is not lm.told:  # a person's name for one, the rule's for the other
        return []
    words = f"another session: {em.session!r}, the map's {lm.session!r}"
    return [Clue(kind=Kind.SESSION, agrees=False, words=words)]


def _stage(em: Arrived, lm: Arrived, stage: StageShare) -> list[Clue]:
    share = stage(em.frame_id, lm.frame_id)
    if share is None or BESIDE < share < OVERLAP:
        return []
    agrees = share >= OVERLAP
    words = (
        f"by the stage {100 * share:.0f} % of it lie on the map"
        if agrees
        else "by the stage it lies beside the map"
    )
    return [Clue(kind=Kind.STAGE, agrees=agrees, words=words)]


def _time(em: Arrived, lm: Arrived, settings: PairingSettings) -> list[Clue]:
    """Only a contradiction counts: that two images are near in time proves nothing."""
    if not (em.frame.acquired_at and lm.frame.acquired_at):
        return []
    apart = apart_h(em, lm)
    if apart <= settings.window_h:
        return []
    words = f"taken {span(apart)} apart, more than {settings.window_h:g} h"
    return [Clue(kind=Kind.TIME, agrees=False, words=words)]


def apart_h(em: Arrived, lm: Arrived) -> float:
    """Hours between the two, as well as we know."""
    return abs((em.taken_at - lm.taken_at).total_seconds()) / 3600


def span(hours: float) -> str:
    """A time span in words."""
    if hours < 1:
        return f"{60 * hours:.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"


def searched_ratio(em: Frame, lm: Frame) -> float | None:
    """`metadata_ratio`, as far as a search may rely on it.

    None also where a file contradicts itself about its pixel size by more than a search
    allows for: then any scale is looked at, and what is found says which was right.
    """
    ratio = metadata_ratio(em, lm)
    sizes = [size for size in (em.pixel_size, lm.pixel_size) if size is not None]
    is_doubted = any(size.relative_sigma > MOST_RELATIVE_SIGMA for size in sizes)
    return None if is_doubted else ratio


def metadata_ratio(em: Frame, lm: Frame) -> float | None:
    """LM pixel size / EM pixel size as the files promise it; None if one is silent."""
    if em.pixel_size is None or lm.pixel_size is None:
        return None
    return lm.pixel_size.x_um / em.pixel_size.x_um
