"""SerialEM's text beside a stack: `Key = value`, one block per section."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._values import clean, instant, number

MARKS = ("[ZValue", "PixelSpacing", "ImageFile", "[MontSection")
_BLOCK = re.compile(r"^\[(\w+)\s*=\s*(.*?)\s*\]$")
_DATE_BEHIND = re.compile(r"\s+\d{1,2}-[A-Za-z]{3}-\d{2,4}.*$")
_FORMS = ("%d-%b-%y %H:%M:%S", "%d-%b-%Y %H:%M:%S")

Block = dict[str, str]


@dataclass(slots=True)
class Mdoc:
    """Values of the whole file and of every section."""

    top: Block = field(default_factory=dict)
    sections: dict[int, Block] = field(default_factory=dict)
    titles: list[str] = field(default_factory=list)

    def of(self, section: int) -> Block:
        """Values of one section, the file's where it is silent."""
        return {**self.top, **self.sections.get(section, {})}

    @property
    def instrument(self) -> str:
        """The microscope that the title names, without date."""
        for title in self.titles:
            words = _DATE_BEHIND.sub("", title.removeprefix("SerialEM:")).strip()
            return re.sub(r"^(acquired|digitized) on ", "", words, flags=re.IGNORECASE)
        return ""


def parse(lines: Iterable[str]) -> Mdoc:
    """Read the text; lines that make no sense are passed over."""
    found = Mdoc()
    block = found.top
    for line in lines:
        opened = _BLOCK.match(line.strip())
        if opened is None:
            key, equals, value = line.partition("=")
            if equals and key.strip() and not line.startswith("["):
                block.setdefault(key.strip(), value.strip())
            continue
        kind, name = opened.groups()
        if kind == "T":
            found.titles.append(clean(name))
        elif kind == "ZValue" and name.isdecimal() and len(name) < 9:
            block = found.sections.setdefault(int(name), {})
        else:
            block = {}
    return found


def numbers(text: str | None, count: int) -> tuple[float, ...] | None:
    """`count` numbers, or None where they are not all there."""
    found = [number(word) for word in (text or "").split()[:count]]
    known = tuple(value for value in found if value is not None)
    return known if len(known) == count else None


def moment(text: str | None, notes: Notes) -> datetime | None:
    """Wall-clock time without a zone, or None."""
    shown = clean(text, 40)
    if not shown:
        return None
    found = instant(shown, *_FORMS)
    if found is None:
        notes.add(f"DateTime = {shown} is not understood")
    return found
