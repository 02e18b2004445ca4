"""The tags of a DM3 or DM4 file: a tree of numbers, and where longer values lie."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from clemd.driver_api import SourceFile

NUMBERS = {
    2: "h", 3: "i", 4: "H", 5: "I", 6: "f", 7: "d", 8: "?", 9: "b", 10: "B",
    11: "q", 12: "Q",
}  # fmt: skip
_MAX_TEXT_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Located:
    """An array, text or structure that was not read."""

    offset: int
    n_bytes: int
    code: int
    """Type of one element, 0 where it is not a number."""


@dataclass(slots=True)
class Folder:
    """Named and unnamed entries in their order."""

    entries: list[tuple[str, float | Located | Folder]] = field(default_factory=list)

    def at(self, *path: str) -> float | Located | Folder | None:
        """The entry at `path`, or None."""
        here: float | Located | Folder | None = self
        for name in path:
            if not isinstance(here, Folder):
                return None
            here = next((node for key, node in here.entries if key == name), None)
        return here

    def folder(self, *path: str) -> Folder:
        """The folder at `path`; an empty one where there is none."""
        found = self.at(*path)
        return found if isinstance(found, Folder) else Folder()

    def number(self, *path: str) -> float | None:
        """The number at `path`, or None."""
        found = self.at(*path)
        return found if isinstance(found, int | float) else None

    def folders(self) -> list[Folder]:
        """Every entry that is a folder."""
        return [node for _, node in self.entries if isinstance(node, Folder)]

    def numbers(self) -> list[float]:
        """Every entry that is a number."""
        return [node for _, node in self.entries if isinstance(node, int | float)]


@dataclass(frozen=True, slots=True)
class Tree:
    """A whole file's tags."""

    source: SourceFile
    root: Folder
    little: bool
    """Byte order of the data."""

    def text(self, folder: Folder, *path: str) -> str:
        """The text at `path`; empty where there is none or it is not text."""
        found = folder.at(*path)
        if not isinstance(found, Located) or found.n_bytes > _MAX_TEXT_BYTES:
            return ""
        data = os.pread(self.source.fd, found.n_bytes, found.offset)
        if found.code == 4:
            return data.decode("utf-16-le" if self.little else "utf-16-be", "replace")
        return data.decode("utf-8", "replace")


def is_dm(head: bytes) -> bool:
    """Does a file with these first bytes start as DM3 and DM4 files do?"""
    version = int.from_bytes(head[:4], "big")
    size = {3: 8, 4: 12}.get(version, 0)
    return (
        size > 0
        and len(head) > size + 6
        and head[size : size + 3] == bytes(3)
        and head[size + 3] <= 1
        and head[size + 4] <= 1
        and head[size + 5] <= 1
    )
