"""The text beside a series that lists what each page was taken at.

One line names the columns, `page,mirror_v` (volts) or `page,energy_ev`; one line a
page follows, counted from one, in any order. `pixel_um,0.02` before them states the
pixel size. Commas, semicolons and tabs separate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from clemd.errors import RefusedFileError
from clemd_drivers.formats._beside import Beside
from clemd_drivers.formats._values import clean, number, positive

UNITS = {"mirror_v": "V", "energy_ev": "eV"}
MARKS = tuple(UNITS)
_SPLIT = re.compile(r"[,;\t]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What the text says."""

    axis: tuple[float, ...]
    """One value per page, in page order."""
    unit: str
    pixel_um: float | None


def read_table(beside: Beside, pages: int) -> Listed:
    """Read the list for a file of so many pages.

    Raises:
        RefusedFileError: a page is missing, named twice, or not a number.
    """
    unit, pixel_um = "", None
    values: dict[int, float] = {}
    for row, line in enumerate(beside.lines, 1):
        cells = [cell.strip() for cell in _SPLIT.split(line)]
        if len(cells) < 2 or line.lstrip().startswith("#"):
            continue
        if cells[0].lower() == "pixel_um":
            pixel_um = positive(number(cells[1]))
        elif cells[1].lower() in UNITS:
            unit = UNITS[cells[1].lower()]
        elif unit:
            page, value = number(cells[0]), number(cells[1])
            if page is None or value is None or page != int(page):
                raise _wrong(
                    beside, f"line {row} ({clean(line, 40)}) is not two numbers"
                )
            if int(page) in values:
                raise _wrong(beside, f"page {int(page)} is listed twice")
            values[int(page)] = value
    missing = [page for page in range(1, pages + 1) if page not in values]
    if missing:
        raise _wrong(beside, f"page {missing[0]} of {pages} is not listed")
    if len(values) > pages:
        raise _wrong(beside, f"{len(values)} pages are listed, the file has {pages}")
    axis = tuple(values[page] for page in range(1, pages + 1))
    return Listed(axis=axis, unit=unit, pixel_um=pixel_um)


def _wrong(beside: Beside, what: str) -> RefusedFileError:
    return RefusedFileError(f"{clean(beside.name, 60)}: {what}: mend the list")
