"""How long the scale bar is and what stands beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ._context import PixelUm


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleBar:
    """A bar of a round length."""

    length_px: float
    """On the picture."""
    label: str
    """e.g. `5 µm`, `200 nm`, `500 px`."""


def choose_bar(
    *, picture_width_px: int, picture_px_per_em_px: float, em_pixel_um: PixelUm | None
) -> ScaleBar:
    """The longest bar of 1, 2 or 5 x 10^n that takes at most a fifth of the width.

    Without a pixel size the bar counts EM px and says so.
    """
    unit_px = picture_px_per_em_px
    if em_pixel_um is not None:
        unit_px /= em_pixel_um[0]
    amount = _round_down(0.2 * picture_width_px / unit_px)
    name = _in_px(amount) if em_pixel_um is None else format_length(amount)
    return ScaleBar(length_px=amount * unit_px, label=name)


def format_length(length_um: float) -> str:
    """A length in the unit that keeps its number readable.

    >>> format_length(0.2), format_length(5), format_length(2000)
    ('200 nm', '5 µm', '2 mm')
    """
    if length_um < 1:
        return f"{length_um * 1000:.3g} nm"
    if length_um < 1000:
        return f"{length_um:.3g} µm"
    return f"{length_um / 1000:.3g} mm"


def _in_px(amount: float) -> str:
    return f"{amount:g} px"


def _round_down(amount: float) -> float:
    power = 10.0 ** math.floor(math.log10(amount) + 1e-9)
    step = next(s for s in (5, 2, 1) if s * power <= amount * (1 + 1e-9))
    return step * power
