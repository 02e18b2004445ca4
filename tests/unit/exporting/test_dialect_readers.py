"""Each dialect, read by the program or library it is for, means what geometry says.

Where the program is no Python library, its published rule is followed instead.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from defusedxml import ElementTree

from clemd.exporting import DIALECTS, ExportSource, PairContext
from clemd.geometry import apply, corners, invert
from clemd.model import Matrix

CLOSE_PX = 0.01
Points = np.ndarray[Any, Any]
Sourced = Callable[..., ExportSource]
Library = Callable[[str], Any]
Places = Callable[[tuple[int, int]], Points]
Matrices = dict[str, Matrix]


# in a process of its own: ITK's modules do not bear warnings that are errors
TRANSFORMIX = """
import sys
from pathlib import Path
import itk
import numpy as np

folder = Path(sys.argv[1])
given = np.load(folder / "given.npz")
for name in sys.argv[2:]:
    parameters = itk.ParameterObject.New()
    parameters.ReadParameterFile(str(folder / f"{name}.txt"))
    drawn = []
    for ramp in given["ramps"]:
        moving = itk.image_from_array(np.ascontiguousarray(ramp))
        moving.SetSpacing(given["spacing"].tolist())
        seen = itk.transformix_filter(moving, parameters, log_to_console=False)
        drawn.append(itk.array_from_image(seen))
    np.save(folder / f"{name}.npy", drawn)
"""


def off_px(found: Points, expected: Points) -> float:
    """Largest difference of a coordinate."""
    return float(np.abs(found - expected).max())


@pytest.mark.parametrize("calibrated", [True, False])
def test_simpleitk_agrees(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    library: Library,
    places: Places,
    calibrated: bool,
) -> None:
    """Points of the EM land where we say, in the images' own units."""
    sitk = library("SimpleITK")
    pair = context if calibrated else replace(context, em_pixel_um=None)
    (file,) = DIALECTS["itk"].export(tmp_path / "t.tfm", sourced(straight, pair=pair))

    transform = sitk.ReadTransform(str(file))
    em_um, lm_um = pair.spacings
    em_px = places(context.em_shape)
    found = np.array([transform.TransformPoint(tuple(p * em_um)) for p in em_px])
    assert off_px(found / lm_um, apply(straight, em_px)) <= CLOSE_PX


@pytest.mark.slow
def test_transformix_draws_the_light_image_onto_the_em(
    tmp_path: Path, sourced: Sourced, context: PairContext, matrices: Matrices
) -> None:
    """Direction and units proven by doing: a ramp reads back its own coordinate."""
    if importlib.util.find_spec("itk.elxParameterObjectPython") is None:
        pytest.skip("itk-elastix is not installed")
    for name, matrix in matrices.items():
        DIALECTS["elastix"].export(tmp_path / f"{name}.txt", sourced(matrix))
    ramps = np.indices(context.lm_shape, np.float32)[::-1]
    np.savez(tmp_path / "given.npz", ramps=ramps, spacing=context.lm_pixel_um)
    command = [sys.executable, "-c", TRANSFORMIX, tmp_path, *matrices]
    subprocess.run(command, check=True, capture_output=True, timeout=240)

    y, x = np.indices(context.em_shape)[:, 5::25, 5::25]
    height, width = context.lm_shape
    for name, matrix in matrices.items():
        drawn = np.load(tmp_path / f"{name}.npy")
        assert drawn[0].shape == context.em_shape
        expected = apply(matrix, np.c_[x.ravel(), y.ravel()])
        inside = ((expected > 1) & (expected < (width - 2, height - 2))).all(axis=1)
        found = np.array([picture[5::25, 5::25].ravel() for picture in drawn]).T
        assert inside.sum() > 100
        assert off_px(found[inside], expected[inside]) <= CLOSE_PX


