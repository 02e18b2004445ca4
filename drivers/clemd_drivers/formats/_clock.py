"""Wall-clock times that a text states without a zone and in the PC's own order."""

from __future__ import annotations

import re
from datetime import datetime

from clemd_drivers.formats._values import clean, instant

from ._notes import Notes

_YEAR_FIRST = re.compile(r"^\d{4}\D")
_YEAR_LAST = re.compile(r"^(\d{1,2})\D(\d{1,2})\D\d{4}$")
_CLOCKS = ("%H:%M:%S", "%I:%M:%S %p", "%H:%M:%S.%f", "%H:%M")


def local_time(date: str | None, time: str | None, notes: Notes) -> datetime | None:
    """Naive wall-clock time, or None.

    Args:
        date: Year first, or day and month in the order of the PC's locale.
        time: Hours, minutes, seconds.
        notes: Takes a line where day and month may be swapped.
    """
    day = re.sub(r"[-./]", "/", clean(date, 40))
    if not day:
        return None
    if _YEAR_FIRST.match(day):
        form = "%Y/%m/%d"
    else:
        ends = _YEAR_LAST.match(day)
        first, second = (int(part) for part in ends.groups()) if ends else (0, 0)
        form = "%d/%m/%Y" if first > 12 else "%m/%d/%Y"
        if 0 < first <= 12 and 0 < second <= 12 and first != second:
            notes.add(f"date {day} is read as month/day/year: they may be swapped")
    found = instant(f"{day} {clean(time, 40)}", *(f"{form} {c}" for c in _CLOCKS))
    if found is None:
        notes.add(f"date {day} {clean(time, 40)} is not understood".replace("  ", " "))
    return found
