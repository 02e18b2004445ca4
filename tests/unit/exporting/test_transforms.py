"""A transform that leaves means the same to the program that reads it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.errors import UsageError
from clemd.exporting import (
    PairContext,
    write_bigwarp,
    write_itk,
    write_transform_json,
)
from clemd.geometry import apply, as_rows, corners
from clemd.model import Matrix, Registration, TransformModel, Verdict

Register = Callable[..., Registration]


def points(context: PairContext) -> Any:
    """EM px to compare at: corners, middle, and some between."""
    inner = np.random.default_rng(0).uniform(0, context.em_shape[::-1], (20, 2))
    return np.vstack([corners(context.em_shape), inner])


@pytest.mark.parametrize("calibrated", [True, False])
def test_simpleitk_maps_points_as_we_do(
    tmp_path: Path,
    context: PairContext,
    register: Register,
    calibrated: bool,
    true: Matrix,
) -> None:
    """Registration software takes the file as it is; nobody checks it again."""
    sitk = pytest.importorskip("SimpleITK")
    pair = context if calibrated else replace(context, lm_pixel_um=None)
    path = tmp_path / "t.tfm"
    write_itk(path, register(), pair)

    transform = sitk.ReadTransform(str(path))
    em_um, lm_um = pair.spacings
    ours = apply(true, points(pair))
    theirs = [transform.TransformPoint(tuple(p * em_um)) for p in points(pair)]
    assert np.abs(np.array(theirs) / lm_um - ours).max() <= 1e-6


def test_simpleitk_resamples_the_light_image_onto_the_em(
    tmp_path: Path, context: PairContext, register: Register, true: Matrix
) -> None:
    """The direction proven by doing: pulling is what a resampler does."""
    sitk = pytest.importorskip("SimpleITK")
    path = tmp_path / "t.tfm"
    write_itk(path, register(), context)
    assert context.em_pixel_um is not None
    assert context.lm_pixel_um is not None
    y, x = np.indices(context.lm_shape, np.float64)
    moving = sitk.GetImageFromArray(x + 1000 * y)
    moving.SetSpacing(context.lm_pixel_um)
    fixed = sitk.Image(*context.em_shape[::-1], sitk.sitkFloat64)
    fixed.SetSpacing(context.em_pixel_um)

    seen = sitk.GetArrayFromImage(
        sitk.Resample(moving, fixed, sitk.ReadTransform(str(path)), sitk.sitkLinear)
    )

    expected = apply(true, [(300.0, 250.0)])
    assert seen[250, 300] == pytest.approx((expected @ [1, 1000]).item(), abs=1e-6)


def test_the_itk_file_says_its_units(
    tmp_path: Path, context: PairContext, register: Register
) -> None:
    """A number without its unit is a trap."""
    known, unknown = tmp_path / "a.tfm", tmp_path / "b.tfm"
    write_itk(known, register(), replace(context, em_name="a\n#Transform 1.tif"))
    write_itk(unknown, register(), replace(context, em_pixel_um=None))

    said = known.read_text()
    assert "fixed = EM" in said
    assert "spacing 0.05 0.05 um" in said
    assert said.count("\n#Transform") == 1, "a name cannot begin another transform"
    assert "1 px = 1" in unknown.read_text()


def fit_homography(source: Any, target: Any) -> Matrix:
    """The matrix that takes source points to target points, by least squares."""
    rows = []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
    found = np.linalg.lstsq(np.array(rows), target.ravel(), rcond=None)[0]
    return np.asarray(np.append(found, 1.0).reshape(3, 3))


def test_bigwarp_landmarks_give_the_matrix_back(
    tmp_path: Path,
    context: PairContext,
    register: Register,
    homography: Matrix,
    true: Matrix,
) -> None:
    """Re-fitted from the file alone, in micrometres, a homography included."""
    for matrix, model in (
        (true, TransformModel.SIMILARITY),
        (homography, TransformModel.HOMOGRAPHY),
    ):
        path = tmp_path / f"{model}.csv"
        written = register(em_to_lm=as_rows(matrix), model=model)
        write_bigwarp(path, written, context)
        with path.open(newline="") as file:
            rows = list(csv.reader(file))

        values = np.array([[float(v) for v in row[2:]] for row in rows])
        em_um, lm_um = context.spacings
        lm_px, em_px = values[:, :2] / lm_um, values[:, 2:] / em_um
        fitted = fit_homography(em_px, lm_px)
        difference = apply(fitted, points(context)) - apply(matrix, points(context))
        assert np.abs(difference).max() < 1e-6


def test_bigwarp_rows_are_as_bigwarp_writes_them(
    tmp_path: Path, context: PairContext, register: Register
) -> None:
    """No header, everything quoted, moving before fixed."""
    path = tmp_path / "landmarks.csv"
    write_bigwarp(path, register(), context)

    lines = path.read_text().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith('"Pt-0","true","')
    assert all(line.count('"') == 12 for line in lines)


def test_the_json_states_everything_a_stranger_needs(
    tmp_path: Path, context: PairContext, register: Register
) -> None:
    """In ten years nobody remembers the direction."""
    path = tmp_path / "t.json"
    write_transform_json(path, register(), context)
    said = json.loads(path.read_text())

    forward, back = (np.array(said[k]) for k in ("em_to_lm_px", "lm_to_em_px"))
    assert np.abs(forward @ back - np.eye(3)).max() < 1e-9
    um = np.array(said["em_to_lm_um"])
    em_px = np.array([100.0, 50.0])
    lm_um = apply(um, em_px * said["em"]["pixel_size_um"])
    expected = apply(forward, em_px) * said["lm"]["pixel_size_um"]
    assert lm_um == pytest.approx(expected)
    assert said["schema"] == "clemd.transform/1"
    assert said["em"]["sha256"] == "a" * 64
    assert (said["em"]["width_px"], said["em"]["height_px"]) == (640, 480)
    assert "centre of the first pixel" in said["convention"]["origin"]
    assert "em_to_lm maps EM points to LM points" in said["convention"]["direction"]
    assert said["pixel_size_ratio"] == {"measured": 4.0, "metadata": 4.2}


def test_the_json_has_no_micrometres_where_none_are_known(
    tmp_path: Path, context: PairContext, register: Register
) -> None:
    """Null is honest, a guess is not."""
    path = tmp_path / "t.json"
    write_transform_json(path, register(), replace(context, em_pixel_um=None))
    said = json.loads(path.read_text())

    assert said["em_to_lm_px"] is not None
    assert said["em_to_lm_um"] is None
    assert said["em"]["pixel_size_um"] is None


def test_a_rejected_registration_gives_no_matrix_away(
    tmp_path: Path, context: PairContext, register: Register
) -> None:
    """Whoever reads a file does not read the verdict; so there is no file."""
    rejected = register(Verdict.REJECTED, reasons=("no tile agrees",))
    for write in (write_itk, write_bigwarp):
        with pytest.raises(UsageError, match="no tile agrees"):
            write(tmp_path / "t", rejected, context)
    assert list(tmp_path.iterdir()) == []

    write_transform_json(tmp_path / "t.json", rejected, context)
    said = json.loads((tmp_path / "t.json").read_text())
    assert said["verdict"] == "rejected"
    assert said["em_to_lm_px"] is None


def test_a_homography_is_not_bent_into_an_itk_affine(
    tmp_path: Path, context: PairContext, register: Register, homography: Matrix
) -> None:
    """Nearly right is wrong without anybody noticing."""
    bent = register(em_to_lm=as_rows(homography), model=TransformModel.HOMOGRAPHY)

    with pytest.raises(UsageError, match="bigwarp"):
        write_itk(tmp_path / "t.tfm", bent, context)
