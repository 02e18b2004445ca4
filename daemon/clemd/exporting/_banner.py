"""The strip above a picture: what it is, whether it is right, how far it may be off."""

from __future__ import annotations

import cv2
import numpy as np

from clemd.model import Registration, Verdict

from ._context import Colour
from ._contrast import GreyImage
from ._lettering import draw_text, fit_text, text_size
from ._scale_bar import ScaleBar, format_length

_COLOURS: dict[Verdict, Colour] = {
    Verdict.ACCEPTED: (30, 122, 60),
    Verdict.REVIEW: (176, 108, 0),
    Verdict.REJECTED: (170, 30, 36),
}


def verdict_line(registration: Registration) -> str:
    """The verdict with its error radius, e.g. `ACCEPTED  ± 0.12 µm (95 %)`."""
    if registration.verdict is Verdict.REJECTED:
        return "REJECTED  not registered"
    accepted = registration.verdict is Verdict.ACCEPTED
    word = "ACCEPTED" if accepted else "REVIEW, not certain"
    radius = radius_text(registration)
    return f"{word}  ± {radius} (95 %)" if radius else f"{word}  error unknown"


def radius_text(registration: Registration) -> str:
    """The 95 % error radius in micrometres, or in LM px; empty if not known."""
    if registration.error_um is not None:
        return format_length(registration.error_um.p95)
    if registration.error_lm_px is not None:
        return f"{registration.error_lm_px.p95:.2g} LM px"
    return ""


def letter_px(width_px: int) -> float:
    """Height of a capital letter on a picture `width_px` wide."""
    return min(18.0, max(9.0, width_px / 60))


def banner_rows(width_px: int) -> int:
    """Height of the strip above a picture `width_px` wide."""
    return round(2.4 * letter_px(width_px))


def with_banner(
    picture: GreyImage, registration: Registration, title: str
) -> GreyImage:
    """`picture` below a strip with the verdict (left) and the title (right)."""
    width = picture.shape[1]
    letter = letter_px(width)
    strip = np.empty((banner_rows(width), width, 3), np.uint8)
    strip[:] = _COLOURS[registration.verdict][::-1]
    base, gap = 1.7 * letter, letter
    verdict = fit_text(verdict_line(registration), letter, width - 2 * gap)
    draw_text(strip, verdict, (gap, base), letter)
    taken = text_size(verdict, letter)[0] + 3 * gap
    name = fit_text(title, 0.75 * letter, width - taken - gap)
    left = width - gap - text_size(name, 0.75 * letter)[0]
    draw_text(strip, name, (left, base), 0.75 * letter, (235, 235, 235))
    return np.vstack([strip, picture])


def draw_scale_bar(picture: GreyImage, bar: ScaleBar) -> None:
    """Draw the bar with its label at the lower right."""
    height, width = picture.shape[:2]
    letter = letter_px(width)
    text_width = text_size(bar.label, letter)[0]
    box_width = max(bar.length_px, text_width) + 2 * letter
    _darken(picture, width - box_width, height - 3.4 * letter, width, height)
    right, bottom = width - letter, height - 0.8 * letter
    left, thick = right - bar.length_px, max(2, round(letter / 4))
    corners = [(round(left), round(bottom - thick)), (round(right), round(bottom))]
    cv2.rectangle(picture, corners[0], corners[1], (255, 255, 255), cv2.FILLED)
    middle = (left + right - text_width) / 2
    place = (min(middle, right - text_width), bottom - thick - 0.6 * letter)
    draw_text(picture, bar.label, place, letter)


def draw_error_circle(picture: GreyImage, radius_px: float) -> None:
    """Draw the 95 % error radius at true size, in the lower left if it fits there.

    A radius too small to see is drawn as a ring of 3 px: never smaller than true.
    """
    height, width = picture.shape[:2]
    letter = letter_px(width)
    shown = max(3.0, radius_px)
    side = 2 * shown + 2 * letter
    if side > min(height, width) / 3:
        centre = (width / 2, height / 2)
    else:
        label = "error radius"
        label_width = text_size(label, 0.75 * letter)[0]
        box_height = max(side, 2.4 * letter)
        _darken(picture, 0, height - box_height, side + label_width + letter, height)
        centre = (letter + shown, height - box_height / 2)
        base = centre[1] + 0.37 * letter
        draw_text(picture, label, (side, base), 0.75 * letter)
    place = (round(centre[0] * 16), round(centre[1] * 16))
    ring = round(shown * 16)
    thick = max(1, round(letter / 9))
    cv2.circle(picture, place, ring, (0, 0, 0), thick + 2, cv2.LINE_AA, shift=4)
    cv2.circle(picture, place, ring, (80, 230, 255), thick, cv2.LINE_AA, shift=4)


def _darken(picture: GreyImage, x0: float, y0: float, x1: float, y1: float) -> None:
    left, top = max(0, round(x0)), max(0, round(y0))
    picture[top : round(y1), left : round(x1)] //= 3
