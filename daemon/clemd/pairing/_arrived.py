"""One frame as pairing sees it, and the session it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from clemd.config import PairingSettings
from clemd.model import Frame, Side
from clemd.name_patterns import said_by

UNKNOWN = "default"
"""The session of files that say nothing of theirs, and of those in no folder."""


class Told(StrEnum):
    """Who named a frame's session."""

    RULE = "rule"
    """The profile's rule."""
    COMMAND = "command"
    """A person, or the map that it was paired with."""
    NOBODY = "nobody"
    """It is not known: the frame may belong to any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """One frame as pairing sees it."""

    frame_id: str
    side: Side
    session: str
    frame: Frame
    arrived_at: datetime
    """Aware; stands in for the acquisition time where the file states none."""
    relative: str = ""
    """Path below its root, as shown to people."""
    told: Told = Told.RULE

    @property
    def taken_at(self) -> datetime:
        """When the image was acquired, as well as we know."""
        return self.frame.acquired_at or self.arrived_at

    def stated(self, key: str) -> str:
        """One id of the file, made comparable; empty if it states none."""
        frame = self.frame
        plain = {"sample": frame.sample, "session": frame.session}.get(key)
        value = plain or frame.ids.get(key) or frame.ids.get(f"{key}id") or ""
        if not value and key == "dataset":
            value = frame.session or ""
        return _plain(value)

    def is_guess(self, key: str) -> bool:
        """Is that id only inferred: a project's name taken for the sample?"""
        project = self.frame.ids.get("project")
        return key == "sample" and project is not None and project == self.frame.sample


@lru_cache(maxsize=1 << 12)
def _plain(value: str) -> str:
    """Case, spaces and hyphens differ between two instruments' dialogs."""
    return "".join(char for char in value.casefold() if char.isalnum())


def session_of(
    frame: Frame,
    relative: bytes,
    settings: PairingSettings,
    *,
    side: Side | None = None,
    taken_at: datetime | None = None,
    running: Iterable[tuple[str, datetime, datetime]] = (),
) -> tuple[str, Told]:
    """The session an image belongs to, by the profile's rule, and whether it is known.

    Args:
        frame: what the file says.
        relative: its path below the root.
        settings: the rule.
        side: of the frame, for name rules.
        taken_at: for the rule `time`: when the image was taken or came.
        running: for the rule `time`: (name, first, last) of the sessions so far.
    """
    text = relative.decode("utf-8", "backslashreplace")
    name: str | None
    if settings.session_from == "none":
        return UNKNOWN, Told.RULE
    if settings.session_from == "sample":
        name = frame.sample or frame.session
    elif settings.session_from == "name":
        said = name_fields(text, side, settings)
        name = said.get("session") or said.get("sample")
    elif settings.session_from == "time":
        name = _by_time(taken_at, running, settings.session_gap_h)
    else:
        folder, _, rest = text.partition("/")
        name = folder if rest else UNKNOWN  # beside the folders: one of its own
    return (name, Told.RULE) if name else (UNKNOWN, Told.NOBODY)


def name_fields(
    relative: str, side: Side | None, settings: PairingSettings
) -> dict[str, str]:
    """What the first name rule that fits takes out of a name; nothing if none fits."""
    for rule in settings.names:
        for text in [rule.em] * (side is not Side.LM) + [rule.lm] * (
            side is not Side.EM
        ):
            said = said_by(text, relative)
            if said is not None:
                return dict(said)
    return {}


def _by_time(
    taken_at: datetime | None,
    running: Iterable[tuple[str, datetime, datetime]],
    gap_h: float,
) -> str | None:
    """The session that was running then; a new one after a pause."""
    if taken_at is None:
        return None
    gap = timedelta(hours=gap_h)
    near = [
        (max(first - taken_at, taken_at - last), name)
        for name, first, last in running
        if first - gap <= taken_at <= last + gap
    ]
    return min(near)[1] if near else f"{taken_at:%Y-%m-%d %H%M%S}"
