"""What holds for every dialect: nothing wrong leaves, and refusals say what to do."""

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
from clemd.exporting import DIALECTS, Dialect, ExportSource, PairContext, Stage
from clemd.geometry import apply, in_um
from clemd.model import Matrix, Verdict

Sourced = Callable[..., ExportSource]
Places = Callable[[tuple[int, int]], Any]
Matrices = dict[str, Matrix]
EVERY = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
NEEDS_AFFINE = [
    "itk",
    "elastix",
    "ngff",
    "ngff-0.6.dev3",
    "napari",
    "ecclem",
    "ecclem-csv",
    "serialem",
    "transformj",
]


@EVERY
def test_every_dialect_writes_whole_files(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, dialect: Dialect
) -> None:
    """The list of dialects is a promise."""
    files = dialect.export(tmp_path / dialect.file_name, sourced(matrices["level"]))

    assert sorted(files) == sorted(tmp_path.iterdir()), "and nothing beside them"
    assert all(file.is_dir() or file.stat().st_size > 40 for file in files)


@EVERY
def test_a_rejected_result_leaves_in_no_dialect(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, dialect: Dialect
) -> None:
    """A wrong overlay shown as right is the worst that can happen."""
    rejected = sourced(
        matrices["level"], verdict=Verdict.REJECTED, reasons=("no tile agrees",)
    )

    with pytest.raises(UsageError, match="no tile agrees"):
        dialect.export(tmp_path / dialect.file_name, rejected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", NEEDS_AFFINE)
def test_a_homography_is_refused_in_one_line_where_it_does_not_fit(
    tmp_path: Path, sourced: Sourced, homography: Matrix, name: str
) -> None:
    """Nearly right is wrong without anybody noticing."""
    with pytest.raises(UsageError, match=r"homography.*export") as refused:
        DIALECTS[name].export(tmp_path / "t", sourced(homography))

    assert "\n" not in str(refused.value)
    assert "homography" in DIALECTS[name].refuses
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(DIALECTS) - set(NEEDS_AFFINE)))
def test_the_other_dialects_carry_a_homography(
    tmp_path: Path, sourced: Sourced, homography: Matrix, name: str
) -> None:
    """What is not refused must work."""
    assert DIALECTS[name].export(tmp_path / "t", sourced(homography))


def test_ngff_0_5_refuses_what_scale_and_shift_cannot_say(
    tmp_path: Path, sourced: Sourced, straight: Matrix
) -> None:
    """And names the dialect that can."""
    for matrix in (straight, np.diag([-0.25, 0.25, 1.0])):
        with pytest.raises(UsageError, match=r"ngff-0\.6\.dev3"):
            DIALECTS["ngff"].export(tmp_path / "t", sourced(matrix))


@pytest.mark.parametrize("name", ["serialem", "useq"])
def test_without_a_stage_its_dialects_are_refused_in_words(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, name: str
) -> None:
    """Driving to a guess breaks detectors."""
    with pytest.raises(UsageError, match="EM stage is not known"):
        DIALECTS[name].export(
            tmp_path / "t", sourced(matrices["similarity"], stage=False)
        )


@pytest.mark.parametrize("name", ["targets", "useq"])
def test_a_list_of_no_targets_is_refused(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, name: str
) -> None:
    """An empty list looks like a finished one."""
    with pytest.raises(UsageError, match="no targets"):
        DIALECTS[name].export(
            tmp_path / "t", replace(sourced(matrices["similarity"]), targets=())
        )


@pytest.mark.parametrize("name", ["ecclem", "ecclem-csv"])
def test_ecclem_is_refused_without_micrometres(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    matrices: Matrices,
    name: str,
) -> None:
    """It takes every number for micrometres."""
    pair = replace(context, lm_pixel_um=None)
    with pytest.raises(UsageError, match="LM pixel size is not known"):
        DIALECTS[name].export(
            tmp_path / "t", sourced(matrices["similarity"], pair=pair)
        )


def test_the_table_gives_every_matrix_back(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    homography: Matrix,
    places: Places,
) -> None:
    """All digits, so that a spreadsheet computes what we do."""
    (file,) = DIALECTS["csv"].export(tmp_path / "t.csv", sourced(homography))
    with file.open(newline="") as stream:
        header, *rows = csv.reader(stream)

    assert header == ["matrix", "row", "x", "y", "1"]
    tables = {name: np.zeros((3, 3)) for name, *_ in rows}
    for name, number, *values in rows:
        tables[name][int(number)] = [float(value) for value in values]
    assert np.array_equal(tables["em_to_lm_px"], homography)
    assert np.allclose(tables["em_to_lm_um"], in_um(homography, *context.spacings))
    there = apply(tables["em_to_lm_px"], places(context.em_shape))
    back = apply(tables["lm_to_em_px"], there)
    assert np.abs(back - places(context.em_shape)).max() < 1e-6


@pytest.mark.parametrize("given", ["matrix", "function"])
def test_targets_are_listed_in_every_frame(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, to_stage: Matrix, given: str
) -> None:
    """Whatever the next program counts in, the number is there."""
    source = sourced(matrices["affine"])
    if given == "function":
        stage = Stage(lm_px_to_um=lambda points: apply(to_stage, points))
        source = replace(source, stage=stage)
    (file,) = DIALECTS["targets"].export(tmp_path / "t.csv", source)
    with file.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))

    assert [row["name"] for row in rows] == [t.name for t in source.targets]
    assert [row["radius_um"] for row in rows] == ["0.4", ""]
    for row in rows:
        em_px = [float(row["x_em_px"]), float(row["y_em_px"])]
        lm_px = [float(row["x_lm_px"]), float(row["y_lm_px"])]
        um = [float(row["x_stage_um"]), float(row["y_stage_um"])]
        assert apply(matrices["affine"], em_px)[0] == pytest.approx(lm_px, abs=1e-9)
        assert apply(to_stage, lm_px)[0] == pytest.approx(um, abs=1e-9)


@EVERY
def test_descriptions_fit_one_line(dialect: Dialect) -> None:
    """`clemd export --list` is read on a terminal."""
    assert 20 < len(dialect.description) <= 72
    assert len(dialect.name) <= 16
    assert json.dumps(dialect.description).isascii()
