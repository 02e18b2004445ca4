"""Twelve ways in which programs bring a file into a folder, each with its truth.

A habit is a generator: it brings the folder into its next state and yields how many
seconds the writer then does nothing. Nothing here sleeps.
"""

from __future__ import annotations

import math
import mmap
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ._watching_images import KINDS, SHAPE, Export, draw, grow

LEAST_S, MOST_S = 0.1, 120.0
"""Pauses of writers, log-uniform between the two."""
PAGE_BYTES = mmap.PAGESIZE
OLD_S = 400 * 86_400.0


@dataclass(slots=True)
class Story:
    """One file: where it is written, and what may be claimed about it."""

    path: Path
    dice: random.Random
    born_s: float
    """Wall clock, seconds since 1970."""
    versions: list[Export] = field(default_factory=list)
    """Every version that was complete for a while, the newest last."""
    is_left: bool = False
    """The newest of them lies there at the end."""
    ended_at_s: float = 0.0
    """Wall clock at the last byte of the newest version."""
    pixel_um: float | None = None
    """What the text beside it states at the end."""

    def draw(self, *kinds: str) -> Export:
        """A new image; of any kind where none is named."""
        return draw(self.dice.choice(kinds or tuple(KINDS)), self.dice)

    def pause_s(self, least_s: float = LEAST_S, most_s: float = MOST_S) -> float:
        """One pause, log-uniform."""
        return math.exp(self.dice.uniform(math.log(least_s), math.log(most_s)))

    def complete(self, export: Export) -> None:
        """From now on this version may be claimed."""
        self.versions.append(export)
        self.is_left, self.ended_at_s = True, time.time()

    def cuts(self, size: int, parts: int) -> list[int]:
        """Ends of `parts` chunks of `size` bytes, anywhere."""
        inner = sorted(self.dice.randrange(1, size) for _ in range(parts - 1))
        return [*inner, size]


Habit = Callable[[Story], Iterator[float]]


def append(story: Story) -> Iterator[float]:
    """Slow append: many small chunks under the final name, short pauses."""
    yield from _append(story, story.draw(), parts=12, most_s=3.0)


def pauses(story: Story) -> Iterator[float]:
    """A few chunks under the final name, pauses of up to two minutes."""
    yield from _append(story, story.draw(), parts=story.dice.randint(2, 4))


def presize(story: Story) -> Iterator[float]:
    """As long as it will be from the start, a tail of zeros, filled from the front."""
    export = story.draw()
    size = len(export.data)
    with story.path.open("wb") as stream:
        if story.dice.random() < 0.5:
            stream.truncate(size)  # a hole
        else:
            stream.write(bytes(size))  # zeros that were written
            stream.seek(0)
        stream.flush()
        yield story.pause_s()
        for end in story.cuts(size, 3):
            stream.write(export.data[stream.tell() : end])
            stream.flush()
            if end < size:
                yield story.pause_s()
    story.complete(export)


def sparse(story: Story) -> Iterator[float]:
    """As long as it will be, then filled block by block in any order."""
    export = story.draw("tiff", "directory last", "ome", "deflate", "png")
    blocks = list(range(0, len(export.data), PAGE_BYTES))
    story.dice.shuffle(blocks)
    with story.path.open("wb", buffering=0) as stream:
        stream.truncate(len(export.data))
        for number, start in enumerate(blocks):
            os.pwrite(stream.fileno(), export.data[start : start + PAGE_BYTES], start)
            if number < len(blocks) - 1 and story.dice.random() < 0.4:
                yield story.pause_s()
    story.complete(export)


def mapped(story: Story) -> Iterator[float]:
    """Mapped into memory and filled from the front, page by page."""
    export = story.draw()
    size = len(export.data)
    with story.path.open("w+b") as stream:
        stream.truncate(size)
        with mmap.mmap(stream.fileno(), size) as memory:
            start = 0
            while start < size:
                end = min(size, start + PAGE_BYTES * story.dice.randint(1, 4))
                memory[start:end] = export.data[start:end]
                start = end
                if story.dice.random() < 0.5:
                    memory.flush()
                if start < size:
                    yield story.pause_s()
    story.complete(export)


def rewrite(story: Story) -> Iterator[float]:
    """Complete, then cut to nothing and written anew under its name."""
    first = story.draw()
    story.path.write_bytes(first.data)
    story.complete(first)
    yield story.pause_s()
    yield from _append(story, story.draw(), parts=3)


