"""What a file's name says, by a pattern of the profile: a small language, no code.

    {sample}_{area}_em{n:#}.tif      on      S62_B7_em003.tif
                                     says    sample = S62, area = B7, n = 3

    {name}     some characters, as few as fit, none of them a slash
    {name:#}   digits, compared as a number          {name:a}   letters
    *          any characters but a slash, or none   ?          one of them
    **         any characters, slashes too, or none
    {{ }}      the braces themselves

A pattern with a slash is held against the whole path below the root, any other against
the file's own name. Upper and lower case are alike. Matching takes time in proportion
to the length of the name, whatever the name is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

MOST_PARTS = 40
LONGEST_NAME = 1024
"""Longer names match nothing."""
_FIELD = re.compile(r"\{([A-Za-z_]\w{0,30})(?::([#a]))?\}")


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def _in_name(char: str) -> bool:
    return char != "/"


def _anywhere(_: str) -> bool:
    return True


_KINDS: dict[str | None, Callable[[str], bool]] = {
    None: _in_name,
    "#": _is_digit,
    "a": str.isalpha,
}


@dataclass(frozen=True, slots=True)
class _Part:
    """A literal, or a run of characters of one kind."""

    text: str = ""
    takes: Callable[[str], bool] | None = None
    least: int = 0
    most: int = 0
    """0 = any number."""
    field: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class NamePattern:
    """One pattern, taken apart."""

    text: str
    parts: tuple[_Part, ...]

    @property
    def fields(self) -> frozenset[str]:
        """Names of what it takes out of a file name."""
        return frozenset(part.field for part in self.parts if part.field)

    def match(self, relative: str) -> dict[str, str] | None:
        """The fields of a path below the root, in lower case; None if unlike."""
        name = relative if "/" in self.text else relative.rpartition("/")[2]
        name = name.lower()
        if len(name) > LONGEST_NAME:
            return None
        ends = self._reachable(name)
        return self._taken(name, ends) if ends[0][0] else None

    def _reachable(self, name: str) -> list[list[bool]]:
        """[part][place]: can the parts from here on match all that is left?"""
        size = len(name)
        after = [place == size for place in range(size + 1)]
        found = [after]
        for part in reversed(self.parts):
            after = _before(part, name, after)
            found.append(after)
        return found[::-1]

    def _taken(self, name: str, fits: list[list[bool]]) -> dict[str, str] | None:
        """Walk the parts, each as short as what follows allows."""
        said: dict[str, str] = {}
        place = 0
        for number, part in enumerate(self.parts):
            length = _shortest(part, name, place, fits[number + 1])
            value = name[place : place + length]
            place += length
            if not part.field:
                continue
            value = (value.lstrip("0") or "0") if part.is_number else value
            if said.setdefault(part.field, value) != value:
                return None
        return said


def _before(part: _Part, name: str, after: list[bool]) -> list[bool]:
    """Where `part` may begin so that the rest can follow."""
    size = len(name)
    if part.takes is None:
        reach = len(part.text)
        return [
            place + reach <= size
            and after[place + reach]
            and name.startswith(part.text, place)
            for place in range(size + 1)
        ]
    if part.most == 1:
        return [
            place < size and part.takes(name[place]) and after[place + 1]
            for place in range(size + 1)
        ]
    more = [False] * (size + 1)  # at least one character from here
    for place in range(size - 1, -1, -1):
        if part.takes(name[place]):
            more[place] = after[place + 1] or more[place + 1]
    if part.least:
        return more
    return [a or m for a, m in zip(after, more, strict=True)]


def _shortest(part: _Part, name: str, place: int, after: list[bool]) -> int:
    if part.takes is None:
        return len(part.text)
    length = part.least
    while not after[place + length]:
        length += 1
    return length


@lru_cache(maxsize=1 << 14)
def said_by(pattern: str, relative: str) -> Mapping[str, str] | None:
    """The fields of a path below the root, remembered; None if unlike.

    Raises:
        ValueError: the pattern is wrong.
    """
    said = parse_pattern(pattern).match(relative)
    return None if said is None else MappingProxyType(said)


@lru_cache(maxsize=256)
def parse_pattern(text: str) -> NamePattern:
    """Take a pattern apart.

    Raises:
        ValueError: in words: where the pattern is wrong and what is meant.
    """
    parts = tuple(_parts(text))
    if not parts:
        raise ValueError("the pattern is empty")
    if len(parts) > MOST_PARTS:
        raise ValueError(f"the pattern has more than {MOST_PARTS} parts")
    for one, other in pairwise(parts):
        if one.takes and one.takes is other.takes and one.field and other.field:
            raise ValueError(
                f"{{{one.field}}}{{{other.field}}}: nothing tells where the first "
                "ends: put a character between them"
            )
    return NamePattern(text, parts)


def _parts(text: str) -> Iterator[_Part]:
    place, literal = 0, ""
    while place < len(text):
        found = _FIELD.match(text, place)
        two = text[place : place + 2]
        if two in {"{{", "}}"}:
            literal, place = literal + two[0], place + 2
            continue
        if not found and text[place] not in "*?{}":
            literal, place = literal + text[place].lower(), place + 1
            continue
        if literal:
            yield _Part(literal)
            literal = ""
        if found:
            name, kind = found.groups()
            yield _Part(
                takes=_KINDS[kind],
                least=1,
                field=name.lower(),
                is_number=kind == "#",
            )
            place = found.end()
        elif two == "**":
            yield _Part(takes=_anywhere)
            place += 2
        elif text[place] == "*":
            yield _Part(takes=_in_name)
            place += 1
        elif text[place] == "?":
            yield _Part(takes=_in_name, least=1, most=1)
            place += 1
        else:
            raise ValueError(
                f"at {text[place : place + 12]!r}: a field is {{name}}, {{name:#}} or "
                "{name:a}; a brace itself is written twice"
            )
    if literal:
        yield _Part(literal)
