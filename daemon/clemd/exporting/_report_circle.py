"""The error radius drawn to scale on the LM image's own pixels, as SVG."""

from __future__ import annotations

import math

from clemd.model import ErrorRadius

_SIDE = 200.0
"""The drawing's own units; the page scales it."""
_MOST_CELLS = 14


def circle_svg(error_lm_px: ErrorRadius) -> str:
    """A grid of LM px with the 95 % circle (solid) and the typical one (dashed).

    Returns an `svg` element; `grid_step_lm_px` says what one cell is.
    """
    step = grid_step_lm_px(error_lm_px)
    half_cells = max(2, math.ceil(1.1 * error_lm_px.p95 / step))
    cell = _SIDE / (2 * half_cells)
    unit, middle = cell / step, _SIDE / 2
    lines = "".join(
        f"M{at:.2f} 0V{_SIDE:g}M0 {at:.2f}H{_SIDE:g}"
        for at in (i * cell for i in range(2 * half_cells + 1))
    )
    p95, p50 = error_lm_px.p95 * unit, error_lm_px.p50 * unit
    ring = f'<circle cx="{middle:g}" cy="{middle:g}" fill="none" '
    return (
        f'<svg viewBox="-1 -1 {_SIDE + 2:g} {_SIDE + 2:g}" role="img" '
        'aria-label="Error radius on the LM pixel grid">'
        f'<rect width="{_SIDE:g}" height="{_SIDE:g}" fill="#f4f6f8"/>'
        f'<path d="{lines}" stroke="#c3cad2" stroke-width=".8"/>'
        f'{ring}r="{p95:.2f}" stroke="#0072b2" stroke-width="3"/>'
        f'{ring}r="{p50:.2f}" stroke="#0072b2" stroke-width="1.8" '
        'stroke-dasharray="5 4"/>'
        f'<path d="M{middle - 6:g} {middle:g}h12M{middle:g} {middle - 6:g}v12" '
        'stroke="#1b1f24" stroke-width="1.6"/></svg>'
    )


def grid_step_lm_px(error_lm_px: ErrorRadius) -> int:
    """LM px per cell: 1, or a round number where 1 would be too fine to see."""
    least = 2 * 1.1 * error_lm_px.p95 / _MOST_CELLS
    if least <= 1:
        return 1
    power = int(10 ** math.floor(math.log10(least)))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= least)
