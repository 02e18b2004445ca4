"""Energy series meet the contract of every engine, and what they lack is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.errors import RegistrationRefusedError
from clemd.model import Matrix, PosePrior, PreparedImage, Registration, Verdict
from clemd.preparing import prepare_series
from clemd.registration import Engine, EngineContext, engine_named
from clemd.registration.spatio_spectral import cube_of
from clemd.registration.spatio_spectral._strays import stray_bands, without_strays
from clemd.testing import EngineSuite
from clemd.testing._engine_suite import EM_SHAPE, pair_of

Image = NDArray[Any]
ENERGIES = tuple(np.linspace(-2.0, 8.2, 16))


def series_of(image: Image) -> tuple[Image, ...]:
    """A band per energy: the brighter an object, the higher it emits."""
    most = {"uint8": 255.0, "uint16": 65535.0, "float32": 1.0}.get(
        image.dtype.name, 255
    )
    if image.dtype.kind == "f" and bool((np.nan_to_num(image) > 2).any()):
        most = 255.0
    grey = image / most
    return tuple(
        200 * (0.3 + 0.7 * grey) / (1 + np.exp((1.0 + 4.0 * grey - e) / 0.5))
        for e in ENERGIES
    )


def prepared(
    image: Image, reduction: float, axis: tuple[float, ...] = ENERGIES
) -> PreparedImage:
    """As the pipeline hands a series over."""
    return prepare_series(series_of(image), axis, reduction=reduction)


class TestSpatioSpectral(EngineSuite):
    """The contract, on objects that look alike in both series."""

    def make_engine(self) -> Engine:
        """By its name."""
        return engine_named("spatio-spectral")

    def pair(
        self, seed: int, *, rotation_deg: float, mirrored: bool = False
    ) -> tuple[Image, Image, Matrix]:
        """One instrument sees an object alike at every field of view."""
        return pair_of(seed, rotation_deg=rotation_deg, mirrored=mirrored, lm_look=0)

    def run(
        self, em: Image, lm: Image, *, ratio: float | None = None, **prior: Any
    ) -> Registration:
        """Both images as series, the ratio known to a few percent."""
        given = ratio if ratio is not None else self.ratio * 1.04
        return self.make_engine().register(
            prepared(em, given),
            prepared(lm, 1.0),
            PosePrior(pixel_size_ratio=given, **prior),
            EngineContext(),
        )

    def test_mirrored_pose_is_found(self) -> None:
        """It is not: SIFT knows no mirror; nothing wrong is accepted instead."""
        em, lm, _ = self.pair(4, rotation_deg=-71.0, mirrored=True)

        assert self.run(em, lm).verdict is not Verdict.ACCEPTED

    def test_inverted_contrast_costs_nothing(self) -> None:
        """It costs the answer: spectra turned over are other materials."""
        em, lm, _ = self.pair(5, rotation_deg=66.0)
        turned = np.asarray(255 - em, np.uint8)

        assert self.run(turned, lm).verdict is not Verdict.ACCEPTED


@pytest.fixture(scope="module")
def both() -> tuple[PreparedImage, PreparedImage]:
    """Two series that belong together."""
    em, lm, _ = pair_of(3, rotation_deg=12.0, lm_look=0)
    return prepared(em, 2.0), prepared(lm, 1.0)


def refused(em: PreparedImage, lm: PreparedImage, **prior: Any) -> str:
    """The reason."""
    with pytest.raises(RegistrationRefusedError) as raised:
        engine_named("spatio-spectral").register(
            em, lm, PosePrior(pixel_size_ratio=2.0, **prior), EngineContext()
        )
    return raised.value.reason


Both = tuple[PreparedImage, PreparedImage]


def test_image_without_axis_is_refused(both: Both) -> None:
    """An ordinary image is no series, whatever it was given to."""
    em, lm = both

    assert "no energy axis" in refused(replace(em, axis=()), lm)


def test_axis_of_other_length_is_refused_with_both_numbers(both: Both) -> None:
    """A band without an energy fits no calibration."""
    em, lm = both

    assert "16 bands and 15 energies" in refused(em, replace(lm, axis=ENERGIES[:-1]))


def test_axis_that_turns_back_is_refused_and_the_band_named(both: Both) -> None:
    """Two voltages swapped would swap two bands of every spectrum."""
    em, lm = both
    swapped = list(ENERGIES)
    swapped[6], swapped[7] = swapped[7], swapped[6]

    assert "neither rise nor fall" in refused(replace(em, axis=tuple(swapped)), lm)


def test_missing_band_is_seen_in_the_spacing(both: Both) -> None:
    """A lost page leaves a step of twice the size."""
    em, lm = both
    short = replace(em, layers=em.layers[:5] + em.layers[6:])

    assert "bands are missing" in refused(
        replace(short, axis=ENERGIES[:5] + ENERGIES[6:]), lm
    )


def test_other_bands_on_the_other_side_are_refused(both: Both) -> None:
    """Fewer bands, or the same number at other energies."""
    em, lm = both
    fewer = replace(em, layers=em.layers[:12], axis=ENERGIES[:12])
    moved = replace(em, axis=tuple(e + 0.6 for e in ENERGIES))

    assert "12 and 16 bands" in refused(fewer, lm)
    assert "calibration" in refused(moved, lm)


def test_few_bands_and_small_series_are_refused(both: Both) -> None:
    """Four bands are no spectrum, fifty px no field."""
    em, lm = both
    few = replace(em, layers=em.layers[:4], axis=ENERGIES[:4])
    tiny = prepare_series(
        [plane[:50, :50] for plane in em.layers], ENERGIES, reduction=1.0
    )

    assert "at least 8" in refused(few, lm)
    assert "50 x 50 px" in refused(tiny, lm)


def test_mirror_that_the_profile_demands_is_refused(both: Both) -> None:
    """It is said at once, and which engine can."""
    assert "multimodal" in refused(*both, mirror=True)


def test_falling_voltages_are_the_same_series(both: Both) -> None:
    """Instruments count either way."""
    em, lm = both
    turned = replace(em, layers=em.layers[::-1], axis=ENERGIES[::-1])
    engine, prior = engine_named("spatio-spectral"), PosePrior(pixel_size_ratio=2.0)
    one = engine.register(em, lm, prior, EngineContext())
    other = engine.register(turned, lm, prior, EngineContext())

    assert one.verdict is Verdict.ACCEPTED
    assert np.allclose(one.best_guess or 0, other.best_guess or 1, atol=1e-6)


def test_answer_says_what_it_rests_on(both: Both) -> None:
    """Matches, bands, drift and what odd and even bands say, for audit."""
    found = engine_named("spatio-spectral").register(
        *both, PosePrior(pixel_size_ratio=2.0), EngineContext()
    )

    assert found.engine == "spatio-spectral"
    assert found.evidence["inliers"] >= 6
    assert found.evidence["bands_apart_lm_px"] < 0.5
    assert {"em_band_ev", "lm_band_ev", "em_drift_px", "hits"} <= set(found.evidence)
    assert EM_SHAPE == both[0].full_shape


@pytest.mark.parametrize("level", [0.0, 170.0])
@pytest.mark.parametrize("band", [8, 15])
def test_one_blanked_page_costs_its_band_and_not_the_pair(
    both: Both, band: int, level: float
) -> None:
    """Two steps in every spectrum, and the gate took all materials for others."""
    em, lm = both
    layers = list(em.layers)
    layers[band] = np.full_like(layers[band], level)
    found = engine_named("spatio-spectral").register(
        replace(em, layers=tuple(layers)),
        lm,
        PosePrior(pixel_size_ratio=2.0),
        EngineContext(),
    )

    assert found.verdict is Verdict.ACCEPTED, found.reasons
    (told,) = found.warnings
    assert told.startswith(f"band {band + 1} of the EM series does not lie between")


def test_stray_bands_are_numbered_as_the_file_has_them(both: Both) -> None:
    """Of falling energies the first page is the last band."""
    em, lm = both
    layers = list(lm.layers)
    layers[9] = np.zeros_like(layers[9])
    turned = replace(lm, layers=tuple(layers[::-1]), axis=ENERGIES[::-1])
    cubes = cube_of(em, "EM"), cube_of(turned, "LM")
    kept_em, kept_lm, (told,) = without_strays(*cubes)

    assert told.startswith("band 7 of the LM series")
    assert len(kept_em.bands) == len(kept_lm.bands) == 15
    assert ENERGIES[9] not in kept_lm.energies_ev


def test_no_band_of_a_sound_series_is_stray(both: Both) -> None:
    """However coarse the steps of energy are."""
    for image in both:
        cube = cube_of(image, "a")
        assert stray_bands(cube.bands, cube.mask) == []
        assert stray_bands(cube.bands[::2], cube.mask) == []


def test_a_broken_off_series_loses_its_empty_end(both: Both) -> None:
    """Two blank pages at the end vouch for each other, and for nobody else."""
    cube = cube_of(both[0], "EM")
    for first in (14, 11):
        bands = cube.bands.copy()
        bands[first:] = 0.0
        assert stray_bands(bands, cube.mask) == list(range(first, 16))


def test_a_run_of_blank_pages_casts_no_doubt_on_its_neighbours(both: Both) -> None:
    """They were more than their neighbours: the sound ones must not be blamed."""
    em, lm = (cube_of(image, side) for image, side in zip(both, "ab", strict=True))
    bands = em.bands.copy()
    bands[8:12] = 0.0
    _, kept, (told,) = without_strays(replace(em, bands=bands), lm)

    assert told.startswith("bands 9 to 12 of the EM series do not lie")
    assert len(kept.bands) == 12


def test_pages_that_are_as_dark_as_the_specimen_stay(both: Both) -> None:
    """Where nothing passes the filter a detector may well write zeros."""
    cube = cube_of(both[0], "EM")
    bands = cube.bands.copy()
    bands[:2] = 0.0

    assert stray_bands(bands, cube.mask) == []


def test_nothing_found_says_what_was_there(both: Both) -> None:
    """Features that look alike in other materials: who reads it knows what to check."""
    em, lm = both
    last = em.layers[-1]
    bent = tuple(np.asarray(last * (k + 1) / 16, np.float32) for k in range(16))
    found = engine_named("spatio-spectral").register(
        replace(em, layers=bent), lm, PosePrior(pixel_size_ratio=2.0), EngineContext()
    )

    assert found.verdict is Verdict.REJECTED
    assert "pairs of features look alike" in found.reasons[0]
    assert "of them were refused because their spectra differ" in found.reasons[0]
