"""The pictures an operator sees first: overlay or checkerboard, verdict on top.

A rejected pair is never shown as an overlay: its images stand side by side under a
red strip, so that a wrong overlay cannot be taken for a right one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from clemd.model import Matrix3, Registration, Verdict

from ._atomic import write_bytes
from ._banner import draw_error_circle, draw_scale_bar, with_banner
from ._beside import write_beside
from ._colouring import (
    choose_colours,
    grey_of,
    is_reflected,
    lay_over,
    mix,
    structure_index,
)
from ._context import LightLayer, PixelUm, Plane
from ._contrast import GreyImage
from ._layer import encode_png
from ._lettering import draw_text, fit_text
from ._scale_bar import choose_bar
from ._scene import Scene, build_scene, grey_em, shrink

_GAP_PX = 8


def write_preview(
    path: Path,
    em: Plane,
    lm_layers: Sequence[LightLayer],
    registration: Registration,
    *,
    em_pixel_um: PixelUm | None,
    title: str,
    max_side: int = 1600,
    info_bar_rows: int = 0,
    fine: bool = False,
) -> None:
    """Write the overlay PNG: EM in grey, LM in colour, bar, error circle, verdict.

    `fine` enlarges the LM px more finely, and is slower.

    Raises:
        OSError: the file cannot be written.
    """
    matrix = _shown_matrix(registration)
    if matrix is None or not lm_layers:
        picture = _side_by_side(em, lm_layers, em_pixel_um, max_side, info_bar_rows)
    else:
        scene = build_scene(
            em,
            lm_layers,
            matrix,
            max_side=max_side,
            info_bar_rows=info_bar_rows,
            fine=fine,
        )
        picture = lay_over(scene.em, scene.light, scene.colours)
        picture[~scene.covered] = scene.em[~scene.covered][:, None]
        _annotate(picture, scene, registration, em_pixel_um)
    write_bytes(path, encode_png(with_banner(picture, registration, title)))


def write_checkerboard(
    path: Path,
    em: Plane,
    lm_layers: Sequence[LightLayer],
    registration: Registration,
    *,
    em_pixel_um: PixelUm | None,
    title: str,
    max_side: int = 1600,
    fields: int = 8,
    info_bar_rows: int = 0,
) -> None:
    """Write a PNG of EM and LM in alternate fields: edges run on if it is right.

    `fields` is their number along the longer side. The other two pictures to check a
    registration with, tile votes and outline, go beside it (`write_beside`).

    Raises:
        OSError: the file cannot be written.
    """
    matrix = _shown_matrix(registration)
    if matrix is None or not lm_layers:
        picture = _side_by_side(em, lm_layers, em_pixel_um, max_side, info_bar_rows)
    else:
        scene = build_scene(
            em,
            lm_layers,
            matrix,
            max_side=max_side,
            info_bar_rows=info_bar_rows,
            fine=True,
        )
        picture = _checkered(scene, lm_layers, fields)
        _annotate(picture, scene, registration, em_pixel_um)
    write_bytes(path, encode_png(with_banner(picture, registration, title)))
    write_beside(
        path.parent,
        em,
        lm_layers,
        registration,
        em_pixel_um=em_pixel_um,
        title=title,
        max_side=max_side,
        info_bar_rows=info_bar_rows,
    )


def _shown_matrix(registration: Registration) -> Matrix3 | None:
    """The matrix, unless the verdict forbids to show it."""
    if registration.verdict is Verdict.REJECTED:
        return None
    return registration.em_to_lm


def _annotate(
    picture: GreyImage,
    scene: Scene,
    registration: Registration,
    em_pixel_um: PixelUm | None,
) -> None:
    picture = picture[: max(16, scene.specimen_rows)]
    edge = np.rint(np.array(scene.lm_edge) * 16).astype(np.int32)
    if np.abs(edge).max() < 1 << 24:  # a far corner overflows the drawing routine
        colour = (150, 150, 150)
        cv2.polylines(picture, [edge], True, colour, 1, cv2.LINE_AA, shift=4)
    if registration.error_lm_px is not None:
        radius_px = registration.error_lm_px.p95 / scene.lm_px_per_picture_px
        draw_error_circle(picture, radius_px)
    _draw_bar(picture, scene.picture_px_per_em_px, picture.shape[1], em_pixel_um)


def _draw_bar(
    picture: GreyImage, scale: float, width_px: int, em_pixel_um: PixelUm | None
) -> None:
    bar = choose_bar(
        picture_width_px=width_px, picture_px_per_em_px=scale, em_pixel_um=em_pixel_um
    )
    draw_scale_bar(picture[:, :width_px], bar)


def _checkered(scene: Scene, layers: Sequence[LightLayer], fields: int) -> GreyImage:
    chosen = structure_index(layers)
    if is_reflected(layers[chosen]):
        light = mix([scene.light[chosen]], [(255, 255, 255)])
    else:  # labels: any one of them may be all but empty
        light = mix(scene.light, scene.colours)
    height, width = scene.em.shape
    side = max(8, round(max(height, width) / fields))
    y, x = np.ogrid[:height, :width]
    is_light = ((x // side + y // side) % 2 == 1) & scene.covered
    picture = np.repeat(scene.em[:, :, None], 3, axis=2)
    picture[is_light] = light[is_light]
    return picture


def _side_by_side(
    em: Plane,
    layers: Sequence[LightLayer],
    em_pixel_um: PixelUm | None,
    max_side: int,
    info_bar_rows: int,
) -> GreyImage:
    """EM left, LM right, each in its own frame."""
    half = max(16, (max_side - _GAP_PX) // 2)
    grey, from_full = grey_em(em, half, info_bar_rows)
    left = np.repeat(grey[:, :, None], 3, axis=2)
    _draw_bar(left, float(from_full[0, 0]), left.shape[1], em_pixel_um)
    _name(left, "EM")
    if not layers:
        return left
    greys = [grey_of(layer, shrink(layer.plane, half)[0]) for layer in layers]
    right = mix(greys, choose_colours(layers))
    _name(right, "LM")
    height = max(left.shape[0], right.shape[0])
    gap = np.full((height, _GAP_PX, 3), 40, np.uint8)
    return np.hstack([_pad(left, height), gap, _pad(right, height)])


def _pad(picture: GreyImage, height: int) -> GreyImage:
    missing = ((0, height - picture.shape[0]), (0, 0), (0, 0))
    return np.pad(picture, missing, constant_values=40)


def _name(picture: GreyImage, name: str) -> None:
    letter = min(18.0, max(9.0, picture.shape[1] / 40))
    picture[: round(2 * letter), : round(4 * letter)] //= 3
    shown = fit_text(name, letter, picture.shape[1])
    draw_text(picture, shown, (0.7 * letter, 1.5 * letter), letter)
