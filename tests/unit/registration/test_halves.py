"""A torn image is told from one that only hangs over the map's edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from clemd.geometry import middle_of, similarity, translation
from clemd.model import Matrix
from clemd.registration._images import Images, between
from clemd.registration._witnesses import tile_witnesses

SHAPE = (280, 340)
STEP_PX = 6


def at(x: float, y: float) -> Matrix:
    """The EM field with its middle at (x, y) of a map 500 px wide."""
    return similarity(
        scale=1.0, rotation_deg=0, about=middle_of(SHAPE), onto=(float(x), float(y))
    )


def apart_px(images: Images, matrix: Matrix) -> float:
    """What the witness says of the halves."""
    em, lm = images.at(1.0, 1.0)
    return tile_witnesses(em.z, lm.z, between(em, lm, [matrix])[0])["halves_px"]


@pytest.mark.parametrize("axis", [0, 1])
def test_image_with_a_jump_in_its_middle_is_torn(
    texture: Callable[..., Any],
    view: Callable[..., Any],
    images: Callable[..., Any],
    axis: int,
) -> None:
    """The stage jumped while the image was taken: no pose is right for both parts."""
    lm, place = texture(31, 500), at(250, 250)
    jump = translation(STEP_PX, 0) if axis else translation(0, STEP_PX)
    whole, moved = view(lm, place, SHAPE), view(lm, jump @ place, SHAPE)
    middle = SHAPE[axis] // 2
    parts = np.split(whole, [middle], axis)[0], np.split(moved, [middle], axis)[1]
    torn = np.concatenate(parts, axis)

    assert apart_px(images(whole, lm), place) < 1.0
    assert apart_px(images(torn, lm), place) > 0.6 * STEP_PX


@pytest.mark.parametrize(
    ("x", "y"), [(20, 250), (480, 250), (250, 10), (250, 490), (30, 30)]
)
def test_image_that_hangs_over_the_map_is_not_torn(
    texture: Callable[..., Any],
    view: Callable[..., Any],
    images: Callable[..., Any],
    x: int,
    y: int,
) -> None:
    """The half beside the map sees nothing of it, and must not be asked."""
    lm, place = texture(31, 500), at(x, y)
    em = view(lm, place, SHAPE, noise=45.0)

    assert apart_px(images(em, lm), place) < 2.0
