"""Hypercubes on their way to an engine."""

from __future__ import annotations

import numpy as np
import pytest

from clemd.errors import RegistrationRefusedError
from clemd.geometry import apply
from clemd.preparing import prepare_cube, prepare_series

BANDS = [np.random.default_rng(k).normal(100, 5, (40, 60)) for k in range(5)]
AXIS = [500.0, 510.0, 525.0, 540.0, 560.0]


def test_bands_stay_as_they_were_counted() -> None:
    """How bands compare is what a spectral engine reads."""
    made = prepare_cube(BANDS, AXIS)

    assert made.axis == tuple(AXIS)
    assert made.full_shape == (40, 60)
    for layer, band in zip(made.layers, BANDS, strict=True):
        np.testing.assert_allclose(layer, band, rtol=1e-6)


def test_a_fine_map_is_averaged_and_its_matrix_tells() -> None:
    """EM px that are much finer than the guide's hold nothing more."""
    wide = [np.tile(np.arange(320.0), (200, 1))] * 3
    made = prepare_cube(wide, AXIS[:3], reduction=4.3)

    assert made.layers[0].shape == (50, 80)
    assert made.layers[0][0, 0] == pytest.approx(1.5)
    np.testing.assert_allclose(apply(made.from_full, [(1.5, 1.5)]), [(0.0, 0.0)])


def test_a_point_without_a_whole_spectrum_does_not_count() -> None:
    """One band that is no number would poison every sum over bands."""
    holed = [band.copy() for band in BANDS]
    holed[2][:10] = np.nan
    made = prepare_cube(holed, AXIS)

    assert not made.mask[:10].any()
    assert made.mask[10:].all()
    assert all(np.isfinite(layer).all() for layer in made.layers)


def test_a_band_that_is_hardly_anywhere_a_number_is_left_out_with_a_warning() -> None:
    """A dead pixel of the detector costs its band, not the map."""
    holed = [band.copy() for band in BANDS]
    holed[3][:] = np.nan
    holed[3][0, :5] = 1.0
    holed[1][:10] = np.nan
    made = prepare_cube(holed, AXIS)

    assert made.axis == (500.0, 510.0, 525.0, 560.0)
    assert len(made.layers) == 4
    assert made.warnings == (
        "band 4 of the map is not a number at most points: left out",
    )
    assert made.mask.mean() == pytest.approx(0.75)


def test_a_map_measured_by_a_third_keeps_all_its_bands() -> None:
    """All bands end at the same point: that is no dead band."""
    partly = [band.copy() for band in BANDS]
    for band in partly:
        band[14:] = np.nan
    made = prepare_cube(partly, AXIS)

    assert len(made.layers) == 5
    assert made.warnings == ()


def test_an_unknown_page_of_a_series_does_not_hide_the_others() -> None:
    """The bands stay in step with their energies; the empty one is seen later."""
    pages = [band.copy() for band in BANDS]
    pages[2][:] = np.nan
    made = prepare_series(pages, AXIS)

    assert made.axis == tuple(AXIS)
    assert not made.layers[2].any()
    assert made.mask.mean() > 0.5


@pytest.mark.parametrize(
    ("bands", "words"),
    [
        ([], "no bands"),
        ([np.zeros((40, 60)), np.zeros((40, 61))], "alike"),
        ([np.zeros((40, 60), complex)], "real numbers"),
        ([np.ones((4, 60))], "60 x 4 points"),
        ([np.ones((40, 60))] * 3, "constant in every band"),
        ([np.full((40, 60), np.nan)] * 3, "0 % of the map has a spectrum"),
    ],
)
def test_what_is_no_map_is_refused_in_words(
    bands: list[np.ndarray], words: str
) -> None:
    """One line: what, and what to do."""
    with pytest.raises(RegistrationRefusedError, match=words) as refused:
        prepare_cube(bands, AXIS[: len(bands)])
    assert "\n" not in refused.value.reason
