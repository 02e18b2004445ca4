"""LSM: records, channels and splitters, series, tiles, and habits of old writers."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.lsm import DRIVER
from clemd_drivers.formats.lsm._pages import read_pages
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._lsm import LsmChannel, LsmFacts, encode_lsm, lsm_bytes
from clemd_drivers.simulated._shots import LightShot, Stage

_GLOW = LsmChannel(name="Ch2-T1", laser_nm=488, filter="BP 505-530", dye="GFP")
_FACTS = LsmFacts(
    channels=[
        LsmChannel(name="Refl", laser_nm=488, filter="BP 480-496", splitter="NT 80/20"),
        _GLOW,
    ],
    voxel_m=2.5e-7,
    origin_m=(0.001, -0.002, 3e-5),
    acquired_at=datetime(2009, 3, 4, 5, 6, 7),  # noqa: DTZ001 - local by nature
)
_ALONE = replace(_FACTS, channels=[_GLOW])
_RECORD = 34412


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """(time, depth, channel, height, width) without a zero in it."""
    return np.random.default_rng(seed).integers(1, 4000, shape, dtype=np.uint16)


def written(path: Path, pixels: np.ndarray, facts: LsmFacts = _ALONE) -> Path:
    """A file of these planes."""
    path.write_bytes(lsm_bytes(pixels, facts))
    return path


class TestLsmDriver(FormatDriverSuite):
    """The contract, on a two-channel confocal image."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """One plane of two channels, and its thumbnail."""
        pixels = noise(1, (1, 1, 2, 96, 64))
        written(path, pixels, _FACTS)
        return GoodFile(
            path=path,
            planes=tuple(pixels[0, 0]),
            modality=Modality.CLSM,
            pixel_size_um=(0.25, 0.25),
            stage_um=(1000.0, -2000.0),
        )


def test_another_reader_finds_the_same_in_the_file(tmp_path: Path) -> None:
    """Writer and reader of one house may share a mistake."""
    pixels = noise(1, (2, 3, 3, 20, 30))
    facts = replace(_FACTS, channels=[*_FACTS.channels, _GLOW])
    path = written(tmp_path / "a.lsm", pixels, facts)
    with tifffile.TiffFile(path) as tiff:
        found = tiff.series[0].asarray()
        record = tiff.lsm_metadata

    np.testing.assert_array_equal(found, pixels)
    assert record is not None
    assert record["VoxelSizeX"] == 2.5e-7
    assert record["ChannelColors"]["ColorNames"] == ["Refl", "Ch2-T1", "Ch2-T1"]
    track = record["ScanInformation"]["Tracks"][0]
    assert track["IlluminationChannels"][0]["Wavelength"] == 488
    assert track["BeamSplitters"][0]["Filter"] == "NT 80/20"


def test_names_kinds_time_and_objective_are_read(tmp_path: Path) -> None:
    """Each reason is a fact of the file."""
    path = written(tmp_path / "a.lsm", noise(1, (1, 1, 2, 20, 20)), _FACTS)
    frame, _ = read_all(DRIVER, path)

    assert [(c.name, c.kind.value) for c in frame.channels] == [
        ("Refl", "reflected"),
        ("Ch2-T1", "fluorescence"),
    ]
    assert frame.channels[0].excitation_nm == 488
    assert frame.channels[1].emission_nm == 517.5
    assert frame.acquired_at is not None
    moved = abs((frame.acquired_at - datetime(2009, 3, 4, 5, 6, 7)).total_seconds())  # noqa: DTZ001
    assert moved < 0.01
    assert frame.extra["objective"] == "Plan-Apochromat 63x/1.4"


@pytest.mark.parametrize(
    ("channel", "kind"),
    [
        (LsmChannel(name="Ch1", laser_nm=488, filter="BP 480-496"), "reflected"),
        (LsmChannel(name="Ch1", laser_nm=633, filter="LP 650"), "fluorescence"),
        (
            LsmChannel(name="Ch1", laser_nm=633, filter="", splitter="NT 80/20"),
            "reflected",
        ),
        (LsmChannel(name="ChD", laser_nm=633, filter=""), "transmitted"),
        (LsmChannel(name="Ch1", laser_nm=633, filter=""), "unknown"),
    ],
)
def test_laser_filter_and_splitter_tell_the_kind(
    channel: LsmChannel, kind: str, tmp_path: Path
) -> None:
    """The software has no field for reflection."""
    facts = replace(_FACTS, channels=[channel])
    frame, _ = read_all(
        DRIVER, written(tmp_path / "a.lsm", noise(1, (1, 1, 1, 20, 20)), facts)
    )

    assert frame.channels[0].kind == kind
    assert frame.channels[0].emission_nm is None


def test_fluorescence_stack_shows_the_last_time_at_every_depth(tmp_path: Path) -> None:
    """Depths change fastest in the file, thumbnails lie between."""
    pixels = noise(2, (3, 4, 1, 20, 30))
    frame, (plane,) = read_all(DRIVER, written(tmp_path / "a.lsm", pixels))

    np.testing.assert_array_equal(plane, pixels[2, :, 0].max(axis=0))
    said = "channel 'Ch2-T1': time point 3 of 3, the maximum over 4 depths"
    assert said in frame.warnings


def test_every_position_is_a_frame_and_the_first_stands_for_the_file(
    tmp_path: Path,
) -> None:
    """Its place is added to the origin."""
    pixels = noise(3, (2, 1, 1, 20, 30))
    facts = replace(_ALONE, positions_m=[(0.0, 0.0, 0.0), (0.0005, 0.0001, 0.0)])
    path = written(tmp_path / "a.lsm", pixels, facts)
    frame, (plane,) = read_all(DRIVER, path)

    np.testing.assert_array_equal(plane, pixels[0, 0, 0])
    assert "2 positions in the file: the first is used" in frame.warnings
    with SourceFile.open(path) as source:
        assert DRIVER.positions(source) == 2
        with DRIVER.open_at(source, 1) as reader:
            np.testing.assert_array_equal(reader.plane(0), pixels[1, 0, 0])
            stage = reader.frame.stage
    assert stage is not None
    assert (stage.x_um, stage.y_um, stage.z_um) == pytest.approx((1500, -1900, 30))


def test_tiles_lie_at_their_stated_places(tmp_path: Path) -> None:
    """5 µm are 20 pixels of 0.25 µm."""
    pixels = noise(4, (2, 1, 1, 20, 30))
    facts = replace(_ALONE, tiles_m=[(5e-6, 0.0, 0.0), (0.0, 2.5e-6, 0.0)])
    frame, (plane,) = read_all(DRIVER, written(tmp_path / "a.lsm", pixels, facts))

    canvas = np.zeros((30, 50), np.uint16)
    canvas[:20, 20:] = pixels[0, 0, 0]
    canvas[10:, :30] = pixels[1, 0, 0]
    np.testing.assert_array_equal(plane, canvas)
    assert [w for w in frame.warnings if "seams are not refined" in w]


def test_two_channel_file_of_an_old_writer_is_read(tmp_path: Path) -> None:
    """It keeps the two sample sizes elsewhere, with their place in the tag."""
    pixels = noise(5, (1, 1, 2, 20, 20))
    data = bytearray(lsm_bytes(pixels, _FACTS))
    at = data.index(struct.pack("<HHI", 258, 3, 2))
    struct.pack_into("<I", data, at + 8, len(data))
    data += struct.pack("<2H", 16, 16)
    (tmp_path / "a.lsm").write_bytes(data)
    _, planes = read_all(DRIVER, tmp_path / "a.lsm")

    np.testing.assert_array_equal(np.stack(planes), pixels[0, 0])


def test_compressed_rows_of_differences_are_decoded(tmp_path: Path) -> None:
    """Newer versions of the software compress when they are asked to."""
    pixels = noise(6, (1, 1, 1, 20, 30))
    path = written(tmp_path / "a.lsm", pixels)
    with SourceFile.open(path) as source:
        (page,) = read_pages(source)
    plane = pixels[0, 0, 0]
    steps = np.diff(plane, axis=1, prepend=np.zeros((20, 1), np.uint16))
    stored = imagecodecs.lzw_encode(steps.astype("<u2").tobytes())
    data = bytearray(path.read_bytes())
    # The predictor takes the place of PlanarConfiguration, which one channel does
    # not need.
    for code, new, value in ((259, 259, 5), (284, 317, 2)):
        at = data.index(struct.pack("<HHI", code, 3, 1))
        struct.pack_into("<HHIH", data, at, new, 3, 1, value)
    for code, value in ((273, len(data)), (279, len(stored))):
        at = data.index(struct.pack("<HHI", code, 4, 1))
        struct.pack_into("<I", data, at + 8, value)
    path.write_bytes(bytes(data) + stored)
    _, planes = read_all(DRIVER, path)

    assert page.codec == 1
    np.testing.assert_array_equal(planes[0], plane)


@pytest.mark.parametrize("voxel_m", [0.0, float("nan"), -1.0, 1.0])
def test_voxel_without_meaning_is_no_pixel_size(voxel_m: float, tmp_path: Path) -> None:
    """Unknown is said, never guessed."""
    facts = replace(_ALONE, voxel_m=voxel_m)
    frame, _ = read_all(
        DRIVER, written(tmp_path / "a.lsm", noise(1, (1, 1, 1, 20, 20)), facts)
    )

    assert frame.pixel_size is None
    assert "no pixel size in the LSM record" in frame.warnings


def test_origin_of_nought_is_no_stage_position(tmp_path: Path) -> None:
    """Stands without a motor write it."""
    facts = replace(_ALONE, origin_m=(0.0, 0.0, 0.0))
    frame, _ = read_all(
        DRIVER, written(tmp_path / "a.lsm", noise(1, (1, 1, 1, 20, 20)), facts)
    )

    assert frame.stage is None


def test_broken_scan_costs_the_kind_not_the_image(tmp_path: Path) -> None:
    """The pixels are as good as ever."""
    pixels = noise(1, (1, 1, 1, 20, 20))
    data = lsm_bytes(pixels, _ALONE).replace(
        struct.pack("<III", 0x10000000, 0, 0), struct.pack("<III", 0x10000000, 2, 1)
    )
    (tmp_path / "a.lsm").write_bytes(data)
    frame, planes = read_all(DRIVER, tmp_path / "a.lsm")

    np.testing.assert_array_equal(planes[0], pixels[0, 0, 0])
    assert frame.channels[0].kind is ChannelKind.UNKNOWN
    assert frame.channels[0].name == "Ch2-T1"


def _patched(place: int, form: str, value: float) -> bytes:
    """A file with one field of its record changed."""
    data = bytearray(lsm_bytes(noise(1, (1, 1, 1, 20, 20)), _ALONE))
    at = data.index(struct.pack("<Ii", 0x0400494C, 380))
    struct.pack_into(form, data, at + place, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_patched(0, "<I", 7), "starts with 0x7"),
        (_patched(16, "<i", 2**31 - 1), "planes: export it again"),
        (_patched(16, "<i", 99_999), "has no planes|planes are in the file"),
        (_patched(88, "<H", 2), "scan of type 2"),
        (_patched(268, "<i", 90_000), "tiles without positions"),
        (_patched(264, "<i", 90_000), ""),
    ],
)
def test_impossible_records_are_refused_in_one_line_or_cost_nothing(
    data: bytes, words: str, tmp_path: Path
) -> None:
    """Sizes in a file are claims of its writer."""
    (tmp_path / "a.lsm").write_bytes(data)
    started = time.process_time()
    try:
        frame, _ = read_all(DRIVER, tmp_path / "a.lsm")
        said = " ".join(frame.warnings)
    except (RefusedFileError, IncompleteFileError) as refused:
        said = str(refused)

    assert said.isprintable()
    assert not words or any(part in said for part in words.split("|"))
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    ("code", "kind", "value", "words"),
    [
        (258, 3, 7, "samples of 7 bits"),
        (259, 3, 32773, "codec 32773"),
        (257, 4, 1 << 30, "export it again"),
        (257, 4, 0, "not an image"),
        (277, 3, 2000, "not an image"),
        (279, 4, 10, "in 10"),
    ],
)
def test_impossible_pages_are_refused_in_one_line(
    code: int, kind: int, value: int, words: str, tmp_path: Path
) -> None:
    """Every tag is a claim as well."""
    data = bytearray(lsm_bytes(noise(1, (1, 1, 1, 20, 20)), _ALONE))
    at = data.index(struct.pack("<HHI", code, kind, 1))
    struct.pack_into("<I" if kind == 4 else "<H", data, at + 8, value)
    (tmp_path / "a.lsm").write_bytes(data)

    with pytest.raises(RefusedFileError, match=words):
        read_all(DRIVER, tmp_path / "a.lsm")


def test_simulated_confocal_writes_what_it_was_told(tmp_path: Path) -> None:
    """Demo and tests stand on it."""
    shot = LightShot(
        name="map.lsm",
        field=Field.at(shape=(40, 50), pixel_um=0.31),
        metadata_pixel_um=0.3,
        stage=Stage(x_um=1234.5, y_um=-678.25, z_um=9.0),
        acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
        sample="liver 7",
        habit="plain",
        seed=1,
    )
    pixels = noise(1, (1, 1, 3, 40, 50))[0, 0]
    (tmp_path / "map.lsm").write_bytes(encode_lsm(shot, pixels))
    frame, planes = read_all(DRIVER, tmp_path / "map.lsm")

    np.testing.assert_array_equal(np.stack(planes), pixels)
    assert [c.kind.value for c in frame.channels] == [
        "reflected",
        "fluorescence",
        "fluorescence",
    ]
    assert frame.modality is Modality.CLSM
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.3)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == pytest.approx((1234.5, -678.25))
    assert frame.acquired_at is not None
    assert frame.acquired_at.isoformat().startswith("2026-03-04T05:06:0")
