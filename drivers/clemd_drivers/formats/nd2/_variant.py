"""The binary trees in which NIS-Elements keeps its metadata.

An entry is one byte of type, one of the length of its name in characters, the name in
UTF-16, and the value. A level holds a count, its length from its own start, its
entries, and one index number for each of them. Everything is bounded.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from clemd.errors import RefusedFileError

_STRING, _BYTES, _LEVEL, _COMPRESSED = 8, 9, 11, 76
_NUMBERS = {1: "<?", 2: "<i", 3: "<I", 4: "<q", 5: "<Q", 6: "<d", 7: "<Q"}
_MAX_DEPTH = 32
_MAX_ENTRIES = 500_000
_MAX_BYTES = 64 << 20


@dataclass(slots=True)
class Node:
    """A level of the tree."""

    entries: list[tuple[str, str | float | bytes | Node]] = field(default_factory=list)

    def get(self, *path: str) -> str | float | bytes | Node | None:
        """The first value at `path`, or None."""
        at: str | float | bytes | Node | None = self
        for name in path:
            if not isinstance(at, Node):
                return None
            at = next((value for key, value in at.entries if key == name), None)
        return at

    def node(self, *path: str) -> Node:
        """The level at `path`; an empty one where there is none."""
        found = self.get(*path)
        return found if isinstance(found, Node) else Node()

    def nodes(self) -> Iterator[Node]:
        """The levels directly below, in order."""
        return (value for _, value in self.entries if isinstance(value, Node))

    def number(self, *path: str) -> float | None:
        """A number, or None."""
        found = self.get(*path)
        return float(found) if isinstance(found, (int, float)) else None

    def text(self, *path: str) -> str:
        """Words; empty where there are none."""
        found = self.get(*path)
        return found if isinstance(found, str) else ""


class _Budget:
    """How many entries may still come."""

    def __init__(self) -> None:
        self.left = _MAX_ENTRIES

    def spend(self, depth: int) -> None:
        self.left -= 1
        if self.left < 0 or depth > _MAX_DEPTH:
            raise RefusedFileError("ND2 metadata nest too deep: export it again")


def parse(data: bytes) -> Node:
    """The tree in `data`; an empty one where there is none.

    Raises:
        RefusedFileError: cut short, or larger and deeper than any real one.
    """
    if len(data) >= 12 and data[0] == _COMPRESSED:
        unpacker = zlib.decompressobj()
        try:
            data = unpacker.decompress(data[12:], _MAX_BYTES)
        except zlib.error as failed:
            raise RefusedFileError(
                f"ND2 metadata cannot be unpacked ({failed}): export it again"
            ) from failed
        if unpacker.unconsumed_tail:
            raise RefusedFileError("ND2 metadata of absurd size: export it again")
    try:
        return _level(data, 0, len(data), None, 0, _Budget())
    except (struct.error, IndexError) as failed:
        raise RefusedFileError(
            "ND2 metadata are cut short: export it again"
        ) from failed


def _level(
    data: bytes, at: int, end: int, count: int | None, depth: int, budget: _Budget
) -> Node:
    node = Node()
    while at < end and (count is None or len(node.entries) < count):
        budget.spend(depth)
        start, kind, length = at, data[at], data[at + 1]
        name = data[at + 2 : at + 2 + 2 * length].decode("utf-16-le", "replace")
        at += 2 + 2 * length
        value: str | float | bytes | Node
        if kind == _LEVEL:
            inner, size = struct.unpack_from("<IQ", data, at)
            if not at + 12 <= start + size <= end:
                raise RefusedFileError("ND2 metadata overlap: export it again")
            value = _level(data, at + 12, start + size, inner, depth + 1, budget)
            at = start + size + 8 * inner
        elif kind == _STRING:
            stop = _string_end(data, at, end)
            value = data[at:stop].decode("utf-16-le", "replace")
            at = stop + 2
        elif kind == _BYTES:
            (size,) = struct.unpack_from("<Q", data, at)
            value = data[at + 8 : min(end, at + 8 + size)]
            at += 8 + size
        elif kind in _NUMBERS:
            (value,) = struct.unpack_from(_NUMBERS[kind], data, at)
            at += struct.calcsize(_NUMBERS[kind])
        else:
            raise RefusedFileError(
                f"ND2 metadata of kind {kind} are not read: export it again"
            )
        node.entries.append((name.rstrip("\0"), value))
    return node


def _string_end(data: bytes, at: int, end: int) -> int:
    stop = data.find(b"\0\0", at, end)
    while stop >= 0 and (stop - at) % 2:
        stop = data.find(b"\0\0", stop + 1, end)
    return stop if stop >= 0 else end
