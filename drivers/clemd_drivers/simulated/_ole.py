"""The smallest OLE file that holds given streams: version 3, sectors of 512 bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR, MINI, CUTOFF = 512, 64, 4096
_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_STORAGE, _STREAM, _ROOT = 1, 2, 5


@dataclass
class _Entry:
    name: str
    kind: int
    data: bytes = b""
    children: list[int] = field(default_factory=list)
    right: int = _FREE
    start: int = _END


def ole_bytes(streams: Mapping[str, bytes]) -> bytes:
    """A file with these streams by path, `STORAGE/STREAM` or `STREAM`.

    Raises:
        ValueError: more sectors than one FAT list in the header can tell of.
    """
    entries = _entries(streams)
    body: list[bytes] = []
    chain: list[int] = []

    def place(data: bytes) -> int:
        """Put data into sectors of their own; the first of them."""
        if not data:
            return _END
        first, count = len(chain), -(-len(data) // SECTOR)
        chain.extend([*range(first + 1, first + count), _END])
        body.append(data.ljust(count * SECTOR, b"\0"))
        return first

    mini = b""
    mini_chain: list[int] = []
    for entry in entries:
        if entry.kind != _STREAM or not entry.data:
            continue
        if len(entry.data) >= CUTOFF:
            entry.start = place(entry.data)
            continue
        entry.start, count = len(mini_chain), -(-len(entry.data) // MINI)
        after = range(entry.start + 1, entry.start + count)
        mini_chain += [*after, _END]
        mini += entry.data.ljust(count * MINI, b"\0")
    entries[0].data, entries[0].start = mini, place(mini)
    mini_fat = struct.pack(f"<{len(mini_chain)}I", *mini_chain)
    mini_fat = mini_fat.ljust(-(-len(mini_fat) // SECTOR) * SECTOR, b"\xff")
    mini_at = place(mini_fat)
    folder_at = place(b"".join(_packed(entry) for entry in _padded(entries)))
    n_fat = 1
    while (len(chain) + n_fat) * 4 > n_fat * SECTOR:
        n_fat += 1
    if n_fat > 109:
        raise ValueError("too many sectors for this writer")
    fat_at = list(range(len(chain), len(chain) + n_fat))
    chain += [_FAT] * n_fat
    fat = struct.pack(f"<{len(chain)}I", *chain).ljust(n_fat * SECTOR, b"\xff")
    head = struct.pack(
        "<8s16s6H10I",
        *(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", bytes(16)),
        *(0x3E, 3, 0xFFFE, 9, 6, 0),
        *(0, 0, n_fat, folder_at, 0, CUTOFF),
        *(mini_at, len(mini_fat) // SECTOR, _END, 0),
    )
    listed = fat_at + [_FREE] * (109 - n_fat)
    return head + struct.pack("<109I", *listed) + b"".join(body) + fat


def _entries(streams: Mapping[str, bytes]) -> list[_Entry]:
    """The root first; siblings linked to the right, in the order of the format."""
    entries = [_Entry("Root Entry", _ROOT)]
    storages: dict[str, int] = {}
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        parent = 0
        if folder:
            if folder not in storages:
                storages[folder] = len(entries)
                entries[0].children.append(len(entries))
                entries.append(_Entry(folder, _STORAGE))
            parent = storages[folder]
        entries[parent].children.append(len(entries))
        entries.append(_Entry(name, _STREAM, data))
    for entry in entries:
        entry.children.sort(key=lambda n: (len(entries[n].name), entries[n].name))
        for left, right in zip(entry.children, entry.children[1:], strict=False):
            entries[left].right = right
    return entries


def _padded(entries: list[_Entry]) -> list[_Entry]:
    return [*entries, *(_Entry("", 0) for _ in range(-len(entries) % 4))]


def _packed(entry: _Entry) -> bytes:
    name = entry.name.encode("utf-16-le")
    child = entry.children[0] if entry.children else _FREE
    return struct.pack(
        "<64sHBB3I16sI16sIII",
        *(name, len(name) + 2 if name else 0, entry.kind, 1),
        *(_FREE, entry.right, child, bytes(16), 0, bytes(16)),
        *(entry.start if entry.kind in {_STREAM, _ROOT} else 0, len(entry.data), 0),
    )
