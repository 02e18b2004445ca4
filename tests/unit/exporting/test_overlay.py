"""The overlay file opens everywhere, lies right, and is written in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ome_types import from_tiff, validate_xml

from clemd.errors import UsageError
from clemd.exporting import LightLayer, PairContext, Plane, write_overlay
from clemd.exporting._overlay import common_dtype, level_count
from clemd.geometry import apply, binning, compose, invert
from clemd.model import Matrix, Registration, Verdict

Register = Callable[..., Registration]
Layers = tuple[LightLayer, ...]


@pytest.fixture
def big(em: Plane) -> Plane:
    """The EM image with odd sizes and enough px for a pyramid."""
    return np.tile(em, (1, 4))[:301, :2103]


def test_the_file_is_a_valid_pyramidal_ome_tiff(
    tmp_path: Path, big: Plane, layers: Layers, register: Register, context: PairContext
) -> None:
    """Viewers that know OME show channels, colours and micrometres."""
    path = tmp_path / "o.ome.tif"
    pair = replace(context, em_shape=(301, 2103))
    write_overlay(path, big, layers, register(), pair)

    with tifffile.TiffFile(path) as file:
        assert file.is_ome
        validate_xml(file.ome_metadata or "")
        series = file.series[0]
        assert series.axes == "CYX"
        levels = [level.shape for level in series.levels]
        assert levels == [(3, 301, 2103), (3, 150, 1051), (3, 75, 525)]
        assert len(levels) == level_count((301, 2103))
        first = file.pages.first
        assert first.is_tiled
        assert first.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
    pixels = from_tiff(path).images[0].pixels
    assert [c.name for c in pixels.channels] == ["EM", "R", "GFP"]
    assert pixels.physical_size_x == 0.05
    assert pixels.physical_size_x_unit.value == "µm"


def test_the_em_channel_is_the_em_image_and_its_levels_its_averages(
    tmp_path: Path, big: Plane, layers: Layers, register: Register, context: PairContext
) -> None:
    """Stored values, not display values: people measure in this file."""
    path = tmp_path / "o.ome.tif"
    write_overlay(path, big, layers, register(), replace(context, em_shape=big.shape))

    with tifffile.TiffFile(path) as file:
        full, half = (level.asarray() for level in file.series[0].levels[:2])
    assert full.dtype == np.uint16
    assert (full[0] == big).all()
    blocks = big[:300, :2102].reshape(150, 2, 1051, 2).mean(axis=(1, 3))
    assert np.abs(half[0] - blocks).max() <= 0.5


def test_light_lies_where_the_matrix_says_on_every_level(
    tmp_path: Path, big: Plane, register: Register, context: PairContext, true: Matrix
) -> None:
    """A shift between levels would move spots while zooming."""
    path = tmp_path / "o.ome.tif"
    y, x = np.indices(context.lm_shape, np.float32)
    layers = (LightLayer(plane=x, name="x"), LightLayer(plane=y, name="y"))
    write_overlay(path, big, layers, register(), replace(context, em_shape=big.shape))

    matrix = true
    with tifffile.TiffFile(path) as file:
        for number, level in enumerate(file.series[0].levels):
            seen = level.asarray()
            to_lm = compose(matrix, invert(binning(2**number)))
            column, row = 300 >> number, 250 >> number
            expected = apply(to_lm, [(column, row)])[0]
            assert np.abs(seen[1:, row, column] - expected).max() < 0.05


def test_outside_the_light_image_is_zero(
    tmp_path: Path, big: Plane, register: Register, context: PairContext, true: Matrix
) -> None:
    """Zero means: nobody looked here."""
    path = tmp_path / "o.ome.tif"
    bright = LightLayer(plane=np.full(context.lm_shape, 90, np.uint8), name="all")
    write_overlay(path, big, [bright], register(), replace(context, em_shape=big.shape))

    light = tifffile.imread(path)[1]
    row, column = np.indices(light.shape)
    at = apply(true, np.c_[column.ravel(), row.ravel()])
    last = np.array(context.lm_shape[::-1]) - 0.5
    inside = ((at > -0.45) & (at < last - 0.05)).all(axis=1).reshape(light.shape)
    outside = ((at < -0.55) | (at > last + 0.05)).any(axis=1).reshape(light.shape)
    assert (light[inside] == 90).all()
    assert (light[outside] == 0).all()
    assert outside.sum() + inside.sum() > 0.99 * light.size


def test_without_a_pixel_size_the_file_claims_none(
    tmp_path: Path, em: Plane, layers: Layers, register: Register, context: PairContext
) -> None:
    """A made-up micrometre would be believed."""
    path = tmp_path / "o.ome.tif"
    write_overlay(path, em, layers, register(), replace(context, em_pixel_um=None))

    assert from_tiff(path).images[0].pixels.physical_size_x is None


def test_memory_does_not_grow_with_the_em_image(
    tmp_path: Path, register: Register, context: PairContext
) -> None:
    """An EM mosaic of many gigabytes is mapped, and only mapped."""
    shape = (3072, 4096)
    em = np.memmap(tmp_path / "em.raw", np.uint8, "w+", shape=shape)
    light = LightLayer(plane=np.ones(context.lm_shape, np.uint8), name="all")
    pair = replace(context, em_shape=shape)
    write_overlay(tmp_path / "warm.ome.tif", em[:300], [light], register(), pair)

    tracemalloc.start()
    try:
        write_overlay(tmp_path / "o.ome.tif", em, [light], register(), pair)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < em.nbytes / 2


def test_a_rejected_pair_has_no_overlay(
    tmp_path: Path, em: Plane, layers: Layers, register: Register, context: PairContext
) -> None:
    """Nor is anything left half written."""
    with pytest.raises(UsageError, match="not registered"):
        write_overlay(
            tmp_path / "o.tif", em, layers, register(Verdict.REJECTED), context
        )

    assert list(tmp_path.iterdir()) == []


def test_the_sample_type_is_the_smallest_that_keeps_values() -> None:
    """Rounding a 16-bit label to 8 would lose its dim spots."""
    u8, u16 = np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint16)
    i16, f64 = np.zeros((1, 1), np.int16), np.zeros((1, 1))
    flag = np.zeros((1, 1), bool)

    assert common_dtype([u8, flag]) == np.uint8
    assert common_dtype([u8, u16]) == np.uint16
    assert common_dtype([u8, i16]) == np.float32
    assert common_dtype([u16, f64]) == np.float32
