"""Which of two maps shows how the specimen looks now."""

from __future__ import annotations

from clemd.config import PairingSettings
from clemd.name_patterns import said_by

from ._arrived import Arrived
from ._clues import VERSION

NEAR_FIELDS = 0.1
"""Two maps whose middles are nearer than this share of their width show one place."""
SAME_SIZE = 0.02


def supersedes(new: Arrived, old: Arrived, settings: PairingSettings) -> bool:
    """Is `new` the same place, taken or exported again later?"""
    if new.frame_id == old.frame_id or new.session != old.session:
        return False
    for rule in settings.names:
        one, other = (said_by(rule.lm, m.relative) for m in (new, old))
        if one is None or other is None or VERSION not in one or VERSION not in other:
            continue
        same = all(one[key] == other[key] for key in one if key != VERSION)
        return same and _version(one[VERSION]) > _version(other[VERSION])
    return _same_place(new, old) and (new.taken_at, new.frame_id) > (
        old.taken_at,
        old.frame_id,
    )


def _version(text: str) -> tuple[int, str]:
    return (int(text) if text.isdecimal() else 0, text)


def _same_place(one: Arrived, other: Arrived) -> bool:
    a, b = one.frame, other.frame
    if not (a.stage and b.stage and a.pixel_size and b.pixel_size):
        return False
    places = (a.stage.x_um, a.stage.y_um, b.stage.x_um, b.stage.y_um)
    if any(value is None for value in places) or a.shape != b.shape:
        return False
    ax, ay, bx, by = (float(value or 0.0) for value in places)
    width_um = a.shape[1] * a.pixel_size.x_um
    size = abs(a.pixel_size.x_um / b.pixel_size.x_um - 1)
    near = max(abs(ax - bx), abs(ay - by)) <= NEAR_FIELDS * width_um
    return near and size <= SAME_SIZE and _agree(one, other)


def _agree(one: Arrived, other: Arrived) -> bool:
    said = [(one.stated(k), other.stated(k)) for k in ("sample", "dataset")]
    return all(a == b for a, b in said if a and b)
