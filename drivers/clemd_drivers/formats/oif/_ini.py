"""Olympus' texts: `[Section]` and `key=value`, UTF-16, words in quotes."""

from __future__ import annotations

from clemd_drivers.formats._beside import decoded
from clemd_drivers.formats._values import clean

Sections = dict[str, dict[str, str]]
_MOST_LINES = 200_000


def parse(data: bytes) -> Sections:
    """Every section by its name; lines that make no sense are passed over."""
    found: Sections = {}
    current: dict[str, str] = {}
    for line in decoded(data).splitlines()[:_MOST_LINES]:
        text = line.strip()
        if text.startswith("[") and text.endswith("]"):
            current = found.setdefault(text[1:-1], {})
        elif "=" in text:
            key, _, value = text.partition("=")
            current.setdefault(key.strip(), clean(value.strip().strip("\"'")))
    return found
