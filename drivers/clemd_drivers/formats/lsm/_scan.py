"""How it was scanned: a tree of numbered blocks, read without recursion."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd_drivers.formats._spans import read
from clemd_drivers.formats._values import clean

RECORDING, TRACK, DETECTION, ILLUMINATION, SPLITTER = (
    0x10000000, 0x40000000, 0x70000000, 0x90000000, 0xB0000000,
)  # fmt: skip
_END = 0xFFFFFFFF
_TEXT, _INTEGER, _NUMBER = 2, 4, 5
_MAX_BYTES = 4 << 20
_MAX_ENTRIES = 100_000
_MAX_DEPTH = 32


@dataclass(slots=True)
class Block:
    """One block: what it says, and the blocks in it."""

    code: int
    values: dict[int, str | float] = field(default_factory=dict)
    inner: list[Block] = field(default_factory=list)

    def all(self, code: int) -> Iterator[Block]:
        """Every block of that kind below this one, in order."""
        for block in self.inner:
            if block.code == code:
                yield block
            yield from block.all(code)

    def text(self, entry: int) -> str:
        """Words; empty where there are none."""
        value = self.values.get(self.code + entry)
        return clean(value) if isinstance(value, str) else ""

    def number(self, entry: int) -> float | None:
        """A number, or None."""
        value = self.values.get(self.code + entry)
        return value if isinstance(value, (int, float)) else None


def read_scan(source: SourceFile, at: int) -> Block:
    """The recording; empty where the file says nothing sensible about it."""
    empty = Block(RECORDING)
    if not 0 < at < source.size_bytes:
        return empty
    length = min(_MAX_BYTES, source.size_bytes - at)
    try:
        data = read(source, at, length, "the LSM scan", limit=_MAX_BYTES)
        return _tree(data)
    except (IncompleteFileError, RefusedFileError, struct.error):
        return empty


def _tree(data: bytes) -> Block:
    root = Block(RECORDING)
    open_blocks: list[Block] = []
    position = 0
    for _ in range(_MAX_ENTRIES):
        entry, kind, size = struct.unpack_from("<III", data, position)
        position += 12
        value = data[position : position + size]
        position += size
        if entry == _END:
            open_blocks.pop()
            if not open_blocks:
                return root
        elif kind == 0:
            block = root if not open_blocks else Block(entry)
            if open_blocks:
                open_blocks[-1].inner.append(block)
            open_blocks.append(block)
            if len(open_blocks) > _MAX_DEPTH:
                break
        elif open_blocks:
            open_blocks[-1].values[entry] = _value(kind, value)
        else:
            break
    raise RefusedFileError("the LSM scan has no end: export it again")


def _value(kind: int, raw: bytes) -> str | float:
    if kind == _TEXT:
        return raw.partition(b"\0")[0].decode("cp1252", "replace")
    if kind == _INTEGER and len(raw) >= 4:
        return float(struct.unpack_from("<i", raw)[0])
    if kind == _NUMBER and len(raw) >= 8:
        return float(struct.unpack_from("<d", raw)[0])
    return ""
