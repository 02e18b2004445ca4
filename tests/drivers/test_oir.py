"""Olympus OIR images, whole and in parts."""

from __future__ import annotations

import struct
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.config import ReadingSettings
from clemd.driver_api import SourceFile
from clemd.errors import ClemdError, IncompleteFileError, RefusedFileError
from clemd.model import Frame, Modality
from clemd.reading import ReaderPool, ReadRequest
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.oir import DRIVER, _library
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._oir import (
    CHANNELS,
    METADATA,
    encode_oir,
    encode_parts,
    file_of,
)
from clemd_drivers.simulated._shots import LightShot, Stage

READS = pytest.mark.skipif(
    _library.library() is None, reason="oirfile is not installed: pip install '.[oir]'"
)
SHOT = LightShot(
    name="good",
    field=Field.at(shape=(96, 128), pixel_um=0.3),
    metadata_pixel_um=0.3,
    stage=Stage(x_um=1234.5, y_um=-678.25),
    acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sample="liver 7",
    habit="plain",
    seed=1,
)


def noise(*shape: int) -> np.ndarray:
    """Samples without a zero."""
    return np.random.default_rng(4).integers(1, 4000, shape, dtype=np.uint16)


PIXELS = noise(3, 96, 128)


def read(path: Path) -> tuple[Frame, list[np.ndarray]]:
    """As the child does."""
    return read_all(DRIVER, path)


def write(folder: Path, data: bytes, name: str = "good.oir") -> Path:
    """One file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder / name


def write_parts(folder: Path, pixels: np.ndarray, axis: str = "z") -> Path:
    """A stack over three files; the one that stands for it."""
    files = encode_parts(SHOT, pixels, n_parts=2, axis=axis)
    for name, data in files.items():
        write(folder, data, name)
    return folder / "good.oir"


@READS
class TestOir(FormatDriverSuite):
    """The contract, on one file."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Three channels; the format states no stage."""
        path.write_bytes(encode_oir(SHOT, PIXELS))
        return GoodFile(
            path=path,
            planes=tuple(PIXELS),
            modality=Modality.CLSM,
            pixel_size_um=(0.3, 0.3),
        )


@READS
def test_facts_of_channels_time_and_instrument(tmp_path: Path) -> None:
    """What pairing and the choice of a channel need."""
    frame, _ = read(write(tmp_path, encode_oir(SHOT, PIXELS)))

    assert [
        (c.name, c.kind.value, c.excitation_nm, c.emission_nm) for c in frame.channels
    ] == [
        ("CH1", "fluorescence", 405, 461),
        ("CH2", "reflected", 488, None),
        ("TD1", "transmitted", 488, None),
    ]
    assert frame.pixel_size is not None
    assert "commonphase:length" in frame.pixel_size.source
    assert frame.acquired_at == SHOT.acquired_at
    assert frame.instrument == "Olympus FV3000"
    assert frame.extra["objective"] == "UPLSAPO 60X"
    assert frame.stage is None
    assert frame.warnings == ()


@READS
def test_channels_are_told_by_their_id(tmp_path: Path) -> None:
    """What is said first need not be said of the first plane."""
    turned = tuple(reversed(CHANNELS))
    frame, planes = read(write(tmp_path, encode_oir(SHOT, PIXELS, channels=turned)))

    assert [channel.name for channel in frame.channels] == ["TD1", "CH2", "CH1"]
    np.testing.assert_array_equal(planes[0], PIXELS[0])


@READS
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_every_sample_type_comes_back(dtype: str, tmp_path: Path) -> None:
    """One, two and four bytes."""
    pixels = (PIXELS % 251 + 1).astype(dtype)
    frame, planes = read(write(tmp_path, encode_oir(SHOT, pixels, pieces=1)))

    assert frame.dtype == dtype
    np.testing.assert_array_equal(np.stack(planes), pixels)


@READS
def test_stack_becomes_one_plane_by_the_common_rule(tmp_path: Path) -> None:
    """The maximum for labels, the sharpest for transmitted light."""
    pixels = noise(3, 4, 96, 128)
    frame, planes = read(write(tmp_path, encode_oir(SHOT, pixels)))

    np.testing.assert_array_equal(planes[0], pixels[0].max(axis=0))
    assert any("sharpest of 4 depths" in warning for warning in frame.warnings)


