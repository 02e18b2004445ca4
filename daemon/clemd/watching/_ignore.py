"""Names that are never images: sidecars, temporary and hidden files.

Some images are folders. One file at their top stands for such a folder; the others,
thousands of them, are its pixels and not exports of their own.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable

_SETS: dict[bytes, tuple[bytes, ...]] = {
    b".zarr": (b"zarr.json", b".zattrs"),
    b".oif.files": (),
}
"""How the folder of one image ends -> files that stand for it; none: one beside it."""


def anchors_of(folder: bytes) -> tuple[bytes, ...] | None:
    """Names of files that stand for a folder of this name; None: an ordinary one."""
    name = folder.rpartition(b"/")[2].lower()
    for ending, anchors in _SETS.items():
        if name.endswith(ending):
            return anchors
    return None


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
        return self.hides_text(os.fsdecode(name))

    def hides_text(self, name: str) -> bool:
        """As `hides`, for a name that was decoded by the file system's rule."""
        return self._match is not None and self._match(name) is not None

    def hides_path(self, relative: bytes) -> bool:
        """Is any part of a path relative to the root ignored?"""
        parts = relative.split(b"/")
        for depth, folder in enumerate(parts[:-1], start=1):
            anchors = anchors_of(folder)
            if anchors is not None:
                is_anchor = parts[depth:] in ([name] for name in anchors)
                return not is_anchor or any(self.hides(p) for p in parts[:depth])
        return any(self.hides(part) for part in parts)
