"""The engine for spectral maps with a brightfield guide."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.bench.methods._vibrational import (
    INFRARED,
    RAMAN,
    Technique,
    VibrationalPair,
    error_of,
    field_errors_px,
    vibrational_pair,
)
from clemd.errors import RegistrationRefusedError
from clemd.geometry import as_matrix, as_rows, decompose
from clemd.model import PosePrior, PreparedImage, Registration, Verdict
from clemd.preparing import prepare, prepare_cube
from clemd.registration import Engine, EngineContext, engine_named
from clemd.registration.global_gradient import GradientPair, scale_of
from clemd.registration.global_gradient._checking import check_axis, check_guide
from clemd.registration.global_gradient._cleaning import clean
from clemd.registration.global_gradient._gradients import grown, pyramid, sobel
from clemd.registration.global_gradient._weights import band_weights, level_weights
from clemd.testing import EngineSuite

BANDS = 12
AXIS = tuple(800.0 + 40 * band for band in range(BANDS))


def spectral(image: NDArray[Any]) -> list[NDArray[Any]]:
    """An image as a cube: two pure spectra, mixed by its grey, and noise."""
    if image.dtype.kind == "c" or image.size < 2 or np.isnan(image).all():
        return [image] * BANDS
    rng = np.random.default_rng(5)
    top = 255.0 if image.dtype == np.uint8 else float(np.nanmax(image)) or 1.0
    share = image.astype(np.float32) / np.float32(top)
    pure = rng.uniform(0.1, 1.0, (2, BANDS))
    grain = 0.0 if np.nanstd(share) == 0 else 0.01
    return [
        np.asarray(a * share + b * (1 - share), np.float32)
        + rng.normal(0, grain, image.shape).astype(np.float32)
        for a, b in pure.T
    ]


class TestGlobalGradient(EngineSuite):
    """The suite's EM images as cubes: the contract is the same."""

    def make_engine(self) -> Engine:
        """The engine as a profile names it."""
        return engine_named("global-gradient")

    def run(
        self,
        em: NDArray[Any],
        lm: NDArray[Any],
        *,
        ratio: float | None = None,
        **prior: Any,
    ) -> Registration:
        """As the suite does, with a spectrum in each point."""
        given = ratio if ratio is not None else self.ratio * 1.04
        return self.make_engine().register(
            prepare_cube(spectral(em), AXIS, reduction=given),
            prepare([lm], reduction=1.0),
            PosePrior(pixel_size_ratio=given, **prior),
            EngineContext(),
        )


def sides_of(pair: VibrationalPair) -> tuple[PreparedImage, PreparedImage, PosePrior]:
    """A simulated pair as an engine gets it."""
    map_image = prepare_cube(list(pair.cube), pair.axis)
    scale = scale_of(pair.stated, map_image.full_shape)
    prior = PosePrior(pixel_size_ratio=1 / scale, expected=as_rows(pair.stated))
    return map_image, prepare([pair.guide], reduction=1.0), prior


@pytest.fixture(scope="module")
def raman() -> VibrationalPair:
    """One pair for the tests that only look."""
    return vibrational_pair(1, RAMAN)


@pytest.mark.parametrize("technique", [RAMAN, INFRARED], ids=lambda t: t.name)
def test_a_map_lies_within_half_a_guide_px(technique: Technique) -> None:
    """Three to ten px were published; a third of a point of the map is expected."""
    pair = vibrational_pair(2, technique)
    found = engine_named("global-gradient").register(*sides_of(pair), EngineContext())

    assert found.verdict is Verdict.ACCEPTED, found.reasons
    assert found.em_to_lm is not None
    assert error_of(pair, pair.stated) > 7
    assert error_of(pair, as_matrix(found.em_to_lm)) < 0.5


def test_a_map_is_found_without_the_devices_word(raman: VibrationalPair) -> None:
    """Not every file states where its map lies."""
    cube, guide, prior = sides_of(raman)
    found = engine_named("global-gradient").register(
        cube, guide, replace(prior, expected=None), EngineContext()
    )

    assert found.em_to_lm is not None
    assert error_of(raman, as_matrix(found.em_to_lm)) < 0.5


def test_the_weights_are_told(raman: VibrationalPair) -> None:
    """An answer that rests on chosen bands must say which."""
    found = engine_named("global-gradient").register(*sides_of(raman), EngineContext())
    seen = found.evidence

    for name in ("alpha", "beta"):
        assert sum(seen[f"{name}_{k}"] for k in range(4)) == pytest.approx(1.0)
        assert min(seen[f"{name}_{k}"] for k in range(4)) >= 0
    assert 0 < seen["band_0_1"] <= 1
    assert raman.axis[0] <= seen["band_0_1_at"] <= raman.axis[-1]
    assert seen["cosmic_rays"] > 0
    assert f"{seen['band_0_1_at']:.4g}" in found.reasons[-1]