@READS
def test_last_time_and_brightest_wavelength_are_used(tmp_path: Path) -> None:
    """The common rule again, along the other axes."""
    pixels = noise(3, 4, 96, 128)
    frame, planes = read(write(tmp_path, encode_oir(SHOT, pixels, axis="t")))
    np.testing.assert_array_equal(np.stack(planes), pixels[:, -1])
    assert any("time point 4 of 4" in warning for warning in frame.warnings)

    _, planes = read(write(tmp_path, encode_oir(SHOT, pixels, axis="l")))
    np.testing.assert_array_equal(np.stack(planes), pixels.max(axis=1))


@READS
def test_parts_beside_the_image_are_read_with_it(tmp_path: Path) -> None:
    """A large stack is spread over several files."""
    pixels = noise(3, 6, 96, 128)
    _, planes = read(write_parts(tmp_path, pixels))

    np.testing.assert_array_equal(planes[0], pixels[0].max(axis=0))


@READS
def test_missing_part_is_waited_for_and_then_done_without(tmp_path: Path) -> None:
    """Parts come later; a series that was stopped has fewer planes than declared."""
    path = write_parts(tmp_path, noise(3, 6, 96, 128))
    (tmp_path / "good_00002").unlink()

    with pytest.raises(IncompleteFileError, match=r"6 planes .* are not there yet"):
        read(path)
    with SourceFile.open(path) as source, DRIVER.open(source) as reader:
        assert reader.plane(0).shape == (96, 128)
        assert any("6 planes" in warning for warning in reader.frame.warnings)


@READS
def test_part_that_ends_early_is_waited_for(tmp_path: Path) -> None:
    """Every file is held against its own size."""
    path = write_parts(tmp_path, noise(3, 6, 96, 128))
    part = tmp_path / "good_00001"
    part.write_bytes(part.read_bytes()[:-100])

    with pytest.raises(IncompleteFileError):
        read(path)


@READS
def test_parts_are_no_images_of_their_own(tmp_path: Path) -> None:
    """They say nothing of channels and pixel size."""
    write_parts(tmp_path, noise(3, 6, 96, 128))

    with pytest.raises(RefusedFileError, match=r"a further part of good\.oir"):
        read(tmp_path / "good_00001")


@READS
def test_links_among_the_parts_are_not_followed(tmp_path: Path) -> None:
    """A part lies beside its image and nowhere else."""
    path = write_parts(tmp_path, noise(3, 6, 96, 128))
    (tmp_path / "good_00002").rename(tmp_path / "other")
    (tmp_path / "good_00002").symlink_to(tmp_path / "other")

    with pytest.raises(RefusedFileError, match="good_00002 is a link"):
        read(path)


@READS
def test_part_that_changes_meanwhile_is_seen(tmp_path: Path) -> None:
    """The hash of an image holds all of it."""
    path = write_parts(tmp_path, noise(3, 6, 96, 128))
    with SourceFile.open(path) as source, DRIVER.open(source) as reader:
        reader.check_unchanged()
        part = tmp_path / "good_00001"
        part.write_bytes(part.read_bytes() + b"\0")
        with pytest.raises(ClemdError):
            reader.check_unchanged()


@READS
def test_document_types_are_refused(tmp_path: Path) -> None:
    """Entities that unfold to gigabytes begin with one."""
    image = '<!DOCTYPE a [<!ENTITY b "c">]><lsmimage:imageProperties/>'
    (data,) = encode_parts(SHOT, PIXELS, image=image).values()

    with pytest.raises(RefusedFileError, match="document type"):
        read(write(tmp_path, data))


@READS
def test_damaged_metadata_leave_the_pixels(tmp_path: Path) -> None:
    """What is said of them is lost, and a warning says so."""
    image = "<lsmimage:imageProperties><a>"
    (data,) = encode_parts(SHOT, PIXELS, image=image).values()
    frame, planes = read(write(tmp_path, data))

    np.testing.assert_array_equal(np.stack(planes), PIXELS)
    assert any("damaged" in warning for warning in frame.warnings)
    assert frame.pixel_size is None