def rename(story: Story) -> Iterator[float]:
    """Written under a temporary name, then renamed."""
    yield from _beside_then_rename(story, story.draw())


def rename_over(story: Story) -> Iterator[float]:
    """Complete, then another version is renamed over it."""
    first = story.draw()
    story.path.write_bytes(first.data)
    story.complete(first)
    yield story.pause_s()
    yield from _beside_then_rename(story, story.draw())


def old_time(story: Story) -> Iterator[float]:
    """A copy that keeps the time of its original, set after every chunk."""
    export = story.draw()
    old_s = story.born_s - OLD_S
    with story.path.open("wb") as stream:
        for end in story.cuts(len(export.data), 3):
            stream.write(export.data[stream.tell() : end])
            stream.flush()
            os.utime(story.path, (old_s, old_s))
            if end < len(export.data):
                yield story.pause_s()
    os.utime(story.path, (old_s, old_s))
    story.complete(export)


def pages(story: Story) -> Iterator[float]:
    """A TIFF file that grows by whole pages; each state can be read."""
    states = grow(story.dice)
    for number, export in enumerate(states):
        # Pages are added behind; the last directory then learns of the new one.
        before = len(states[number - 1].data) if number else 0
        with story.path.open("r+b" if number else "wb") as stream:
            stream.seek(before)
            stream.write(export.data[before:])
            stream.flush()
            if number:
                yield story.pause_s()
            stream.seek(0)
            stream.write(export.data[:before])
        story.complete(export)
        if number < len(states) - 1:
            yield story.pause_s()


def sidecar(story: Story) -> Iterator[float]:
    """A text with the pixel size beside the image, before or after it."""
    export = story.draw("tiff", "directory last", "png")
    marker_um, bar_px = story.dice.randint(2, 90), story.dice.randint(101, 139)
    height, width = SHAPE
    text = (
        f"$CM_FORMAT SEM\r\n$CM_FULL_SIZE {width} {height}\r\n"
        f"$$SM_MICRON_BAR {bar_px}\r\n$$SM_MICRON_MARKER {marker_um}um\r\n"
    ).encode("ascii")
    beside = story.path.with_suffix(".txt")
    is_first = story.dice.random() < 0.5
    if is_first:
        yield from _text(story, beside, text)
        yield story.pause_s(most_s=25.0)
    yield from _append(story, export, parts=2, most_s=25.0)
    if not is_first:
        yield story.pause_s(most_s=25.0)
        yield from _text(story, beside, text)
    story.pixel_um = marker_um / bar_px


def deleted(story: Story) -> Iterator[float]:
    """Broken off midway and deleted; half of them are exported once more."""
    export = story.draw()
    size = len(export.data)
    with story.path.open("wb") as stream:
        stream.write(export.data[: story.dice.randrange(1, size)])
        stream.flush()
        yield story.pause_s()
    story.path.unlink()
    if story.dice.random() < 0.5:
        yield story.pause_s()
        yield from _append(story, export, parts=2)


HABITS: dict[str, Habit] = {
    "slow append": append,
    "pauses": pauses,
    "pre-sized, zero tail": presize,
    "sparse": sparse,
    "mmap": mapped,
    "truncate + rewrite": rewrite,
    "temp + rename": rename,
    "rename over": rename_over,
    "old mtime": old_time,
    "growing multi-page": pages,
    "sidecar before/after": sidecar,
    "deleted midway": deleted,
}


def _append(
    story: Story, export: Export, *, parts: int, most_s: float = MOST_S
) -> Iterator[float]:
    story.is_left = False
    with story.path.open("wb") as stream:
        for end in story.cuts(len(export.data), parts):
            stream.write(export.data[stream.tell() : end])
            stream.flush()
            if end < len(export.data):
                yield story.pause_s(most_s=most_s)
    story.complete(export)


def _beside_then_rename(story: Story, export: Export) -> Iterator[float]:
    partial = story.path.with_name(story.path.name + ".part")
    with partial.open("wb") as stream:
        for end in story.cuts(len(export.data), 2):
            stream.write(export.data[stream.tell() : end])
            stream.flush()
            if end < len(export.data):
                yield story.pause_s()
    partial.replace(story.path)
    story.complete(export)


def _text(story: Story, path: Path, text: bytes) -> Iterator[float]:
    """In two parts, broken within the last line."""
    with path.open("wb") as stream:
        stream.write(text[:-5])
        stream.flush()
        yield story.pause_s(most_s=25.0)
        stream.write(text[-5:])