def test_the_finest_level_places_better_than_the_published_sum(
    raman: VibrationalPair,
) -> None:
    """Why this engine does not end where the paper does."""
    cube, guide, _ = sides_of(raman)
    cleaned = clean(cube.layers, cube.axis, cube.mask)
    laid = GradientPair(cube, cleaned, guide, scale_of(raman.true, cube.full_shape))

    published = error_of(raman, laid.published(raman.true))
    ours = error_of(raman, laid.refined(raman.true).matrix)
    assert ours < 0.3 < published


def test_other_guides_are_not_accepted(raman: VibrationalPair) -> None:
    """Weights can be found for any guide; the witnesses never saw them."""
    cube, _, prior = sides_of(raman)
    other = prepare([vibrational_pair(3, RAMAN).guide], reduction=1.0)
    found = engine_named("global-gradient").register(
        cube, other, prior, EngineContext()
    )

    assert found.verdict is not Verdict.ACCEPTED


def refusal(cube: PreparedImage, guide: PreparedImage | None = None) -> str:
    """What the engine says to a pair that it cannot work on."""
    shown = guide or prepare([vibrational_pair(1, RAMAN).guide], reduction=1.0)
    with pytest.raises(RegistrationRefusedError) as refused:
        engine_named("global-gradient").register(
            cube, shown, PosePrior(), EngineContext()
        )
    assert "\n" not in refused.value.reason
    return refused.value.reason


def test_a_plain_image_is_refused(raman: VibrationalPair) -> None:
    """The mistake a user makes first: the wrong engine."""
    plain = prepare([raman.guide], reduction=1.0)
    assert "no spectral axis" in refusal(plain)


def test_a_wrong_number_of_bands_is_refused(raman: VibrationalPair) -> None:
    """An axis of another file would name the wrong bands."""
    cube, _, _ = sides_of(raman)
    assert "120 bands and a spectral axis of 119 values" in refusal(
        replace(cube, axis=cube.axis[:-1])
    )
    assert "at least 3" in refusal(
        replace(cube, layers=cube.layers[:2], axis=cube.axis[:2])
    )


def test_an_axis_that_turns_back_is_refused(raman: VibrationalPair) -> None:
    """Two ranges glued together; which band is which cannot be known."""
    cube, _, _ = sides_of(raman)
    axis = (*cube.axis[60:], *cube.axis[:60])
    assert "band 60 lies at 1790" in refusal(replace(cube, axis=axis))
    broken = (float("nan"), *cube.axis[1:])
    assert "not numbers" in refusal(replace(cube, axis=broken))


def test_a_falling_axis_is_as_good_as_a_rising_one() -> None:
    """Instruments write either."""
    check_axis((3.0, 2.0, 1.0))
    check_axis((1.0, 2.0, 3.5))


def test_a_map_smaller_than_the_pyramid_is_refused(raman: VibrationalPair) -> None:
    """Four levels of a map of ten points leave one px."""
    small = prepare_cube([band[:10, :40] for band in raman.cube], raman.axis)
    assert "40 x 10 points" in refusal(small)


def test_a_guide_without_structure_is_refused(raman: VibrationalPair) -> None:
    """Weights can always be found; on noise they mean nothing."""
    cube, _, _ = sides_of(raman)
    noise = np.random.default_rng(1).normal(128, 20, (350, 415)).clip(0, 255)
    guide = prepare([noise.astype(np.uint8)], reduction=1.0)
    assert "no structure" in refusal(cube, guide)
    check_guide(prepare([raman.guide], reduction=1.0))


def test_a_speck_is_refused_unless_the_device_says_where(
    raman: VibrationalPair,
) -> None:
    """Twenty px of a guide fit anywhere."""
    cube, guide, prior = sides_of(raman)
    free = replace(prior, expected=None, pixel_size_ratio=4.0)
    with pytest.raises(RegistrationRefusedError, match="16 px of the guide"):
        engine_named("global-gradient").register(cube, guide, free, EngineContext())

    speck = np.array([[0.2, 0.0, 200.0], [0.0, 0.2, 150.0], [0.0, 0.0, 1.0]])
    stated = replace(prior, expected=as_rows(speck))
    with pytest.raises(RegistrationRefusedError, match="of the guide: too few"):
        engine_named("global-gradient").register(cube, guide, stated, EngineContext())


