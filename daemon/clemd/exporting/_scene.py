"""Both images on one small grid: what every picture of a pair starts from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from clemd.geometry import (
    apply,
    as_matrix,
    compose,
    corners,
    decompose,
    invert,
    resizing,
)
from clemd.model import BoolImage, Matrix, Matrix3

from ._colouring import choose_colours, grey_of
from ._context import Colour, LightLayer, Plane
from ._contrast import GreyImage, as_drawable, percentiles, stretch
from ._placement import PlacedLayer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A pair at picture size, the LM already on the EM's grid."""

    em: GreyImage
    light: tuple[GreyImage, ...]
    """One grey plane per layer, 0 outside the LM image."""
    colours: tuple[Colour, ...]
    covered: BoolImage
    """True where the LM has pixels."""
    lm_edge: tuple[tuple[float, float], ...]
    """Corners of the LM image on the picture, clockwise."""
    picture_px_per_em_px: float
    lm_px_per_picture_px: float
    specimen_rows: int
    """Rows above the info bar: marks are drawn here, never over the bar's text."""


def shrink(plane: Plane, max_side: int) -> tuple[Plane, Matrix]:
    """`plane` at most `max_side` px long or wide, and the matrix that did it."""
    height, width = plane.shape
    reduction = max(1.0, max(height, width) / max_side)
    shape = (max(1, round(height / reduction)), max(1, round(width / reduction)))
    drawable = as_drawable(plane)
    small = cv2.resize(drawable, shape[::-1], interpolation=cv2.INTER_AREA)
    return small, resizing((height, width), shape)


def grey_em(em: Plane, max_side: int, info_bar_rows: int) -> tuple[GreyImage, Matrix]:
    """The EM image at picture size; the info bar has no say in the contrast."""
    small, from_full = shrink(em, max_side)
    bar = round(info_bar_rows * from_full[1, 1])
    specimen = small[: max(1, small.shape[0] - bar)]
    return stretch(small, *percentiles(specimen, 0.3, 99.7)), from_full


def build_scene(
    em: Plane,
    layers: Sequence[LightLayer],
    em_to_lm: Matrix3,
    *,
    max_side: int,
    info_bar_rows: int = 0,
    fine: bool = False,
) -> Scene:
    """Shrink the EM image and put every LM layer (at least one) on its grid.

    `fine` takes several times as long where LM px are enlarged, and looks better.
    """
    grey, from_full = grey_em(em, max_side, info_bar_rows)
    to_lm = compose(as_matrix(em_to_lm), invert(from_full))
    height, width = grey.shape
    covered = np.zeros((height, width), np.bool_)
    light = []
    for layer in layers:
        placed = PlacedLayer(layer.plane, to_lm, (height, width), for_the_eye=fine)
        seen, covered = placed.look(0, 0, height, width)
        covered[height - round(info_bar_rows * from_full[1, 1]) :] = False
        shown = grey_of(layer, seen)
        shown[~covered] = 0
        light.append(shown)
    edge = apply(invert(to_lm), corners(layers[0].plane.shape))
    return Scene(
        em=grey,
        light=tuple(light),
        colours=choose_colours(layers),
        covered=covered,
        lm_edge=tuple((float(x), float(y)) for x, y in edge),
        picture_px_per_em_px=float(from_full[0, 0]),
        specimen_rows=height - round(info_bar_rows * from_full[1, 1]),
        lm_px_per_picture_px=decompose(to_lm, (width / 2, height / 2)).scale,
    )