def fitted(source: Points, target: Points) -> Matrix:
    """The affine that takes source points to target points, by least squares."""
    ones = np.c_[source, np.ones(len(source))]
    found = np.linalg.lstsq(ones, target, rcond=None)[0]
    return np.vstack([found.T, [0, 0, 1]])


def test_bigwarp_json_says_what_the_csv_says(
    tmp_path: Path, sourced: Sourced, homography: Matrix
) -> None:
    """One set of landmarks, two spellings."""
    source = sourced(homography)
    (table,) = DIALECTS["bigwarp"].export(tmp_path / "t.csv", source)
    (file,) = DIALECTS["bigwarp-json"].export(tmp_path / "t.json", source)
    said = json.loads(file.read_text())

    with table.open(newline="") as stream:
        rows = [[float(v) for v in row[2:]] for row in csv.reader(stream)]
    pairs = zip(said["movingPoints"], said["fixedPoints"], strict=True)
    assert [[*moving, *fixed] for moving, fixed in pairs] == rows
    assert said["type"] == "BigWarpLandmarks"
    assert said["numDimensions"] == 2
    assert said["active"] == [True] * 9
    assert said["names"][0] == "Pt-0"


@pytest.mark.parametrize("calibrated", [True, False])
def test_napari_layers_lie_where_we_say(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    library: Library,
    places: Places,
    calibrated: bool,
) -> None:
    """Row before column, and `affine` after `scale`: napari decides, not we."""
    layers = library("napari.layers")
    pair = context if calibrated else replace(context, em_pixel_um=None)
    (file,) = DIALECTS["napari"].export(
        tmp_path / "t.json", sourced(straight, pair=pair)
    )
    said = json.loads(file.read_text())["layers"]

    em = layers.Image(np.zeros(context.em_shape), **said["em"])
    lm = layers.Image(np.zeros(context.lm_shape), **said["lm"])
    found = []
    em_px = places(context.em_shape)
    for x, y in em_px:
        row, column = lm.world_to_data(em.data_to_world((y, x)))
        found.append((column, row))
    assert off_px(np.array(found), apply(straight, em_px)) <= CLOSE_PX


@pytest.mark.parametrize("name", ["ecclem", "ecclem-csv"])
def test_ecclem_fits_our_matrix(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    places: Places,
    name: str,
) -> None:
    """It fits source to target in micrometres counted from the pixel's corner."""
    files = DIALECTS[name].export(tmp_path / "t.x", sourced(straight))
    if name == "ecclem":
        lm_um, em_um = xml_points(files[0])
    else:
        lm_um, em_um = (np.loadtxt(f, delimiter=",", skiprows=1)[:, 1:] for f in files)

    assert not lm_um[:, 2].any()
    assert not em_um[:, 2].any()
    em_size, lm_size = context.spacings
    lm_to_em_um = fitted(lm_um[:, :2], em_um[:, :2])
    lm_px = places(context.lm_shape)
    em_px = apply(lm_to_em_um, (lm_px + 0.5) * lm_size) / em_size - 0.5
    assert off_px(apply(straight, em_px), lm_px) <= CLOSE_PX


def xml_points(file: Path) -> list[Points]:
    """(source, target) fiducials of a transformation schema."""
    sets = {d.get("type"): d for d in ElementTree.parse(file).iter("dataset")}
    return [
        np.array([[float(c.text or "") for c in p] for p in sets[side]])
        for side in ("source", "target")
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [("similarity", "SIMILARITY"), ("mirrored", "AFFINE"), ("affine", "AFFINE")],
)
def test_ecclem_is_asked_for_a_model_that_it_can_fit(
    tmp_path: Path, sourced: Sourced, matrices: Matrices, name: str, kind: str
) -> None:
    """Its similarity turns and scales, it does not mirror."""
    (file,) = DIALECTS["ecclem"].export(tmp_path / "t.xml", sourced(matrices[name]))
    root = ElementTree.parse(file).getroot()

    transformation = root.find("transformation")
    assert transformation is not None
    assert transformation.get("type") == kind
    sizes = {
        size.get("type"): {
            d.get("name"): (int(d.text or ""), d.get("pixelSize")) for d in size
        }
        for size in transformation.iter("sequenceSize")
    }
    assert sizes["source"]["X"] == (220, "0.2")
    assert sizes["source"]["Y"] == (200, "0.21")
    assert sizes["target"]["X"] == (640, "0.05")


