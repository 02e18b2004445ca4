"""Text on pictures: OpenCV's stroke font, with the signs that microscopy needs."""

from __future__ import annotations

import unicodedata

import cv2
import numpy as np

from ._context import Colour
from ._contrast import GreyImage

_FONT = cv2.FONT_HERSHEY_DUPLEX
_CAP_PX = 22.0
"""Height of a capital letter of `_FONT` at scale 1."""
_OWN = {"µ": "u", "μ": "u", "±": "+", "–": "-", "—": "-", "×": "x", "…": "..."}


def text_size(text: str, height_px: float) -> tuple[int, int]:
    """(width, height) in px that `text` takes with capitals of `height_px`."""
    scale = height_px / _CAP_PX
    (width, height), _ = cv2.getTextSize(_plain(text), _FONT, scale, _weight(height_px))
    return width, height


def draw_text(
    picture: GreyImage,
    text: str,
    left_base: tuple[float, float],
    height_px: float,
    colour: Colour = (255, 255, 255),
) -> None:
    """Write `text` on a BGR picture, its base line starting at `left_base` (x, y)."""
    scale, weight = height_px / _CAP_PX, _weight(height_px)
    x, y = round(left_base[0]), round(left_base[1])
    plain, bgr = _plain(text), colour[::-1]
    cv2.putText(picture, plain, (x, y), _FONT, scale, bgr, weight, cv2.LINE_AA)
    _mend_signs(picture, text, (x, y), height_px, colour)


def fit_text(text: str, height_px: float, width_px: float) -> str:
    """`text`, shortened in its middle until it is no wider than `width_px`."""
    if text_size(text, height_px)[0] <= width_px:
        return text
    for kept in range(len(text) - 1, 4, -1):
        head, tail = (kept + 1) // 2, kept // 2
        short = f"{text[:head]}...{text[len(text) - tail :]}"
        if text_size(short, height_px)[0] <= width_px:
            return short
    return ""


def _mend_signs(
    picture: GreyImage,
    text: str,
    origin: tuple[int, int],
    height_px: float,
    colour: Colour,
) -> None:
    """Add the strokes that turn u into µ and + into ±."""
    for place, sign in enumerate(text):
        if sign not in "µμ±":
            continue
        start = origin[0] + text_size(text[:place], height_px)[0]
        width = text_size(_plain(sign), height_px)[0]
        if sign == "±":
            y = origin[1] + 0.12 * height_px
            ends = [(start + 0.15 * width, y), (start + 0.85 * width, y)]
        else:
            x = start + 0.18 * width
            ends = [(x, origin[1] - 0.3 * height_px), (x, origin[1] + 0.38 * height_px)]
        # sixteenths of a px: short strokes on whole px look broken
        a, b = (np.rint(np.array(end) * 16).astype(int).tolist() for end in ends)
        weight = _weight(height_px)
        cv2.line(picture, a, b, colour[::-1], weight, cv2.LINE_AA, shift=4)


def _plain(text: str) -> str:
    """`text` in the signs the font has; an unknown sign becomes a question mark."""
    own = "".join(_OWN.get(sign, sign) for sign in text)
    bare = unicodedata.normalize("NFKD", own).encode("ascii", "replace").decode()
    return "".join(sign if sign.isprintable() else "?" for sign in bare)


def _weight(height_px: float) -> int:
    return max(1, round(height_px / 14))
