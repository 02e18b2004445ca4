"""The text file that some microscopes write beside an image: one unit with it.

It is opened by name in the image's own folder only. Text and image arrive separately:
a text that ends within a line is still being written, and what its last line says (13
of 139) would be believed, so that line is not used.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from clemd.driver_api import SourceFile

MAX_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """One such text."""

    name: str
    lines: tuple[str, ...]
    warnings: tuple[str, ...] = ()


def text_beside(
    source: SourceFile, endings: Iterable[str], marks: Iterable[str]
) -> Beside | None:
    """The first text named after the image that holds one of `marks`, or None.

    Args:
        source: The image.
        endings: What follows the stem, e.g. `.txt`; tried as given, in upper case and
            with the case of the image's own suffix.
        marks: What only this vendor writes; looked for in the first lines.
    """
    stem = PurePath(source.path.name).stem
    # A backslash would be taken for a folder, and another image's text be opened.
    if "\\" in source.path.name:
        return None
    wanted = tuple(marks)
    for ending in dict.fromkeys(e for end in endings for e in (end, end.upper())):
        data = source.sibling(stem + ending)
        found = _read(stem + ending, data) if data else None
        if found and any(mark in line for line in found.lines[:40] for mark in wanted):
            return found
    return None


def hdr_endings(source: SourceFile) -> tuple[str, ...]:
    """`-tif.hdr` for an image `a.tif`, then `.hdr`."""
    suffix = PurePath(source.path.name).suffix.lstrip(".")
    return (f"-{suffix}.hdr", f"-{suffix.lower()}.hdr", ".hdr")


def decoded(data: bytes) -> str:
    """Text of any charset that microscope PCs use; never raises."""
    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if data.startswith(mark):
            return data.decode(charset, "replace")
    head = data[:200]
    if len(head) >= 4 and head.count(0) >= 0.4 * len(head):
        order = "le" if head[1::2].count(0) >= head[::2].count(0) else "be"
        return data.decode(f"utf-16-{order}", "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        # Japanese Windows writes the Greek letter of µm as these two bytes.
        charset = "cp932" if b"\x83\xca" in data else "cp1252"
        return data.decode(charset, "replace")


def _read(name: str, data: bytes) -> Beside:
    whole = decoded(data)
    text = whole.rstrip("\0")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    last = lines.pop()
    said: tuple[str, ...] = ()
    if last.strip():
        said = (f"{name} ends within a line: its last line is not used",)
    return Beside(name=name, lines=tuple(lines[:MAX_LINES]), warnings=said)
