"""Reads the tag tree: small numbers themselves, of everything longer only the place.

Sizes are big-endian always, data in the order that the header states. DM4 has 64-bit
sizes where DM3 has 32-bit ones, and the length of every entry.
"""

from __future__ import annotations

import os
import struct

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd_drivers.formats._spans import need, unwritten

from ._tags import NUMBERS, Folder, Located, Tree

_STRUCT, _STRING, _ARRAY = 15, 18, 20
_END, _FOLDER, _DATA = 0, 20, 21
_MAX_TAGS = 300_000
_MAX_DEPTH = 40
_MAX_INFO = 4096
_WINDOW = 1 << 16


def read_tree(source: SourceFile) -> Tree:
    """Every tag of the file.

    Raises:
        IncompleteFileError: the tree reaches past the end, or is reserved only.
        RefusedFileError: larger or deeper than any real one, or no tree.
    """
    walk = _Walk(source)
    return Tree(source, walk.folder(0), walk.little)


class _Walk:
    """Reads forwards through a window, never more of an array than its place."""

    def __init__(self, source: SourceFile) -> None:
        self._source = source
        self._at = 0
        self._window = b""
        self._window_at = 0
        self._count = 0
        self._wide = self._take(4) == b"\0\0\0\4"
        self._size()  # of the tree; it is walked to its end anyway
        self.little = self._take(4) == b"\0\0\0\1"
        self._number_of = "<" if self.little else ">"

    def folder(self, depth: int) -> Folder:
        """The folder that starts here."""
        if depth > _MAX_DEPTH:
            raise RefusedFileError("DM tags nest too deep: export the image again")
        self._take(2)  # is it sorted, is it open
        n_entries = self._size()
        self._spend(n_entries)
        found = Folder()
        for _ in range(n_entries):
            start = self._at
            kind = self._take(1)[0]
            if kind == _END:
                raise unwritten(self._source, start, "a DM tag")
            name = self._take(int.from_bytes(self._take(2), "big"))
            if self._wide:
                self._size()
            node: float | Located | Folder
            if kind == _FOLDER:
                node = self.folder(depth + 1)
            elif kind == _DATA:
                node = self._data()
            else:
                raise RefusedFileError(
                    f"a DM tag of kind {kind} at byte {start}: export the image again"
                )
            found.entries.append((name.decode("utf-8", "replace"), node))
        return found

    def _spend(self, n_entries: int) -> None:
        self._count += max(n_entries, 1)
        if n_entries < 0 or self._count > _MAX_TAGS:
            raise RefusedFileError(
                f"more than {_MAX_TAGS} DM tags: save the image without its tags"
            )

    def _data(self) -> float | Located:
        mark = self._take(4)
        if not mark.strip(b"\0"):
            raise unwritten(self._source, self._at - 4, "a DM tag")
        n_info = self._size()
        if mark != b"%%%%" or not 0 < n_info <= _MAX_INFO:
            raise RefusedFileError(
                f"a broken DM tag at byte {self._at}: export the image again"
            )
        wide = 8 if self._wide else 4
        info = struct.unpack(
            f">{n_info}{'q' if self._wide else 'i'}", self._take(n_info * wide)
        )
        if n_info == 1 and info[0] in NUMBERS:
            form = self._number_of + NUMBERS[info[0]]
            return float(struct.unpack(form, self._take(struct.calcsize(form)))[0])
        n_bytes, _ = _extent(info, 0)
        code = info[1] if info[0] == _ARRAY and info[1] in NUMBERS else 0
        located = Located(self._at, n_bytes, code)
        need(self._source, self._at, n_bytes, "a DM tag")
        self._at += n_bytes
        return located

    def _size(self) -> int:
        return int.from_bytes(self._take(8 if self._wide else 4), "big", signed=True)

    def _take(self, count: int) -> bytes:
        start = self._at - self._window_at
        if not 0 <= start <= len(self._window) - count:
            need(self._source, self._at, count, "a DM tag")
            size = max(count, _WINDOW)
            self._window = os.pread(self._source.fd, size, self._at)
            self._window_at, start = self._at, 0
        self._at += count
        return self._window[start : start + count]


def _extent(info: tuple[int, ...], at: int) -> tuple[int, int]:
    """Bytes of the type described at `at`, and where the next description starts."""
    code = info[at]
    if code in NUMBERS:
        return struct.calcsize("=" + NUMBERS[code]), at + 1
    if code == _STRING:
        return info[at + 1], at + 2
    if code == _STRUCT:
        total, n_fields, at = 0, info[at + 2], at + 3
        for _ in range(n_fields):
            n_bytes, at = _extent(info, at + 1)
            total += n_bytes
        return total, at
    if code == _ARRAY:
        n_bytes, at = _extent(info, at + 1)
        return n_bytes * info[at], at + 1
    raise RefusedFileError(f"DM tags of type {code} are not known: export TIFF")