def test_a_small_map_is_judged_on_an_enlarged_guide() -> None:
    """Radius and votes are told in px of the guide as stored all the same."""
    pair = vibrational_pair(8, RAMAN)
    cube, _, prior = sides_of(pair)
    small = cv2.resize(pair.guide, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    quarter = np.diag([0.25, 0.25, 1.0])
    quarter[:2, 2] = 0.125 - 0.5
    stated = replace(
        prior,
        expected=as_rows(quarter @ pair.stated),
        pixel_size_ratio=(prior.pixel_size_ratio or 1.0) * 4,
    )
    found = engine_named("global-gradient").register(
        cube, prepare([small], reduction=1.0), stated, EngineContext()
    )

    error = field_errors_px(
        as_matrix(found.best_guess or []), quarter @ pair.true, cube.full_shape
    ).mean()
    assert found.verdict is not Verdict.REJECTED, found.reasons
    assert error < 0.3
    assert found.error_lm_px is not None
    assert error < found.error_lm_px.p95 < 3
    assert found.evidence["width_lm_px"] == pytest.approx(76 * 5.08 / 4, rel=0.05)


def test_a_dead_corner_takes_part_in_nothing(raman: VibrationalPair) -> None:
    """Maps that were stopped end in points without a spectrum."""
    _, guide, prior = sides_of(raman)
    holed = raman.cube.copy()
    holed[:, 50:, 60:] = np.nan
    found = engine_named("global-gradient").register(
        prepare_cube(list(holed), raman.axis), guide, prior, EngineContext()
    )

    assert error_of(raman, as_matrix(found.best_guess or [])) < 0.6


def test_a_map_measured_by_less_than_half_is_laid_like_its_cut_out(
    raman: VibrationalPair,
) -> None:
    """Points without a spectrum hid the noise, and every cosmic ray stayed."""
    _, guide, prior = sides_of(raman)
    struck = raman.cube.copy()
    rng = np.random.default_rng(0)
    at = tuple(rng.integers(0, side, 200) for side in struck.shape)
    struck[at] += 2000 * rng.random(200)
    holed = struck.copy()
    holed[:, :, 33:] = np.nan
    partly = prepare_cube(list(holed), raman.axis)
    cut = prepare_cube(list(struck[:, :, :33]), raman.axis)
    found = engine_named("global-gradient").register(
        partly, guide, prior, EngineContext()
    )

    rays = [clean(one.layers, one.axis, one.mask).spikes for one in (partly, cut)]
    assert rays[0] == pytest.approx(rays[1], rel=0.1)
    assert found.verdict is Verdict.ACCEPTED, found.reasons
    assert error_of(raman, as_matrix(found.best_guess or [])) < 1.0


def test_band_weights_solve_a_known_problem() -> None:
    """Lawson and Hanson by hand: the second band would want a negative weight."""
    columns = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    wanted = np.array([2.0, -1.0, 1.0])
    found = band_weights(columns.T @ columns, columns.T @ wanted)

    np.testing.assert_allclose(found, [1.5, 0.0], atol=1e-9)


def test_level_weights_add_up_and_fit_exactly_where_they_can() -> None:
    """Equation 9: the one level that both sides share carries everything."""
    rng = np.random.default_rng(2)
    shared, other, third = rng.random((3, 500))
    alpha, beta = level_weights(np.c_[shared, other], np.c_[third, shared])

    np.testing.assert_allclose(alpha, [1, 0], atol=1e-6)
    np.testing.assert_allclose(beta, [0, 1], atol=1e-6)


def test_a_level_brought_back_lies_where_it_was() -> None:
    """A pyramid that keeps every second px moves its fourth level by 3.5 px."""
    y, x = np.mgrid[:96, :128]
    spot = np.exp(-((x - 70.0) ** 2 + (y - 40.0) ** 2) / 200).astype(np.float32)
    for level in pyramid(spot[None]):
        back = grown(np.asarray(level[0]), (96, 128))
        at = [(back * axis).sum() / back.sum() for axis in (x, y)]
        assert at == pytest.approx([70.0, 40.0], abs=0.05)


def test_sobel_measures_grey_per_px() -> None:
    """A ramp of two greys per px has a gradient of two."""
    ramp = np.asarray(2.0 * np.arange(20)[None] + np.zeros((9, 1)), np.float32)
    assert sobel(ramp)[4, 10] == pytest.approx(2.0)


def test_cosmic_rays_leave_no_edge(raman: VibrationalPair) -> None:
    """One struck point would outweigh every real edge of its band."""
    struck = raman.cube.copy()
    struck[40, 30, 33] = 500.0
    everywhere = np.ones(struck.shape[1:], bool)
    calm = clean(list(struck), raman.axis, everywhere)
    again = clean(list(raman.cube), raman.axis, everywhere)

    np.testing.assert_allclose(calm.bands[40], again.bands[40], atol=2.0)
    assert calm.spikes > again.spikes


def test_many_bands_are_averaged_with_their_places() -> None:
    """A spectrometer's thousand px are no thousand independent bands."""
    rng = np.random.default_rng(3)
    scene = cv2.GaussianBlur(rng.normal(size=(30, 30)), (0, 0), 3)
    cube = np.stack([scene * k + rng.normal(0, 0.1, (30, 30)) for k in range(1000)])
    axis = tuple(float(k) for k in range(1000))
    bands = list(cube.astype(np.float32))
    cleaned = clean(bands, axis, np.ones((30, 30), bool))

    assert len(cleaned.axis) == len(cleaned.bands) == 143
    assert cleaned.axis[0] == pytest.approx(3.0)
    assert cleaned.axis[-1] == pytest.approx((994 + 999) / 2)


def test_decomposition_of_the_truth_is_what_the_simulator_promises() -> None:
    """The bench's own ground: initial errors of 7 to 40 px, nearly a similarity."""
    for seed in range(3):
        pair = vibrational_pair(seed, INFRARED)
        assert 7 <= error_of(pair, pair.stated) <= 40
        assert abs(decompose(pair.true).rotation_deg) < 5
