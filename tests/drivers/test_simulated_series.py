"""The simulated energy series: physics that matters, and a truth that holds."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from clemd.geometry import as_matrix, corner_errors
from clemd.testing import read_all
from clemd_drivers.formats.sehi import DRIVER
from clemd_drivers.simulated import (
    EnergySeries,
    em_to_lm,
    render_series,
    write_series,
    write_series_truth,
)
from clemd_drivers.simulated._emission import FILM, MATERIALS, passed

Pair = tuple[EnergySeries, EnergySeries]


@pytest.fixture(scope="module")
def taken() -> Pair:
    """A large field and a small one within it."""
    large, small = render_series(11, size="small", fields_um=(100.0, 40.0))
    return large, small


def agreement(em: EnergySeries, lm: EnergySeries, matrix: np.ndarray) -> float:
    """Correlation of the brightest bands under a matrix."""
    size = lm.bands.shape[:0:-1]
    source = cv2.GaussianBlur(em.bands[-1].astype(np.float32), (0, 0), 1.2)
    target = cv2.GaussianBlur(lm.bands[-1].astype(np.float32), (0, 0), 0.8)
    seen = cv2.warpPerspective(source, matrix, size)
    inside = cv2.warpPerspective(np.ones_like(source), matrix, size) > 0.99
    return float(np.corrcoef(seen[inside], target[inside])[0, 1])


def test_truth_is_where_the_images_agree(taken: Pair) -> None:
    """A px off in any direction, they agree less."""
    lm, em = taken
    truth = em_to_lm(em, lm, -1, -1)
    best = agreement(em, lm, truth)

    assert best > 0.75
    for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
        off = truth.copy()
        off[:2, 2] += dx, dy
        assert agreement(em, lm, off) < best - 0.02


def test_materials_have_spectra_of_their_own() -> None:
    """What the spectral descriptor tells apart must differ."""
    energies = np.linspace(-2, 8.2, 49)
    slopes = [np.gradient(passed(m, energies), energies) for m in (*MATERIALS, FILM)]
    units = [s / np.linalg.norm(s) for s in slopes]
    alike = [a @ b for i, a in enumerate(units) for b in units[:i]]

    assert min(alike) < 0.8
    assert max(alike) < 0.999
    for material in MATERIALS:
        rising = np.diff(passed(material, energies))
        assert (rising >= -1e-12).all()


def test_series_grow_with_energy_and_begin_dark(taken: Pair) -> None:
    """No electron has less than no energy; the last band holds nearly all."""
    for series in taken:
        level = series.bands.mean((1, 2))
        assert level[0] == pytest.approx(level[6], abs=1.0)
        assert level[-1] > 5 * level[0]
        assert series.energies_ev[0] == pytest.approx(-2.0, abs=1e-3)
        assert series.energies_ev[-1] == pytest.approx(8.2, abs=1e-3)


def test_bands_drift_by_some_px_of_the_finest_field(taken: Pair) -> None:
    """An image series takes minutes; a stage creeps."""
    em = taken[1]
    shape = (em.bands.shape[1], em.bands.shape[2])
    within = em_to_lm(em, em, 0, -1)

    assert 0.5 < corner_errors(within, np.eye(3), shape).mean() < 5


def test_same_seed_gives_the_same_bits(taken: Pair) -> None:
    """Figures can be made again."""
    (again,) = render_series(11, size="small", fields_um=(100.0,))

    np.testing.assert_array_equal(again.bands, taken[0].bands)


def test_files_and_truth_can_be_read_back(taken: Pair, tmp_path: Path) -> None:
    """What the writer says is what the driver says."""
    import json

    large, small = write_series(tmp_path, taken, 11)
    write_series_truth(tmp_path / "truth.json", taken)
    frame, planes = read_all(DRIVER, small)
    truth = json.loads((tmp_path / "truth.json").read_text())
    matrices = truth["em_to_lm_by_band"]["40 on 100"]

    assert large.name == "sehi_0011_100um.tif"
    np.testing.assert_array_equal(np.stack(planes), taken[1].bands)
    assert frame.spectral_axis == pytest.approx(tuple(taken[1].mirror_v))
    assert len(matrices) == 49
    np.testing.assert_allclose(
        as_matrix(matrices[7]), em_to_lm(taken[1], taken[0], 7, 7)
    )
