"""Energies, spectra and aligned cubes of energy series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from clemd.config import check_profile
from clemd.errors import ProfileError, UsageError
from clemd.geometry import as_rows, similarity
from clemd.model import (
    CALIBRATIONS,
    Channel,
    ChannelKind,
    Frame,
    Modality,
    Registration,
    Verdict,
)
from clemd.series import energies_ev, shown_band, write_aligned
from clemd.sides import Loaded
from clemd.spectra import spectrum_at

VOLTS = (18.0, 13.5, 9.0, 4.5, 0.0)


def frame(volts: tuple[float, ...] = VOLTS, **more: object) -> Frame:
    """A small series at falling voltages."""
    facts: dict[str, object] = {
        "path": "a.tif",
        "driver": "sehi",
        "driver_version": "1",
        "modality": Modality.HYPERSPECTRAL,
        "shape": (40, 60),
        "dtype": "uint8",
        "channels": tuple(
            Channel(name=f"{v:g} V", kind=ChannelKind.SPECTRAL) for v in volts
        ),
        "spectral_axis": volts,
        "spectral_unit": "V",
    }
    return Frame(**(facts | more))  # type: ignore[arg-type]


def planes() -> list[np.ndarray]:
    """Brighter with every band, and brighter to the right."""
    ramp = np.tile(np.arange(60, dtype=np.uint8), (40, 1))
    return [ramp + np.uint8(20 * k) for k in range(5)]


def test_energies_follow_the_paper_by_default() -> None:
    """Volts times -0.4446, plus 6."""
    assert energies_ev(frame())[0] == pytest.approx(-2.0028)
    assert energies_ev(frame())[-1] == 6.0


def test_profile_chooses_another_line() -> None:
    """Published ones by name, one's own by two numbers."""
    named = check_profile(
        {"registration": {"energy_from_mirror": "pysehi-helios"}}, where="test"
    )
    own = check_profile(
        {"registration": {"energy_from_mirror": [-0.41, 5.8]}}, where="test"
    )

    assert named.registration.energy_line == (-0.39866667, 6.0)
    assert own.registration.energy_line == (-0.41, 5.8)
    assert all(c.source for c in CALIBRATIONS.values())


@pytest.mark.parametrize("value", ["helios", [0.0, 6.0], [1.0], [float("nan"), 1.0]])
def test_line_that_cannot_be_is_refused(value: object) -> None:
    """A zero slope would give every band one energy."""
    with pytest.raises(ProfileError, match="energy_from_mirror"):
        check_profile({"registration": {"energy_from_mirror": value}}, where="test")


def test_band_of_all_electrons_is_shown() -> None:
    """The dark end of a series tells an operator nothing."""
    assert shown_band(frame()) == 4
    assert shown_band(frame(volts=VOLTS[::-1])) == 0
    assert shown_band(frame(spectral_unit="")) == 0


def test_a_blank_page_is_not_what_is_shown() -> None:
    """The last page was never written: the one before it shows the specimen."""
    pages = planes()
    pages[4][:] = 0

    assert Loaded(frame=frame(), planes=tuple(pages)).shown == 3
    assert Loaded(frame=frame(), planes=tuple(planes())).shown == 4


def test_spectrum_is_the_slope_of_what_passes() -> None:
    """20 greys a band, 2 eV apart: 10 greys per eV."""
    found = spectrum_at(frame(), planes(), (30.0, 20.0), radius_px=1)

    assert (found.axis_name, found.unit) == ("energy", "eV")
    assert found.axis == tuple(sorted(found.axis))
    assert found.passed[0] == pytest.approx(30.0)
    assert found.values == pytest.approx([20 / (4.5 * 0.4446)] * 5)
    assert found.values_name == "emitted per eV"
    assert found.pixels == 9


def test_spectrum_of_a_cube_is_what_was_measured_with_its_axis_named() -> None:
    """Counts over wavenumbers; nothing is differentiated, upwards whatever the file."""
    falling = (1800.0, 1700.0, 1600.0, 1500.0, 1400.0)
    facts = frame(falling, spectral_unit="1/cm")
    found = spectrum_at(facts, planes(), (30.0, 20.0), radius_px=1)

    assert (found.axis_name, found.unit) == ("wavenumber", "1/cm")
    assert found.axis == falling[::-1]
    assert found.values == pytest.approx((110.0, 90.0, 70.0, 50.0, 30.0))
    assert "energies_ev" not in found.as_json()


def test_points_without_a_number_are_left_out() -> None:
    """A hole in the map is no zero; where all is hole there is no value at all."""
    holed = [plane.astype(np.float32) for plane in planes()]
    holed[0][20, 30] = np.nan
    holed[1][:] = np.nan
    facts = frame(spectral_unit="nm", volts=tuple(float(v) for v in range(5)))
    found = spectrum_at(facts, holed, (30.0, 20.0), radius_px=1)

    assert found.values[0] == pytest.approx(30.0)
    assert found.values[1] is None
    assert found.as_json()["values"][1] is None


def test_order_of_the_pages_does_not_matter() -> None:
    """Some instruments sweep upwards."""
    up = spectrum_at(frame(VOLTS[::-1]), planes()[::-1], (9.0, 9.0))

    assert up == spectrum_at(frame(), planes(), (9.0, 9.0))


@pytest.mark.parametrize("at", [(-3.0, 5.0), (60.0, 5.0), (5.0, 40.0)])
def test_place_off_the_image_is_refused(at: tuple[float, float]) -> None:
    """With the size, so that it can be mended."""
    with pytest.raises(UsageError, match="60 x 40"):
        spectrum_at(frame(), planes(), at)


def test_ordinary_image_has_no_spectrum() -> None:
    """One channel, or channels without energies."""
    with pytest.raises(UsageError, match="no spectrum in its points"):
        spectrum_at(frame(spectral_axis=()), planes(), (5.0, 5.0))


def test_aligned_cube_lies_on_the_map_with_its_drift_taken_out(tmp_path: Path) -> None:
    """Every band shows the same place at the same px."""
    spot = [np.zeros((40, 60), np.float32) for _ in VOLTS]
    drift = np.array([[4.0, -2.0], [3, -1.5], [2, -1], [1, -0.5], [0, 0]])
    y, x = np.mgrid[:40, :60]
    for plane, (dx, dy) in zip(spot, drift, strict=True):
        plane += 99 * np.exp(-((x - 30 - dx) ** 2 + (y - 20 - dy) ** 2) / 8)
    matrix = similarity(scale=1.0, rotation_deg=90.0, onto=(70.0, 10.0))
    found = Registration(
        verdict=Verdict.ACCEPTED,
        confidence=0.9,
        em_to_lm=as_rows(matrix),
        pixel_size_ratio=1.0,
    )
    facts = frame(dtype="float32")
    write_aligned(
        tmp_path / "a.ome.tif",
        (facts, spot),
        frame(shape=(90, 100)),
        found,
        drift,
    )
    written = tifffile.imread(tmp_path / "a.ome.tif")

    with tifffile.TiffFile(tmp_path / "a.ome.tif") as file:
        said = file.ome_metadata or ""
    assert "0 outside the EM field means no data" in said
    assert "(70.0, 10.0), (70.0, 69.0)" in said
    assert written.shape == (5, 90, 100)
    for band in written:  # (30, 20) turned by 90 degrees about the origin
        at = np.unravel_index(int(band.argmax()), band.shape)
        assert (at[1], at[0]) == (50, 40)
