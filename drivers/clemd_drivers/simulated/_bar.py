"""Information bars: what the software prints below or over an electron image."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

_FONT = cv2.FONT_HERSHEY_DUPLEX


def scale_bar_um(field_um: float) -> float:
    """A round length of about a sixth of the field: 1, 2 or 5 times a power of ten."""
    wanted = field_um / 6
    power = 10 ** math.floor(math.log10(wanted))
    return float(max(step * power for step in (1, 2, 5) if step * power <= wanted))


def length_text(length_um: float) -> str:
    """A length for people, in nm below one micrometre."""
    return f"{length_um * 1000:g} nm" if length_um < 1 else f"{length_um:g} um"


def overlay_bar(
    shape: tuple[int, int], texts: tuple[tuple[str, str], ...], *, pixel_um: float
) -> NDArray[np.uint8]:
    """Two tones only: a bright border line, dark below, two rows of bright text."""
    height, width = shape
    bar = np.zeros(shape, np.uint8)
    edge = max(1, height // 60)
    bar[:edge] = 255
    bar[-edge:] = 255
    columns = len(texts) + 1
    _scale_bar(bar, width // 60, width // columns - width // 30, pixel_um, 255)
    for index, pair in enumerate(texts):
        left = (index + 1) * width // columns
        _write(bar, pair, left, width // columns, 255)
    return bar


def appended_bar(
    shape: tuple[int, int], texts: tuple[tuple[str, str], ...], *, pixel_um: float
) -> NDArray[np.uint8]:
    """A dark grey strip with cells: a heading above, its value below."""
    width = shape[1]
    bar = np.full(shape, 46, np.uint8)
    column = int(width * 0.72) // len(texts)
    for index, pair in enumerate(texts):
        left = index * column
        bar[:, left : left + 1] = 112
        _write(bar, pair, left + column // 12, column, 235)
    left = len(texts) * column
    bar[:, left : left + 1] = 112
    _scale_bar(bar, left + width // 60, width - left - width // 30, pixel_um, 255)
    return bar


def _write(
    bar: NDArray[np.uint8], texts: tuple[str, ...], left: int, room: int, value: int
) -> None:
    """Rows of text from the top, all of the same size, within `room` px."""
    height = bar.shape[0]
    scale = 0.30 * height / 22
    widest = max(cv2.getTextSize(text, _FONT, scale, 1)[0][0] for text in texts)
    scale *= min(1.0, 0.90 * room / max(widest, 1))
    for row, text in enumerate(texts):
        at = (left, int(height * (0.42 + 0.44 * row)))
        thickness = max(1, round(scale * 1.2))
        cv2.putText(bar, text, at, _FONT, scale, value, thickness, cv2.LINE_8)


def _scale_bar(
    bar: NDArray[np.uint8], left: int, room: int, pixel_um: float, value: int
) -> None:
    length_um = scale_bar_um(min(room * pixel_um * 6, bar.shape[1] * pixel_um))
    length = round(length_um / pixel_um)
    height = bar.shape[0]
    y, tick, thick = int(0.74 * height), int(0.10 * height), max(1, height // 50)
    cv2.line(bar, (left, y), (left + length, y), value, thick)
    for x in (left, left + length):
        cv2.line(bar, (x, y - tick), (x, y + tick), value, thick)
    _write(bar, (length_text(length_um),), left, room, value)
