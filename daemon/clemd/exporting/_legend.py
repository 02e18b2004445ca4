"""The strip below a picture: one line that counts, one that explains the colours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ._banner import letter_px
from ._context import Colour
from ._contrast import GreyImage
from ._lettering import draw_text, fit_text, text_size

_GROUND = 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A colour and what it means."""

    colour: Colour
    words: str


def with_legend(
    picture: GreyImage, headline: str, entries: Sequence[Entry], note: str = ""
) -> GreyImage:
    """`picture` above a dark strip: `headline`, the colours, and a `note` at the end.

    Colours that do not fit beside each other take another line.
    """
    width = picture.shape[1]
    big, small = _letters(width)
    lines = _lines(entries, note, width)
    shape = (legend_rows(width, entries, note), width, 3)
    strip = np.full(shape, _GROUND, np.uint8)
    shown = fit_text(headline, big, width - 2 * big)
    draw_text(strip, shown, (big, 1.7 * big), big)
    base = 1.7 * big
    for line in lines:
        base += 2 * small
        _draw_line(strip, line, (big, base), small)
    return np.vstack([picture, strip])


def legend_rows(width_px: int, entries: Sequence[Entry], note: str = "") -> int:
    """Height of the strip that `with_legend` adds."""
    big, small = _letters(width_px)
    return round(2.4 * big + 2 * small * len(_lines(entries, note, width_px)))


def _letters(width_px: int) -> tuple[float, float]:
    return letter_px(width_px), 0.72 * letter_px(width_px)


def _lines(entries: Sequence[Entry], note: str, width_px: int) -> list[list[Entry]]:
    big, letter = _letters(width_px)
    items = [*entries, *([Entry(colour=(0, 0, 0), words=note)] if note else [])]
    lines: list[list[Entry]] = []
    room_px = width_px - 2 * big
    taken = room_px
    for item in items:
        needed = _width(item, letter)
        if taken + needed > room_px:
            lines.append([])
            taken = 0.0
        lines[-1].append(item)
        taken += needed
    return lines


def _width(item: Entry, letter: float) -> float:
    return (
        text_size(item.words, letter)[0] + (4.0 if any(item.colour) else 1.0) * letter
    )


def _draw_line(
    strip: GreyImage, line: Sequence[Entry], start: tuple[float, float], letter: float
) -> None:
    x, base = start
    for item in line:
        text_x = x
        if any(item.colour):
            low = round(x), round(base - 1.15 * letter)
            high = round(x + 1.6 * letter), round(base + 0.15 * letter)
            cv2.rectangle(strip, low, high, item.colour[::-1], cv2.FILLED)
            text_x += 2.3 * letter
        room = strip.shape[1] - text_x
        words = fit_text(item.words, letter, room)
        draw_text(strip, words, (text_x, base), letter, (225, 225, 225))
        x += _width(item, letter)
