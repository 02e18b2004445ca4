"""The truth of a simulated pair is exact, and both sides show the same specimen."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import center_of_mass, label

from clemd.geometry import apply, corner_errors, decompose, invert
from clemd_drivers.simulated import SimulatedPair, render_pair
from clemd_drivers.simulated._drawing import Label
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._layout import Tissue
from clemd_drivers.simulated._placing import beside, share_inside
from clemd_drivers.simulated._section import MovedTissue
from clemd_drivers.simulated._specimen import Specimen

Image = NDArray[np.float64]


def _small(seed: int = 4, **changes: object) -> SimulatedPair:
    settings = {"em_shape": (300, 400), "lm_shape": (320, 320), "coverage": 0.5}
    return render_pair(seed, **(settings | changes))  # type: ignore[arg-type]


def _spots(with_beads: NDArray[np.generic], without: NDArray[np.generic]) -> Image:
    """Centroids (n, 2) as (x, y) of what the beads added."""
    added = np.abs(with_beads.astype(float) - without.astype(float))
    added[added < 0.35 * added.max()] = 0
    groups, count = label(added > 0)
    if not count:
        return np.empty((0, 2))
    centres = center_of_mass(added, groups, range(1, count + 1))
    sizes = np.bincount(groups.ravel())[1:]
    centres = np.array(centres)[sizes > 0.5 * np.median(sizes)]
    return np.asarray(centres[:, ::-1])


@pytest.mark.parametrize("mirrored", [False, True])
def test_beads_land_where_the_truth_says(mirrored: bool) -> None:
    """Judges score to a fraction of a light px, so the truth must be far better."""
    pose: dict[str, Any] = {"noise": 0.0, "artefacts": 0.0, "mirrored": mirrored}
    pose |= {"rotation_deg": 37.0, "em_shape": (450, 600), "ratio": 3.0}
    beads, bare = _small(bead_spacing_um=2.2, **pose), _small(**pose)
    in_em = _spots(beads.em, bare.em)
    in_lm = _spots(beads.lm[2], bare.lm[2])
    assert beads.em_to_lm is not None
    inside = ((in_em > 12) & (in_em < np.array([588, 438]))).all(axis=1)
    moved = apply(beads.em_to_lm, in_em[inside])
    offsets = in_lm[None] - moved[:, None]
    nearest = np.linalg.norm(offsets, axis=-1).argmin(axis=1)
    partner = in_lm[nearest]
    found = np.linalg.norm(partner - moved, axis=1) < 0.6

    assert found.sum() >= 40
    # Each centroid depends on what lies around its bead; the pose they agree on
    # does not.
    assert np.abs(np.median(partner[found] - moved[found], axis=0)).max() <= 0.05
    fitted = _affine(in_em[inside][found], partner[found])
    errors = corner_errors(fitted, beads.em_to_lm, beads.em.shape)
    assert errors.max() <= 0.15
    middle = np.array([[299.5, 224.5]])
    miss = apply(fitted, middle) - apply(beads.em_to_lm, middle)
    assert np.linalg.norm(miss) <= 0.06


def _affine(source: Image, target: Image) -> Image:
    """Least-squares affine from points to points, 3x3."""
    lifted = np.c_[source, np.ones(len(source))]
    solution = np.linalg.lstsq(lifted, target, rcond=None)[0]
    return np.vstack([solution.T, [0.0, 0.0, 1.0]])


def _gradient(image: Image) -> Image:
    smooth = cv2.GaussianBlur(np.asarray(image, np.float64), (0, 0), 1.0)
    y, x = np.gradient(smooth)
    return np.asarray(np.hypot(x, y))


def _pulled(image: NDArray[Any], at: NDArray[np.float32]) -> Image:
    """The image at px positions (h, w, 2); -1 where it has none."""
    nowhere = np.empty(0, np.float32)
    flat = image.astype(np.float32)
    pulled = cv2.remap(flat, at, nowhere, cv2.INTER_LINEAR, borderValue=-1)
    return np.asarray(pulled, np.float64)


def _likeness(pair: SimulatedPair, shift: tuple[int, int]) -> float:
    """Correlation of the edges of both sides with the EM image moved by `shift`."""
    assert pair.em_to_lm is not None
    shape = pair.lm.shape[1:]
    pull = invert(pair.em_to_lm)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    points = np.stack([columns.ravel() - shift[0], rows.ravel() - shift[1]], axis=1)
    at = apply(pull, points).astype(np.float32).reshape(*shape, 2)
    ratio = pair.lm_pixel_um / pair.em_pixel_um
    soft = cv2.GaussianBlur(pair.em.astype(np.float32), (0, 0), 0.6 * ratio)
    em = _pulled(soft, at)
    known = cv2.erode((em >= 0).astype(np.uint8), np.ones((9, 9))) > 0
    a, b = _gradient(em)[known], _gradient(pair.lm[0])[known]
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(("seed", "mirrored"), [(1, False), (2, True), (3, True)])
def test_both_sides_share_their_edges_at_the_true_pose(
    seed: int, mirrored: bool
) -> None:
    """Registration lives on shared edges; three px off they must be gone."""
    pair = _small(seed, mirrored=mirrored)
    off = [_likeness(pair, (x, y)) for x, y in ((4, 0), (-4, 0), (0, 4), (0, -4))]

    assert _likeness(pair, (0, 0)) > 0.35
    assert _likeness(pair, (0, 0)) > 2 * max(off)


def test_the_two_contrasts_are_not_copies_of_each_other() -> None:
    """Otherwise plain correlation would do, and the benchmark would say nothing."""
    pair = _small(6, noise=0.0, artefacts=0.0)
    assert pair.em_to_lm is not None
    rows, columns = np.mgrid[:320, :320]
    points = np.stack([columns.ravel(), rows.ravel()], axis=1)
    at = apply(invert(pair.em_to_lm), points).astype(np.float32).reshape(320, 320, 2)
    em = _pulled(pair.em, at)
    known = em >= 0

    assert abs(np.corrcoef(em[known], pair.lm[0][known])[0, 1]) < 0.7


def test_same_arguments_give_the_same_pixels() -> None:
    """A failing case must come back from its seed alone."""
    first, again, other = _small(7), _small(7), _small(8)

    assert np.array_equal(first.em, again.em)
    assert np.array_equal(first.lm, again.lm)
    assert not np.array_equal(first.em, other.em)


def test_pose_is_the_one_that_was_asked_for() -> None:
    """Ratio, rotation and mirror must be readable from the matrix."""
    pair = _small(ratio=3.0, rotation_deg=-140.0, mirrored=True)
    assert pair.em_to_lm is not None
    parts = decompose(pair.em_to_lm)

    assert parts.mirrored
    assert parts.rotation_deg == pytest.approx(-140.0)
    assert 1 / parts.scale == pytest.approx(3.0)
    assert pair.lm_pixel_um / pair.em_pixel_um == pytest.approx(3.0)


def test_metadata_misstate_the_pixel_size_on_at_least_one_side() -> None:
    """The daemon may use the metadata as a prior only; the thesis says 3-7 %."""
    tiny = {"em_shape": (16, 16), "lm_shape": (24, 24)}
    for seed in range(20):
        pair = render_pair(seed, **tiny)  # type: ignore[arg-type]
        errors = (
            abs(pair.em_metadata_pixel_um / pair.em_pixel_um - 1),
            abs(pair.lm_metadata_pixel_um / pair.lm_pixel_um - 1),
        )

        assert max(errors) >= 0.03
        assert all(error < 1e-9 or 0.03 <= error <= 0.07 for error in errors)


def test_an_image_from_elsewhere_has_no_place_on_the_map() -> None:
    """False accepts are measured with these."""
    pair = _small(elsewhere=True)

    assert pair.em_to_lm is None
    assert not np.array_equal(pair.em, _small().em)


def test_specimen_is_the_same_in_every_field() -> None:
    """A cell at the edge of one field lies in the middle of the next."""
    here = Field.at(shape=(400, 400), pixel_um=0.1)
    there = Field.at(shape=(400, 400), pixel_um=0.1, centre_um=(10.0, -7.0))
    first = Specimen(3).layers(here, fine=True).labels
    second = Specimen(3).layers(there, fine=True).labels
    # 100 px to the right and 70 px up, two samples in each px
    overlap, other = first[:660, 200:], second[140:, :600]

    assert np.mean(overlap == other) > 0.999


def test_coarse_pixels_are_the_area_average_of_fine_ones() -> None:
    """A small rendering must be what a large one would be after binning."""
    fine = Field.at(shape=(480, 480), pixel_um=0.05)
    coarse = Field.at(shape=(120, 120), pixel_um=0.2)
    specimen = Specimen(5)
    values = {int(Label.NUCLEUS): 1.0, int(Label.LUMEN): 0.5}
    large = specimen.layers(fine, fine=False).average(values)
    small = specimen.layers(coarse, fine=False, factor=4).average(values)
    binned = large.reshape(120, 4, 120, 4).mean(axis=(1, 3))

    assert np.abs(binned - small).mean() < 0.01
    assert np.percentile(np.abs(binned - small), 99) < 0.2


@pytest.mark.parametrize("overlap", [0.52, 0.6, 0.7])
def test_field_over_the_edge_leaves_the_share_that_was_asked_for(
    overlap: float,
) -> None:
    """The benchmark says how much of the EM field is on the map."""
    for seed in range(4):
        pair = _small(seed, overlap=overlap, em_shape=(60, 80), lm_shape=(64, 64))
        assert pair.em_to_lm is not None
        y, x = np.mgrid[:60, :80]
        at = apply(pair.em_to_lm, np.c_[x.ravel(), y.ravel()])
        inside = ((at >= 0) & (at <= 63)).all(axis=1).mean()

        assert inside == pytest.approx(overlap, abs=0.02)


def test_offset_is_counted_in_field_widths() -> None:
    """The published methods are given a start that near."""
    pair = _small(offset=(0.03, -0.02))
    assert pair.em_to_lm is not None
    middle = apply(pair.em_to_lm, [[199.5, 149.5]])[0] - 159.5

    assert middle == pytest.approx([0.03 * 160, -0.02 * 160], abs=1e-6)


def test_field_beside_the_map_is_of_the_same_section_and_not_on_it() -> None:
    """A false accept there looks as right as can be."""
    rng = np.random.default_rng(3)
    lm_field = Field.at(shape=(64, 64), pixel_um=0.5)
    for _ in range(20):
        turn = float(rng.uniform(0, 360))
        loose = Field.at(shape=(30, 40), pixel_um=0.4, rotation_deg=turn)
        field = beside(rng, lm_field, loose)

        assert share_inside(loose, lm_field) > 0.99
        assert share_inside(field, lm_field) == 0.0
    assert _small(is_beside=True).em_to_lm is None


def test_no_similarity_takes_a_section_to_the_next() -> None:
    """Cells move by themselves, so an overlay of neighbours is wrong by 2 % at best."""
    lm_px, pixel_um = 320, 0.13
    for seed in range(30):
        # the smallest field in which the benchmark uses it
        width_um = 0.5 * lm_px * pixel_um
        box = (-width_um / 2, -0.375 * width_um, width_um / 2, 0.375 * width_um)
        here = {o.number: o for o in Tissue(seed, 7.0).outlines(box)}
        there = {o.number: o for o in MovedTissue(seed, 7.0).outlines(box)}
        both = sorted(here.keys() & there.keys())
        source = np.array([here[number].centre_um for number in both])
        target = np.array([there[number].centre_um for number in both])

        assert len(both) >= 3
        assert _similarity_residual(source, target) > 0.02 * width_um


def _similarity_residual(source: Image, target: Image) -> float:
    """RMS distance, per free cell, that the best similarity leaves."""
    a = (source - source.mean(axis=0)) @ [1, 1j]
    b = (target - target.mean(axis=0)) @ [1, 1j]
    left = b - a * (np.vdot(a, b) / np.vdot(a, a))
    # two cells fit exactly: they say nothing
    return float(np.sqrt((np.abs(left) ** 2).sum() / (len(source) - 2)))


def test_next_section_keeps_the_order_of_its_cells() -> None:
    """It must look like the same place, or it would be a mere other specimen."""
    box = (-20.0, -20.0, 20.0, 20.0)
    here = {o.number: o.centre_um for o in Tissue(4, 7.0).outlines(box)}
    there = {o.number: o.centre_um for o in MovedTissue(4, 7.0).outlines(box)}
    both = here.keys() & there.keys()
    moved = [np.linalg.norm(here[n] - there[n]) for n in both]

    assert len(both) > 0.7 * len(here)
    assert np.max(moved) < 7.0 / 2
    first, second = _small(4, pitch_um=7.0), _small(4, pitch_um=7.0, section=1)
    assert second.em_to_lm is None
    assert np.array_equal(first.lm, second.lm)
    assert not np.array_equal(first.em, second.em)
