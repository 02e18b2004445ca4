"""Where the EM image lies on the LM map: the map whole, the EM as an outline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from clemd.geometry import apply, compose, decompose, outer_corners, translation
from clemd.model import Matrix, Registration

from ._atomic import write_bytes
from ._banner import draw_scale_bar, letter_px, with_banner
from ._colouring import choose_colours, grey_of, mix
from ._context import LightLayer, PixelUm, usable_matrix
from ._contrast import GreyImage
from ._layer import encode_png
from ._lettering import draw_text, text_size
from ._scale_bar import choose_bar
from ._scene import shrink

_MOST_ROOM = 0.3
"""Room left for an outline that leaves the map, fraction of the map's longer side."""
_BEYOND = 40
"""Grey where there is no map."""


def write_outline(
    path: Path,
    lm_layers: Sequence[LightLayer],
    registration: Registration,
    *,
    em_shape: tuple[int, int],
    em_pixel_um: PixelUm | None,
    title: str,
    max_side: int = 1600,
) -> None:
    """Write the LM map with the EM image's edge and its first corner marked.

    `em_shape` (height, width) in px as stored. The bar is measured with the EM's
    pixel size, like every other picture's; without one it counts LM px.

    Raises:
        UsageError: not registered; a place that is not believed is not shown.
        ValueError: there is no LM layer.
        OSError: the file cannot be written.
    """
    em_to_lm = usable_matrix(registration)
    if not lm_layers:
        raise ValueError("there is no LM layer to show")
    small = [shrink(layer.plane, max_side) for layer in lm_layers]
    greys = [
        grey_of(layer, plane)
        for layer, (plane, _) in zip(lm_layers, small, strict=True)
    ]
    light = mix(greys, choose_colours(lm_layers))
    to_light = compose(small[0][1], em_to_lm)
    picture, shift = _with_room(light, apply(to_light, outer_corners(em_shape)))
    to_picture = compose(shift, to_light)
    _draw_edge(picture, apply(to_picture, outer_corners(em_shape)))
    # without a pixel size the bar counts px, and on the map those are the map's own
    per_lm_px = float(small[0][1][0, 0])
    middle = (em_shape[1] / 2, em_shape[0] / 2)
    per_em_px = decompose(to_picture, middle).scale
    bar = choose_bar(
        picture_width_px=picture.shape[1],
        picture_px_per_em_px=per_lm_px if em_pixel_um is None else per_em_px,
        em_pixel_um=em_pixel_um,
    )
    draw_scale_bar(picture, bar)
    write_bytes(path, encode_png(with_banner(picture, registration, title)))


def _with_room(light: GreyImage, edge: NDArray[np.float64]) -> tuple[GreyImage, Matrix]:
    """The map with a border where the outline nears its edge, and that shift."""
    height, width = light.shape[:2]
    most, gap = _MOST_ROOM * max(height, width), letter_px(width)
    low, high = edge.min(axis=0), edge.max(axis=0)

    def room(beyond: float) -> int:
        return int(min(most, max(0.0, beyond + gap)))

    left, top = room(-0.5 - low[0]), room(-0.5 - low[1])
    right, bottom = room(high[0] - width + 0.5), room(high[1] - height + 0.5)
    borders = ((top, bottom), (left, right), (0, 0))
    picture = np.pad(light, borders, constant_values=_BEYOND)
    return picture, translation(left, top)


def _draw_edge(picture: GreyImage, edge: NDArray[np.float64]) -> None:
    """White in black, with a filled corner at the EM's first pixel.

    The corner is cut out of the EM's own top left, so the eye sees turn and mirror.
    """
    if np.abs(edge).max() > 1 << 24:  # a far corner overflows the drawing routine
        return
    letter = letter_px(picture.shape[1])
    first, right, _, down = edge
    thick = max(2, round(letter / 6))
    along, side = _step(first, right, 1.6 * letter), _step(first, down, 1.6 * letter)
    corner = _fixed(np.array([first, first + along, first + side]))
    for colour, more in (((0, 0, 0), 2), ((255, 255, 255), 0)):
        lines = _fixed(edge)
        cv2.polylines(
            picture, [lines], True, colour, thick + more, cv2.LINE_AA, shift=4
        )
        if not more:
            cv2.fillPoly(picture, [corner], colour, cv2.LINE_AA, shift=4)
    _name_inside(picture, first + 1.7 * (along + side), letter)


def _name_inside(picture: GreyImage, at: NDArray[np.float64], letter: float) -> None:
    width = text_size("EM", letter)[0]
    x, y = float(at[0]) - width / 2, float(at[1]) + letter / 2
    for dx, dy in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        draw_text(picture, "EM", (x + dx, y + dy), letter, (0, 0, 0))
    draw_text(picture, "EM", (x, y), letter)


def _step(
    start: NDArray[np.float64], end: NDArray[np.float64], length: float
) -> NDArray[np.float64]:
    """From `start` towards `end`, at most a third of the way."""
    whole = end - start
    distance = float(np.linalg.norm(whole))
    return np.asarray(whole * min(length / max(distance, 1e-9), 1 / 3))


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Sixteenths of a px, as the drawing routines take them."""
    return np.rint(points * 16).astype(np.int32)
