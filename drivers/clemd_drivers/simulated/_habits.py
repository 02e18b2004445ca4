"""How exporters put a file into a folder.

Every habit is a generator: it brings the folder into its next state and yields how
long the exporter then dawdles, in parts of the pace. Nothing here sleeps, so that a
test can look at every state in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

Encode = Callable[[str], bytes]
"""The bytes of the file for a remark that its metadata carry."""
Habit = Callable[[Path, Encode], Iterator[float]]

_CHUNKS = 5
PARTIAL_SUFFIX = ".part"


def rename(path: Path, encode: Encode) -> Iterator[float]:
    """Written under a temporary name, then renamed."""
    partial = path.with_name(path.name + PARTIAL_SUFFIX)
    data = encode("")
    half = len(data) // 2
    with partial.open("wb") as stream:
        stream.write(data[:half])
        stream.flush()
        yield 0.2
        stream.write(data[half:])
    partial.replace(path)


def append(path: Path, encode: Encode) -> Iterator[float]:
    """Grown under its final name, with pauses."""
    data = encode("")
    step = -(-len(data) // _CHUNKS)
    with path.open("wb") as stream:
        for start in range(0, len(data), step):
            stream.write(data[start : start + step])
            stream.flush()
            if start + step < len(data):
                yield 0.15


def presize(path: Path, encode: Encode) -> Iterator[float]:
    """Made as long as it will be, zeros everywhere, then filled from the start."""
    data = encode("")
    with path.open("wb") as stream:
        stream.truncate(len(data))
        yield 0.1
        for share in (0.4, 0.9, 1.0):
            stream.write(data[stream.tell() : int(share * len(data))])
            stream.flush()
            if share < 1.0:
                yield 0.2


def sidecar(path: Path, encode: Encode) -> Iterator[float]:
    """The image at once, a text file beside it later."""
    path.write_bytes(encode(""))
    yield 0.4
    note = f"ImageName={path.name}\r\nComment=exported with notes\r\n"
    path.with_suffix(".txt").write_bytes(note.encode("ascii"))


def reexport(path: Path, encode: Encode) -> Iterator[float]:
    """Exported, then exported again over itself with another remark."""
    path.write_bytes(encode(""))
    yield 0.9
    path.write_bytes(encode("checked"))


def plain(path: Path, encode: Encode) -> Iterator[float]:
    """Written in one go."""
    path.write_bytes(encode(""))
    yield 0.0


HABITS: dict[str, Habit] = {
    "rename": rename,
    "append": append,
    "presize": presize,
    "sidecar": sidecar,
    "reexport": reexport,
    "plain": plain,
}
