"""Where the info bar begins, told from the pixels alone."""

from __future__ import annotations

import numpy as np
import pytest

from clemd_drivers.formats._pixels import info_bar_rows


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32])
def test_bar_is_found_whatever_the_sample_type(dtype: type) -> None:
    """Values are counted in two ways, by type; both must see the same bar."""
    rng = np.random.default_rng(5)
    plane = rng.integers(20, 120, (400, 500)).astype(dtype)
    plane[360:] = 0
    plane[360] = 127
    plane[370:380, 40:80] = 127
    assert info_bar_rows(plane) == 40


def test_dark_field_is_no_bar() -> None:
    """One value only: nothing is written on it."""
    plane = np.zeros((400, 500), np.uint8)
    assert info_bar_rows(plane) == 0
