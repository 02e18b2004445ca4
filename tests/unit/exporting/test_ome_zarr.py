"""The overlay as OME-Zarr is the overlay, to the programs that read it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.errors import UsageError
from clemd.exporting import DIALECTS, ExportSource, Pictures
from clemd.model import Matrix

Sourced = Callable[..., ExportSource]
Library = Callable[[str], Any]


@pytest.fixture
def large(sourced: Sourced, true: Matrix) -> ExportSource:
    """A source whose EM image is large enough for a pyramid of odd sizes."""
    source = sourced(true)
    assert source.pictures is not None
    small = source.pictures()
    em = np.tile(small.em, (2, 2))[:901, :1203]
    pictures = Pictures(em=em, layers=small.layers)
    return replace(source, pictures=lambda: pictures)


def test_zarr_reads_what_the_ome_tiff_holds(
    tmp_path: Path, large: ExportSource, library: Library
) -> None:
    """Two files of one overlay must not differ in a single pixel, at any level."""
    zarr = library("zarr")
    (folder,) = DIALECTS["ome-zarr"].export(tmp_path / "o.ome.zarr", large)
    (file,) = DIALECTS["ome-tiff"].export(tmp_path / "o.ome.tif", large)
    group = zarr.open_group(folder, mode="r")

    with tifffile.TiffFile(file) as tiff:
        levels = tiff.series[0].levels
        assert len(levels) == len(list(group.array_keys())) > 1
        for number, level in enumerate(levels):
            assert np.array_equal(group[str(number)][:], level.asarray())


def test_ome_zarr_finds_image_channels_and_levels(
    tmp_path: Path, large: ExportSource, library: Library
) -> None:
    """Viewers read through this library, and judge by this model."""
    zarr, models = library("zarr"), library("ome_zarr_models.v05")
    reader, io = library("ome_zarr.reader"), library("ome_zarr.io")
    (folder,) = DIALECTS["ome-zarr"].export(tmp_path / "o.ome.zarr", large)

    models.Image.from_zarr(zarr.open_group(folder, mode="r"))
    location = io.parse_url(str(folder))
    (node,) = list(reader.Reader(location)())
    assert node.data[0].shape == (3, 901, 1203)
    assert node.metadata["channel_names"] == ["EM", "R", "GFP"]


def test_every_level_covers_the_same_field(tmp_path: Path, large: ExportSource) -> None:
    """A half pixel forgotten moves small levels by many large ones."""
    (folder,) = DIALECTS["ome-zarr"].export(tmp_path / "o.ome.zarr", large)
    attributes = json.loads((folder / "zarr.json").read_text())["attributes"]

    for dataset in attributes["ome"]["multiscales"][0]["datasets"]:
        scale, shift = dataset["coordinateTransformations"]
        edge = np.array(shift["translation"]) - np.array(scale["scale"]) / 2
        assert edge[1:] == pytest.approx([-0.025, -0.025])


def test_the_same_overlay_gives_the_same_bytes(
    tmp_path: Path, sourced: Sourced, true: Matrix
) -> None:
    """A replay must be comparable by hash."""
    folders = [tmp_path / name for name in ("a.zarr", "b.zarr")]
    for folder in folders:
        DIALECTS["ome-zarr"].export(folder, sourced(true))
    contents = [
        {f.relative_to(root): f.read_bytes() for f in root.rglob("*") if f.is_file()}
        for root in folders
    ]
    assert contents[0] == contents[1]


def test_a_folder_that_is_there_is_left_alone(
    tmp_path: Path, sourced: Sourced, true: Matrix
) -> None:
    """A file is replaced whole; a folder cannot be."""
    mine = tmp_path / "o.zarr"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")

    with pytest.raises(UsageError, match="something already"):
        DIALECTS["ome-zarr"].export(mine, sourced(true))
    assert [f.name for f in tmp_path.rglob("*")] == ["o.zarr", "notes.txt"]
