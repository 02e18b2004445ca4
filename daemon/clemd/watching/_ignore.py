"""Names that are never images: sidecars, temporary and hidden files."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable


class Ignore:
    """File-name patterns, matched without regard to case.

    They hold for folders too: what lies in `.snapshot` or `~trash` is not an export.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self.patterns = tuple(patterns)
        either = "|".join(fnmatch.translate(pattern) for pattern in self.patterns)
        self._match = re.compile(either, re.IGNORECASE).match if either else None

    def hides(self, name: bytes) -> bool:
        """Is this one name (no folder part) ignored?"""
        return self._match is not None and self._match(os.fsdecode(name)) is not None

    def hides_path(self, relative: bytes) -> bool:
        """Is any part of a path relative to the root ignored?"""
        return any(self.hides(part) for part in relative.split(b"/"))
