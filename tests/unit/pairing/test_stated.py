"""Where a file itself says that one of its images lies in another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from clemd.geometry import apply, as_matrix
from clemd.model import Frame, Modality, PixelSize, StagePose
from clemd.pairing import stated_place


def frame(
    shape: tuple[int, int], um: float, at: tuple[float, float], plane: str = "p y down"
) -> Frame:
    """An image of a file."""
    return Frame(
        path="a",
        driver="wdf",
        driver_version="1",
        modality=Modality.HYPERSPECTRAL,
        shape=shape,
        dtype="float32",
        channels=(),
        pixel_size=PixelSize(x_um=um, y_um=um, source="test"),
        stage=StagePose(x_um=at[0], y_um=at[1]),
        ids={"plane": plane},
    )


MAP = frame((11, 21), 2.0, (100.0, 50.0))
GUIDE = frame((101, 201), 0.5, (90.0, 55.0))


def test_middles_and_pixel_sizes_say_where() -> None:
    """By hand: 10 µm right and 5 µm above the guide's middle, four px a point."""
    place = as_matrix(stated_place(MAP, GUIDE) or [])

    np.testing.assert_allclose(apply(place, [(10, 5)]), [(120, 40)])
    np.testing.assert_allclose(apply(place, [(11, 6)]), [(124, 44)])


def test_axes_that_point_upwards_are_heard() -> None:
    """Odemis counts y from below: the same numbers lie below the middle."""
    up = [replace(one, ids={"plane": "p y up"}) for one in (MAP, GUIDE)]
    place = as_matrix(stated_place(*up) or [])

    np.testing.assert_allclose(apply(place, [(10, 5)]), [(120, 60)])
    np.testing.assert_allclose(apply(place, [(11, 6)]), [(124, 64)])


@pytest.mark.parametrize(
    "other",
    [
        replace(GUIDE, ids={"plane": "q y down"}),
        replace(GUIDE, ids={}),
        replace(GUIDE, stage=None),
        replace(GUIDE, pixel_size=None),
    ],
    ids=["another stage", "no plane", "no stage", "no pixel size"],
)
def test_two_instruments_say_nothing_about_each_other(other: Frame) -> None:
    """Signs and origins of another stage are its own."""
    assert stated_place(MAP, other) is None
