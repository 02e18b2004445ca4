"""Which page of this file holds which plane.

Names of other files in the metadata are never followed: planes that lie there are
counted, not read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from xml.etree.ElementTree import Element

from clemd.errors import RefusedFileError
from clemd_drivers.formats._values import number
from clemd_drivers.formats._xml import children

from ._facts import size

MAX_PLANES = 100_000


@dataclass(frozen=True, slots=True)
class PlaneMap:
    """Pages of the planes of one image."""

    pages: dict[tuple[int, int, int], int]
    """(c, z, t) -> page of this file."""
    elsewhere: int
    """Planes that other files hold."""

    def of_channel(self, channel: int) -> list[tuple[int, int, int]]:
        """The planes of one channel, in z then t."""
        return sorted(key for key in self.pages if key[0] == channel)


def plane_map(
    root: Element, pixels: Element, *, size_c: int, file_name: str
) -> PlaneMap:
    """Read every TiffData block.

    Args:
        root: the OME element.
        pixels: the Pixels element.
        size_c: planes along C, i.e. channels that do not share a page.
        file_name: of this file, to know its own name among others.

    Raises:
        RefusedFileError: more planes than any real file has.
    """
    order = _order(pixels)
    sizes = {"C": size_c, "Z": size(pixels, "Z"), "T": size(pixels, "T")}
    total = size_c * sizes["Z"] * sizes["T"]
    if total > MAX_PLANES:
        raise RefusedFileError(f"{total} planes are declared: export fewer at a time")
    blocks = list(children(pixels, "TiffData"))
    if not blocks:
        blocks = [Element("TiffData")]
    pages: dict[tuple[int, int, int], int] = {}
    elsewhere = 0
    names = {_file_of(block) for block in blocks} - {""}
    for block in blocks:
        start = sum(
            _int(block, f"First{axis}") * step for axis, step in _steps(order, sizes)
        )
        count = _count(block, total - start)
        if not _is_ours(block, root, file_name, alone=len(names) <= 1):
            elsewhere += count
            continue
        for k in range(min(count, total - start)):
            pages.setdefault(_key(start + k, order, sizes), _int(block, "IFD") + k)
    return PlaneMap(pages, elsewhere)


def _order(pixels: Element) -> str:
    order = (pixels.get("DimensionOrder") or "XYCZT")[2:]
    return order if sorted(order) == ["C", "T", "Z"] else "CZT"


def _steps(order: str, sizes: dict[str, int]) -> list[tuple[str, int]]:
    steps, step = [], 1
    for axis in order:
        steps.append((axis, step))
        step *= sizes[axis]
    return steps


def _key(index: int, order: str, sizes: dict[str, int]) -> tuple[int, int, int]:
    at = {}
    for axis in order:
        index, at[axis] = divmod(index, sizes[axis])
    return at["C"], at["Z"], at["T"]


def _int(block: Element, name: str) -> int:
    return min(MAX_PLANES, max(0, int(number(block.get(name)) or 0)))


def _count(block: Element, rest: int) -> int:
    # The schema: without PlaneCount one plane if IFD is given, else all of them.
    if block.get("PlaneCount") is not None:
        return _int(block, "PlaneCount")
    return 1 if block.get("IFD") is not None else max(0, rest)


def _file_of(block: Element) -> str:
    """The last part of the file name a block states, or nothing."""
    named = next(children(block, "UUID"), None)
    stated = (named.get("FileName") or "") if named is not None else ""
    return PurePosixPath(PureWindowsPath(stated).name).name


def _is_ours(block: Element, root: Element, file_name: str, *, alone: bool) -> bool:
    named = next(children(block, "UUID"), None)
    if named is None or alone:
        return True  # one name only: the file was renamed after it was written
    own = root.get("UUID")
    if own and (named.text or "").strip() == own:
        return True
    return _file_of(block) == file_name