def navigator_items(file: Path) -> dict[str, dict[str, str]]:
    """The items of a Navigator file by label."""
    parts = re.split(r"^\[Item = (.+)\]$", file.read_text("utf-8"), flags=re.MULTILINE)
    return {
        label: dict(line.split(" = ", 1) for line in body.strip().splitlines())
        for label, body in zip(parts[1::2], parts[2::2], strict=True)
    }


def floats(text: str) -> Points:
    """Numbers between blanks."""
    return np.array([float(value) for value in text.split()])


def test_serialem_maps_and_targets_agree(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    places: Places,
    to_stage: Matrix,
) -> None:
    """A click on either map and the target drive to the same place.

    SerialEM: image px from the outer corner, y down = MapScaleMat (stage - StageXYZ)
    + half the map's width and height.
    """
    source = sourced(straight)
    (file,) = DIALECTS["serialem"].export(tmp_path / "t.nav", source)
    items = navigator_items(file)
    lm_to_px = {"map-1": np.eye(3), "map-2": invert(straight)}

    lm_px = places(context.lm_shape)
    stage_um = apply(to_stage, lm_px)
    for label, to_px in lm_to_px.items():
        item = items[label]
        assert item["Type"] == "2"
        size = floats(item["MapWidthHeight"])
        matrix = floats(item["MapScaleMat"]).reshape(2, 2)
        from_centre = stage_um - floats(item["StageXYZ"])[:2]
        found = from_centre @ matrix.T + size / 2 - 0.5
        scale = 1 if label == "map-1" else 0.25
        assert off_px(found, apply(to_px, lm_px)) * scale <= CLOSE_PX
        outline = np.c_[floats(item["PtsX"]), floats(item["PtsY"])]
        corner = apply(to_stage @ invert(to_px), [(-0.5, -0.5)])
        assert off_px(outline[[0, -1]], corner) <= 1e-4, "round the whole image, closed"
    for number, target in enumerate(source.targets, 1):
        item = items[str(number)]
        expected = apply(to_stage, [(target.x_lm_px, target.y_lm_px)])[0]
        assert floats(item["StageXYZ"]) == pytest.approx([*expected, 12.5], abs=1e-4)
        assert item["DrawnID"] == items["map-1"]["MapID"]
        assert target.name in item["Note"]
    ids = [item["MapID"] for item in items.values()]
    assert len(set(ids)) == len(ids) == 4


def test_transformj_puts_the_light_image_on_the_em(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    places: Places,
) -> None:
    """Its rule: about the middle of the image, in calibrated units, same canvas."""
    (file,) = DIALECTS["transformj"].export(tmp_path / "t.txt", sourced(straight))
    solid = np.loadtxt(file, delimiter="\t")
    em_um, lm_um = context.spacings
    middle = 0.5 * np.array(lm_um) * (np.array(context.lm_shape[::-1]) - 1)

    lm_px = apply(straight, places(context.em_shape))
    about = np.c_[lm_px * lm_um - middle, np.zeros(len(lm_px)), np.ones(len(lm_px))]
    drawn_um = (about @ solid.T)[:, :2] + middle
    assert off_px(drawn_um / em_um, places(context.em_shape)) <= CLOSE_PX
    assert solid[2].tolist() == [0, 0, 1, 0]


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_useq_reads_the_positions(
    tmp_path: Path,
    sourced: Sourced,
    matrices: Matrices,
    to_stage: Matrix,
    library: Library,
    suffix: str,
) -> None:
    """Its own reader, its own model, the same micrometres."""
    useq = library("useq")
    source = sourced(matrices["similarity"])
    (file,) = DIALECTS["useq"].export(tmp_path / f"t{suffix}", source)
    sequence = useq.MDASequence.from_file(file)

    expected = apply(to_stage, source.targets_lm_px)
    found = [(p.x, p.y) for p in sequence.stage_positions]
    assert off_px(np.array(found), expected) <= 0.2 * CLOSE_PX
    assert [p.name for p in sequence.stage_positions] == [
        t.name for t in source.targets
    ]
    assert {p.z for p in sequence.stage_positions} == {12.5}


