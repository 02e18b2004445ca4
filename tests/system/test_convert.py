"""`inspect --ome` and `convert`: what comes out is read by other programs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import ome_types
import pytest
import tifffile

from clemd.cli._reading import read_files
from clemd.exporting._ome_tiff import level_shapes, stored_dtype, write_ome_tiff
from clemd.model import Channel, Frame, Modality, PixelSize


@pytest.fixture(scope="module", params=["em", "lm"])
def exported(request: pytest.FixtureRequest, session_files: Path) -> Path:
    """One simulated file of each microscope."""
    side = session_files / request.param
    return min(f for f in side.iterdir() if f.suffix.startswith(".tif"))


def test_inspect_writes_an_ome_model_that_validates(clemd: Any, exported: Path) -> None:
    """Read by ome-types, checked against the schema, equal to what was read."""
    done = clemd("inspect", "--ome", exported)
    (read,) = read_files([exported], None)
    model = ome_types.from_xml(done.stdout, validate=True)
    pixels = model.images[0].pixels

    assert done.returncode == 0, done.stderr
    assert (pixels.size_y, pixels.size_x) == read.frame.shape
    assert [c.name for c in pixels.channels] == [c.name for c in read.frame.channels]
    assert read.frame.pixel_size is not None
    assert pixels.physical_size_x == pytest.approx(read.frame.pixel_size.x_um)
    assert model.images[0].acquisition_date == read.frame.acquired_at
    stage = read.frame.stage
    if stage is not None and stage.x_um is not None:
        assert pixels.planes[0].position_x == pytest.approx(stage.x_um)


def test_converted_file_holds_the_same_pixels_and_says_the_same(
    clemd: Any, exported: Path, tmp_path: Path
) -> None:
    """Full size bit by bit, a pyramid of means, metadata that clemd itself reads."""
    out = tmp_path / "out.ome.tiff"
    before = hashlib.sha256(exported.read_bytes()).hexdigest()
    done = clemd("convert", exported, out, "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    cache = tmp_path / "cache"
    cache.mkdir()
    was, now = read_files([exported, out], cache)

    with tifffile.TiffFile(out) as file:
        assert file.is_ome
        assert not file.is_bigtiff
        ome_types.from_xml(file.ome_metadata or "", validate=True)
        levels = file.series[0].levels
        assert len(levels) == said["levels"]
        assert all(level.keyframe.is_tiled for level in levels)
        whole = levels[0].asarray().reshape(-1, *was.frame.shape)
        for plane, name in zip(whole, was.planes, strict=True):
            np.testing.assert_array_equal(plane, np.load(cache / name))
        if len(levels) > 1:
            small = levels[1].asarray().reshape(len(whole), *levels[1].shape[-2:])
            h, w = (2 * side for side in small.shape[1:])
            mean = whole[:, :h, :w].reshape(len(whole), h // 2, 2, w // 2, 2)
            mean = mean.mean(axis=(2, 4))
            assert np.abs(mean - small).max() <= 0.5
    for key in ("shape", "dtype", "acquired_at", "instrument", "sample"):
        assert getattr(now.frame, key) == getattr(was.frame, key), key
    assert [c.name for c in now.frame.channels] == [c.name for c in was.frame.channels]
    assert hashlib.sha256(exported.read_bytes()).hexdigest() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cache", "out.ome.tiff"]


def frame_of(plane: np.ndarray[Any, Any], count: int = 1) -> Frame:
    """Facts that fit a plane."""
    return Frame(
        path="a.tif",
        driver="plain",
        driver_version="1",
        modality=Modality.SEM,
        shape=(plane.shape[0], plane.shape[1]),
        dtype=plane.dtype.name,
        channels=tuple(Channel(name=f"c{n}") for n in range(count)),
        pixel_size=PixelSize(x_um=0.01, y_um=0.02, source="test"),
    )


@pytest.mark.parametrize(
    "dtype",
    "bool uint8 int8 uint16 int16 uint32 int32 float16 float32 float64 int64".split(),
)
def test_every_sample_type_keeps_its_values(tmp_path: Path, dtype: str) -> None:
    """OME has no name for some of them: they are widened, never cut."""
    rng = np.random.default_rng(1)
    plane = (rng.random((70, 1300)) * 100).astype(dtype)
    path = tmp_path / "a.ome.tif"
    write_ome_tiff(path, frame_of(plane, 2), [plane, plane], name="a")

    with tifffile.TiffFile(path) as file:
        pixels = file.series[0].asarray()
        assert pixels.dtype == stored_dtype(dtype)
        np.testing.assert_array_equal(pixels[0], plane.astype(pixels.dtype))
        assert len(file.series[0].levels) == 3


@pytest.mark.parametrize(
    ("shape", "last"),
    [((512, 512), (512, 512)), ((513, 10), (256, 5)), ((5000, 1), (312, 1))],
)
def test_pyramid_ends_when_it_is_small(
    shape: tuple[int, int], last: tuple[int, int]
) -> None:
    """A strip one pixel wide never vanishes."""
    assert level_shapes(shape)[-1] == last


def test_file_over_the_limit_is_a_bigtiff(tmp_path: Path) -> None:
    """Offsets of 32 bits end at 4 GiB; the limit itself is far below that here."""
    plane = np.arange(1024 * 1024, dtype=np.uint16).reshape(1024, 1024)
    made = {}
    for limit in (1 << 20, 1 << 30):
        path = tmp_path / f"{limit}.ome.tif"
        made[limit] = write_ome_tiff(
            path, frame_of(plane), [plane], name="a", big_bytes=limit
        )
        with tifffile.TiffFile(path) as file:
            assert file.is_bigtiff is made[limit].is_big
            np.testing.assert_array_equal(file.series[0].asarray(), plane)

    assert [one.is_big for one in made.values()] == [True, False]


_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from clemd.exporting import write_ome_tiff
from clemd.model import Channel, Frame, Modality
folder = Path(sys.argv[1])
plane = np.load(folder / "plane.npy", mmap_mode="r")
frame = Frame(path="a", driver="d", driver_version="1", modality=Modality.SEM,
              shape=plane.shape, dtype="uint16", channels=(Channel(name="c"),))
write_ome_tiff(folder / "small.ome.tif",
               Frame(path="a", driver="d", driver_version="1", modality=Modality.SEM,
                     shape=(600, 600), dtype="uint16", channels=(Channel(name="c"),)),
               [plane[:600, :600]], name="a")
resource.setrlimit(resource.RLIMIT_DATA, (before := int(
    next(l for l in open("/proc/self/status") if l.startswith("VmData")).split()[1]
) * 1024 + 120_000_000, before))
write_ome_tiff(folder / "big.ome.tif", frame, [plane], name="a")
"""


def test_large_file_takes_little_memory(tmp_path: Path) -> None:
    """A plane of 392 MB is written by a process that may have 120 MB more."""
    plane = np.lib.format.open_memmap(
        tmp_path / "plane.npy", "w+", np.dtype(np.uint16), (14_000, 14_000)
    )
    plane[::7, ::5] = 999
    plane.flush()
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    with tifffile.TiffFile(tmp_path / "big.ome.tif") as file:
        assert file.series[0].levels[0].shape == plane.shape
        assert len(file.series[0].levels) == 6


def test_what_cannot_be_written_is_told_in_one_line(
    clemd: Any, exported: Path, tmp_path: Path
) -> None:
    """And nothing is left behind."""
    there = tmp_path / "there.ome.tif"
    there.write_bytes(b"mine")
    for out in (tmp_path / "a.tif", tmp_path / "no" / "a.ome.tif", there):
        done = clemd("convert", exported, out)
        assert done.returncode == 2
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    missing = clemd("convert", tmp_path / "nobody.tif", tmp_path / "x.ome.tif")

    assert missing.returncode == 2
    assert there.read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["there.ome.tif"]
    assert clemd("convert", exported, there, "--force").returncode == 0