@READS
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<base:width>128", b"<base:width>999"),
        (b"<base:width>128", b"<base:width>9e8"),
        (b"<base:height>96", b"<base:height>99"),
        (b"<base:height>96", b"<base:height>00"),
        (b"<base:depth>2", b"<base:depth>8"),
        (b"<base:depth>2", b"<base:depth>0"),
    ],
)
def test_sizes_that_cannot_be_are_not_believed(
    old: bytes, new: bytes, tmp_path: Path
) -> None:
    """Nothing is decoded, and nothing reserved for it."""
    data = encode_oir(SHOT, PIXELS)
    assert old in data
    with pytest.raises((IncompleteFileError, RefusedFileError)):
        read(write(tmp_path, data.replace(old, new)))


@READS
def test_block_larger_than_the_file_is_still_to_come(tmp_path: Path) -> None:
    """Its length is held against the file before anything is read."""
    data = bytearray(encode_oir(SHOT, PIXELS))
    struct.pack_into("<I", data, 96, 0xFFFFFFF0)

    with pytest.raises(IncompleteFileError):
        read(write(tmp_path, bytes(data)))


@READS
def test_endless_lists_are_refused(tmp_path: Path) -> None:
    """Blocks, documents and channels are counted."""
    many = file_of([(METADATA, b"<?xml?><a/>")] * 300)
    with pytest.raises(RefusedFileError, match="257 blocks of OIR metadata"):
        read(write(tmp_path, many))

    crowd = encode_oir(SHOT, noise(70, 8, 8), channels=[CHANNELS[0]] * 70)
    with pytest.raises(RefusedFileError, match="70 channels"):
        read(write(tmp_path, crowd))


@READS
def test_metadata_repeated_in_a_long_series_are_no_obstacle(tmp_path: Path) -> None:
    """The first that describe the image are enough."""
    data = encode_oir(SHOT, PIXELS)
    (at,) = struct.unpack_from("<Q", data, 40)
    offsets = struct.unpack_from(f"<{(len(data) - at - 4) // 8}Q", data, at + 4)
    (said,) = (o for o in offsets if b"imageProperties" in data[o : o + 120])
    body, again = data[:at], struct.pack("<II", 12, METADATA) + b"<?xml?><a/>\n"
    more = [at + k * len(again) for k in range(300)]
    listed = (*offsets, said, *more)
    long = bytearray(body + 300 * again)
    struct.pack_into("<2Q", long, 32, len(long) + 4 + 8 * len(listed), len(long))
    long += struct.pack(f"<I{len(listed)}Q", 0xFFFFFFFF, *listed)

    _, planes = read(write(tmp_path, bytes(long)))
    np.testing.assert_array_equal(np.stack(planes), PIXELS)


@READS
def test_lines_over_time_are_no_image(tmp_path: Path) -> None:
    """One line, again and again."""
    with pytest.raises(RefusedFileError, match="one line over time"):
        read(write(tmp_path, encode_oir(SHOT, noise(3, 1, 128), pieces=1)))


@READS
def test_child_reads_image_and_parts(tmp_path: Path) -> None:
    """The sandbox lets it open what lies beside, and load the library."""
    export, cache = tmp_path / "export", tmp_path / "cache"
    cache.mkdir()
    pixels = noise(3, 6, 96, 128)
    write_parts(export, pixels, axis="t")
    with ReaderPool(ReadingSettings(), allow=[export], cache=cache) as pool:
        request = ReadRequest(
            path=str(export / "good.oir"), root=str(export), cache=str(cache)
        )
        found = pool.read_blocking(request)
        planes = [np.load(cache / plane) for plane in found.planes]
    np.testing.assert_array_equal(np.stack(planes), pixels[:, -1])


def test_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says what to do, and for which Python."""
    path = write(tmp_path, encode_oir(SHOT, PIXELS))
    monkeypatch.setattr(_library, "library", lambda: None)

    monkeypatch.setattr(_library, "LEAST_PYTHON", sys.version_info[:2])
    with pytest.raises(RefusedFileError, match=r"pip install 'clemd\[oir\]'$"):
        read(path)
    monkeypatch.setattr(_library, "LEAST_PYTHON", (99, 0))
    with pytest.raises(RefusedFileError, match=r"needs Python 3\.12 .* OME-TIFF"):
        read(path)


def test_own_files_are_recognised_without_the_package(tmp_path: Path) -> None:
    """By content, so that the refusal can say what is missing."""
    with SourceFile.open(write(tmp_path, encode_oir(SHOT, PIXELS), "a.img")) as source:
        assert DRIVER.recognises(source)