def test_geojson_outline_and_targets_are_valid(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    homography: Matrix,
    library: Library,
) -> None:
    """QuPath counts from the pixel's corner; perspective keeps edges straight."""
    geojson, shapely = library("geojson"), library("shapely.geometry")
    source = sourced(homography)
    (file,) = DIALECTS["geojson"].export(tmp_path / "t.geojson", source)
    said = geojson.loads(file.read_text("utf-8"))

    assert said.is_valid, said.errors()
    outline, *points = (shapely.shape(f.geometry) for f in said.features)
    assert outline.exterior.is_ccw
    for x, y in apply(homography, corners(context.em_shape)) + 0.5:
        assert outline.contains(shapely.Point(x, y))
    height, width = context.em_shape
    beyond = apply(homography, [(-0.6, 5), (width - 0.4, 5), (5, height - 0.4)]) + 0.5
    assert not any(outline.contains(shapely.Point(*p)) for p in beyond)
    assert [(p.x, p.y) for p in points] == [
        (t.x_lm_px + 0.5, t.y_lm_px + 0.5) for t in source.targets
    ]


def test_ngff_places_the_em_image_in_the_light_frame(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    matrices: Matrices,
    library: Library,
    places: Places,
) -> None:
    """Read as a whole image by the models of the specification."""
    zarr, models = library("zarr"), library("ome_zarr_models.v05")
    level = matrices["level"]
    (file,) = DIALECTS["ngff"].export(tmp_path / "zarr.json", sourced(level))
    zarr.create_array(
        tmp_path / "0", shape=context.em_shape, dtype="u1", dimension_names=("y", "x")
    )
    group = zarr.open_group(tmp_path, mode="r")
    image = models.Image.from_zarr(group)

    multiscale = image.ome_attributes.multiscales[0]
    scale, translation = multiscale.datasets[0].coordinateTransformations
    em_px = places(context.em_shape)
    physical = em_px[:, ::-1] * scale.scale + translation.translation
    found = physical[:, ::-1] / context.lm_pixel_um
    assert off_px(found, apply(level, em_px)) <= CLOSE_PX
    assert [axis.unit for axis in multiscale.axes] == ["micrometer", "micrometer"]
    assert json.loads(file.read_text())["attributes"]["ome"]["version"] == "0.5"


def test_the_ngff_draft_states_its_version_and_our_affine(
    tmp_path: Path,
    sourced: Sourced,
    context: PairContext,
    straight: Matrix,
    places: Places,
) -> None:
    """Rows and columns in axis order (y, x), forward on points from LM to EM."""
    (file,) = DIALECTS["ngff-0.6.dev3"].export(
        tmp_path / "zarr.json", sourced(straight)
    )
    ome = json.loads(file.read_text())["attributes"]["ome"]
    scene = ome["scene"]
    (step,) = scene["coordinateTransformations"]
    em_um, lm_um = context.spacings

    assert ome["version"] == "0.6.dev3"
    assert (step["input"]["name"], step["output"]["name"]) == ("lm", "em")
    assert {s["name"] for s in scene["coordinateSystems"]} == {"lm", "em"}
    lm_yx = (apply(straight, places(context.em_shape)) * lm_um)[:, ::-1]
    affine = np.array(step["affine"])
    em_xy = (lm_yx @ affine[:, :2].T + affine[:, 2])[:, ::-1] / em_um
    assert off_px(em_xy, places(context.em_shape)) <= CLOSE_PX
