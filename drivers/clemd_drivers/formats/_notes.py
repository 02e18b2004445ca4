"""Numbers that a vendor's text states, each used only where it can be true.

What is absent is silently None; what is there and makes no sense is None too, and a
note says so, because a wrong pixel size or position is worse than none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from clemd.model import PixelSize
from clemd_drivers.formats._values import clean, number

SIZES_UM = (1e-6, 1e4)
"""Smallest and largest believable pixel: a picometre, a centimetre."""
REACH_UM = 1e6
"""No stage travels farther than a metre."""
SLACK = 0.01
"""Two statements of one size that are closer than this agree."""


class Notes:
    """What a file says that was not used, and why; becomes the frame's warnings."""

    def __init__(self, said: Iterable[str] = ()) -> None:
        self.lines = list(said)

    def add(self, line: str) -> None:
        """One more line, once."""
        if line not in self.lines:
            self.lines.append(line)

    def size_um(self, name: str, text: str | None, um: float = 1.0) -> float | None:
        """A pixel size or None; `um` is the length of one unit of `text`."""
        return self._within(name, text, um, *SIZES_UM)

    def believed_um(self, source: str, value: float | None) -> float | None:
        """A pixel size in µm that was worked out, or None where it cannot be true."""
        if value is None or SIZES_UM[0] <= value <= SIZES_UM[1]:
            return value
        self.add(
            f"pixel size: {source} says {value:.6g} µm, which cannot be true and is "
            "not used"
        )
        return None

    def field_um(self, name: str, text: str | None, um: float = 1.0) -> float | None:
        """A field width or None; `um` is the length of one unit of `text`."""
        return self._within(name, text, um, 1e-3, REACH_UM)

    def position_um(self, name: str, text: str | None, um: float = 1.0) -> float | None:
        """A stage coordinate or None; `um` is the length of one unit of `text`."""
        return self._within(name, text, um, -REACH_UM, REACH_UM)

    def angle_deg(
        self, name: str, text: str | None, deg: float = 1.0, most: float = 720.0
    ) -> float | None:
        """An angle of at most `most` degrees or None."""
        return self._within(name, text, deg, -most, most)

    def above_zero(self, name: str, text: str | None) -> float | None:
        """A finite number above zero or None, e.g. a magnification."""
        return self._within(name, text, 1.0, 1e-12, 1e12)

    def _within(
        self, name: str, text: str | None, factor: float, least: float, most: float
    ) -> float | None:
        shown = clean(text, 40)
        if not shown:
            return None
        value = number(shown)
        if value is not None and math.isfinite(value * factor):
            value = value * factor + 0.0  # no minus zero
            if least <= value <= most:
                return value
        self.add(f"{name} = {shown} cannot be true and is not used")
        return None


def size_of_edges(
    source: str, x_um: float | None, y_um: float | None, notes: Notes
) -> PixelSize | None:
    """Both edges of a pixel; where one is not known or cannot be true, it is square.

    Args:
        source: Where they are stated.
        x_um: Width, or None.
        y_um: Height, or None.
        notes: Takes a line for an edge that cannot be true.
    """
    x, y = (notes.believed_um(source, edge) for edge in (x_um, y_um))
    x, y = x or y, y or x
    return PixelSize(x_um=x, y_um=y, source=source) if x and y else None


def checked_size(
    stated: Iterable[tuple[str, float | None]],
    notes: Notes,
    *,
    ratio_y: float = 1.0,
    sigma: float = 0.03,
) -> PixelSize | None:
    """The first size that is known, doubted as far as the others contradict it.

    Args:
        stated: Source and pixel width in um, the most trusted first.
        notes: Takes a line for each contradiction.
        ratio_y: Pixel height over pixel width.
        sigma: Relative uncertainty where nothing contradicts.
    """
    believed = [(source, notes.believed_um(source, value)) for source, value in stated]
    known = [(source, value) for source, value in believed if value is not None]
    if not known:
        return None
    source, best = known[0]
    for other, value in known[1:]:
        apart = abs(math.log(value / best))
        if apart > SLACK:
            sigma = max(sigma, apart)
            notes.add(
                f"pixel size: {source} says {best:.6g} µm, {other} says {value:.6g} µm"
            )
    return PixelSize(
        x_um=best, y_um=best * ratio_y, source=source, relative_sigma=sigma
    )


def bar_below(
    height: int, image_rows: float | None, stated: float | None, notes: Notes
) -> int | None:
    """Rows appended below the image, or None where the text does not tell.

    Args:
        height: Rows of the file.
        image_rows: Rows of the image area by the text, already scaled to the file.
        stated: Rows of the bar by the text.
        notes: Takes a line where they do not fit.
    """
    if image_rows is None and stated is None:
        return None
    rows = height - round(image_rows) if image_rows is not None else round(stated or 0)
    if 0 <= rows <= height // 2:
        return rows
    notes.add(f"the image has {height} rows, which do not fit the stated info bar")
    return None


def scanned_area(
    stated: tuple[float, float] | None, shape: tuple[int, int], notes: Notes
) -> tuple[float, float] | None:
    """The (width, height) that was scanned, or None where it cannot be this file's.

    A file may have been made smaller, and rows of a bar may follow the image; what
    fits neither belongs to another image or was mistyped.

    Args:
        stated: By the text, px.
        shape: (height, width) of the file.
        notes: Takes a line where they do not fit.
    """
    if stated is None:
        return None
    rows = stated[1] * shape[1] / stated[0]
    if shape[0] / 2 <= rows < shape[0] + 1 and 1 / 32 <= stated[0] / shape[1] <= 32:
        return stated
    notes.add(
        f"{stated[0]:g} x {stated[1]:g} px were scanned by the text, which do not fit "
        f"an image of {shape[1]} x {shape[0]}"
    )
    return None
