"""Matrices say where pixels go, and pixels really go there."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from clemd.geometry import (
    apply,
    as_matrix,
    as_rows,
    binning,
    compose,
    corner_errors,
    corners,
    cropping,
    decompose,
    in_um,
    invert,
    mirroring,
    resizing,
    similarity,
    translation,
)
from clemd.model import Matrix

Image = NDArray[np.float64]
TOLERANCE_PX = 1e-6
LEAST_PX = 6
steady = settings(deadline=None, derandomize=True, max_examples=80)
numbers = st.floats(-1e4, 1e4)


@dataclass
class Ramps:
    """Two images that hold their own x and y, and the matrix that came of it all."""

    x: Image
    y: Image
    matrix: Matrix
    """Px of the first images -> px of these."""

    @classmethod
    def of(cls, height: int, width: int) -> Ramps:
        """Where nothing has been done yet."""
        y, x = np.mgrid[:height, :width].astype(np.float64)
        return cls(x, y, np.eye(3))

    def change(self, change: Callable[[Image], Image], matrix: Matrix) -> None:
        """Do to the pixels what `matrix` says is done to them."""
        self.x, self.y = change(self.x), change(self.y)
        self.matrix = compose(matrix, self.matrix)

    def crop(self, x0: int, y0: int, x1: int, y1: int) -> None:
        """Keep columns x0..x1 and rows y0..y1, the ends left out."""
        self.change(lambda a: a[y0:y1, x0:x1], cropping(x0, y0))

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.x.shape[0], self.x.shape[1]


def bin_pixels(ramps: Ramps, by: int) -> None:
    """Average blocks."""
    height, width = (n // by * by for n in ramps.shape)
    ramps.crop(0, 0, width, height)
    ramps.change(
        lambda a: a.reshape(height // by, by, width // by, by).mean((1, 3)),
        binning(by),
    )


def resize_pixels(ramps: Ramps, factor: float) -> None:
    """Interpolate linearly, edge to edge, as scipy does it."""
    before = ramps.shape
    height, width = (max(LEAST_PX, round(n * factor)) for n in before)
    after = (height, width)
    ratio = (after[0] / before[0], after[1] / before[1])
    ramps.change(
        lambda a: ndimage.zoom(a, ratio, order=1, mode="nearest", grid_mode=True),
        resizing(before, after),
    )
    assert ramps.shape == after
    # beyond the outermost centres there is nothing to interpolate between
    y, x = (math.ceil(r / 2) for r in ratio)
    ramps.crop(x, y, after[1] - x, after[0] - y)


def do_step(ramps: Ramps, kind: str, amount: float) -> None:
    """One step of a chain, `amount` from 0 to 1, where the image is large enough."""
    height, width = ramps.shape
    if kind == "flip":
        ramps.change(lambda a: a[:, ::-1], mirroring(width))
    elif min(height, width) < 3 * LEAST_PX:
        return
    elif kind == "bin":
        bin_pixels(ramps, 2 + round(amount))
    elif kind == "crop":
        x0, y0 = round(amount * width / 3), round((1 - amount) * height / 3)
        ramps.crop(x0, y0, width - round(width / 4), height - round(height / 5))
    else:
        resize_pixels(ramps, 0.6 + amount)


steps = st.lists(
    st.tuples(st.sampled_from(["bin", "crop", "flip", "resize"]), st.floats(0, 1)),
    min_size=1,
    max_size=6,
)


@steady
@given(st.integers(40, 90), st.integers(40, 90), steps)
def test_resampled_pixels_are_where_the_composed_matrix_says(
    height: int, width: int, chain: list[tuple[str, float]]
) -> None:
    """Images that hold their own coordinates are binned, cropped, flipped, resized."""
    ramps = Ramps.of(height, width)
    for kind, amount in chain:
        do_step(ramps, kind, amount)

    rows, columns = np.mgrid[: ramps.shape[0], : ramps.shape[1]]
    came_from = apply(invert(ramps.matrix), np.c_[columns.ravel(), rows.ravel()])
    held = np.c_[ramps.x.ravel(), ramps.y.ravel()]

    assert np.abs(came_from - held).max() < TOLERANCE_PX


matrices = st.builds(
    lambda scale, turn, mirrored, x, y: similarity(
        scale=scale, rotation_deg=turn, mirrored=mirrored, onto=(x, y)
    ),
    st.floats(0.01, 100),
    st.floats(-180, 180),
    st.booleans(),
    numbers,
    numbers,
)


@steady
@given(st.lists(matrices, min_size=1, max_size=4), numbers, numbers)
def test_composed_matrix_moves_points_as_one_step_after_another(
    chain: list[Matrix], x: float, y: float
) -> None:
    """The last argument of `compose` is the first to act."""
    moved = np.array([[x, y]])
    for matrix in reversed(chain):
        moved = apply(matrix, moved)

    once = apply(compose(*chain), [(x, y)])

    assert np.allclose(once, moved, rtol=1e-9, atol=TOLERANCE_PX)


@steady
@given(matrices, st.floats(-500, 500), st.floats(-500, 500))
def test_inverse_brings_points_back(matrix: Matrix, x: float, y: float) -> None:
    """There and back is nowhere, mirrored or not."""
    there_and_back = apply(invert(matrix), apply(matrix, [(x, y)]))

    assert np.abs(there_and_back - (x, y)).max() < TOLERANCE_PX * 10


@steady
@given(
    st.floats(0.01, 100),
    st.floats(-179.9, 180),
    st.booleans(),
    st.floats(-1000, 1000),
    st.floats(-1000, 1000),
)
def test_similarity_is_read_back_as_it_was_asked_for(
    scale: float, turn: float, mirrored: bool, x: float, y: float
) -> None:
    """Scale, rotation and mirror survive; a similarity has no shear."""
    matrix = similarity(
        scale=scale, rotation_deg=turn, mirrored=mirrored, about=(3.0, 4.0), onto=(x, y)
    )
    parts = decompose(matrix, at=(3.0, 4.0))

    assert parts.scale == pytest.approx(scale, rel=1e-9)
    # the two ends of the circle are one direction
    assert math.cos(math.radians(parts.rotation_deg - turn)) == pytest.approx(1)
    assert parts.mirrored is mirrored
    assert parts.anisotropy == pytest.approx(0, abs=1e-6)
    assert parts.shear_deg == pytest.approx(0, abs=1e-5)
    assert np.allclose(apply(matrix, [(3.0, 4.0)]), [(x, y)], atol=TOLERANCE_PX)


def test_positive_rotation_is_clockwise_as_displayed() -> None:
    """A quarter turn takes the right to the bottom, since y points down."""
    turned = apply(similarity(scale=1, rotation_deg=90), [(1.0, 0.0)])

    assert np.allclose(turned, [(0.0, 1.0)])


def test_mirror_acts_before_the_turn() -> None:
    """Left-right first: the right goes left, then a quarter turn takes it up."""
    matrix = similarity(scale=1, rotation_deg=90, mirrored=True)

    assert np.allclose(apply(matrix, [(1.0, 0.0)]), [(0.0, -1.0)])


def test_first_pixel_of_a_binned_image_lies_between_those_it_came_from() -> None:
    """The centre of pixels 0 and 1 is 0.5, not 0 and not 1."""
    assert np.allclose(apply(invert(binning(2)), [(0.0, 0.0)]), [(0.5, 0.5)])


def test_pixels_that_are_not_square_bin_by_their_own_factors() -> None:
    """Three columns and two rows become one pixel."""
    assert np.allclose(apply(invert(binning(3, 2)), [(0.0, 0.0)]), [(1.0, 0.5)])


def test_unequal_scales_and_shear_are_named() -> None:
    """A matrix that is no similarity says by how much."""
    stretched = decompose(np.diag([2.0, 1.0, 1.0]))
    sheared = decompose(np.array([[1, 0.1, 0], [0, 1, 0], [0, 0, 1.0]]))

    assert stretched.anisotropy == pytest.approx(1.0)
    assert stretched.scale == pytest.approx(math.sqrt(2))
    assert sheared.shear_deg == pytest.approx(
        math.degrees(math.asin(0.1 / 1.005)), 1e-3
    )


def test_scale_of_a_homography_depends_on_where_one_looks() -> None:
    """The local scale agrees with how far neighbours move apart."""
    matrix = np.array([[1.0, 0, 0], [0, 1.0, 0], [1e-3, 0, 1.0]])
    at = (200.0, 50.0)
    step = apply(matrix, [(200.0, 50.001)]) - apply(matrix, [at])
    along = apply(matrix, [(200.001, 50.0)]) - apply(matrix, [at])
    area = abs(np.linalg.det(np.r_[along, step] / 1e-3))

    assert decompose(matrix, at=at).scale == pytest.approx(math.sqrt(area), rel=1e-4)


def test_matrix_that_cannot_be_undone_is_refused() -> None:
    """Everything onto one line has no way back."""
    with pytest.raises(np.linalg.LinAlgError):
        invert(np.diag([1.0, 0.0, 1.0]))


def test_corner_error_is_the_distance_between_two_opinions() -> None:
    """A shift by (3, 4) is 5 px at every corner."""
    errors = corner_errors(translation(3, 4), np.eye(3), (10, 20))

    assert errors == pytest.approx([5.0] * 4)
    assert corners((10, 20)).tolist() == [[0, 0], [19, 0], [19, 9], [0, 9]]


def test_micrometres_of_one_image_become_micrometres_of_the_other() -> None:
    """Where the pixel sizes are right, a length stays what it is."""
    em_um, lm_um = (0.01, 0.01), (0.1, 0.1)
    matrix = in_um(similarity(scale=0.1, rotation_deg=30), em_um, lm_um)

    assert decompose(matrix).scale == pytest.approx(1.0)
    assert decompose(matrix).rotation_deg == pytest.approx(30.0)


@steady
@given(matrices)
def test_rows_for_json_become_the_same_matrix(matrix: Matrix) -> None:
    """Not a bit is lost on the way through plain numbers."""
    assert np.array_equal(as_matrix(as_rows(matrix)), matrix)
