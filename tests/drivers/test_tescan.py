"""TESCAN images: blocks in a tag, a text beside, a strip below, views side by side."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import ClemdError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.tescan import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._shots import ElectronShot, Stage
from clemd_drivers.simulated._tescan import TESCAN, encode_tescan, tescan_hdr

_REAL = Path(__file__).parents[3] / "shared/data/vendor_sem"
_WIDTH, _ROWS, _BAR, _PIXEL_UM = 256, 180, 22, 0.146484375

SHOT = ElectronShot(
    name="a.tif",
    vendor="tescan",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=_BAR,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=1939.783, y_um=-1964.334, z_um=60_999.891, rotation_deg=8.5),
    acquired_at=datetime(2023, 3, 27, 9, 47, 19, tzinfo=UTC),
    sample="grid 3",
    habit="plain",
    invert=False,
    sixteen_bit=True,
    elsewhere=False,
    seed=1,
)


def noise(views: int = 1, dtype: type = np.uint16) -> np.ndarray:
    """A scanned frame without a zero."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(2).integers(1, top, (_ROWS, _WIDTH * views), dtype)


def recognised(path: Path) -> bool:
    """Does the driver take this file?"""
    with SourceFile.open(path) as source:
        return DRIVER.recognises(source)


def read(path: Path, data: bytes) -> Frame:
    """What the driver says of these bytes."""
    path.write_bytes(data)
    return read_all(DRIVER, path)[0]


def changed(old: str, new: str) -> bytes:
    """The good file with one line of its text replaced by one of the same length."""
    data = encode_tescan(SHOT, noise())
    assert data.count(old.encode()) == 1
    return data.replace(old.encode(), new.ljust(len(old)).encode())


class TestTescanTag(FormatDriverSuite):
    """The contract, on a file with the tag."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Sixteen bits and a strip below."""
        data = encode_tescan(SHOT, noise())
        path.write_bytes(data)
        strip = np.frombuffer(data, "<u2", _BAR * _WIDTH, 8 + 2 * _ROWS * _WIDTH)
        return GoodFile(
            path=path,
            planes=(np.concatenate([noise(), strip.reshape(_BAR, _WIDTH)]),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(1939.783, -1964.334),
            info_bar_rows=_BAR,
        )


class TestTescanText(FormatDriverSuite):
    """The contract, on a bare TIFF with its text beside it."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Eight bits; nothing in the file names the maker."""
        data = encode_tescan(SHOT, noise(dtype=np.uint8), with_tag=False)
        path.write_bytes(data)
        path.with_name(f"{path.stem}-{path.suffix[1:]}.hdr").write_bytes(
            tescan_hdr(SHOT)
        )
        stored = np.frombuffer(data, "u1", (_ROWS + _BAR) * _WIDTH, 8)
        return GoodFile(
            path=path,
            planes=(stored.reshape(_ROWS + _BAR, _WIDTH),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(1939.783, -1964.334),
            info_bar_rows=_BAR,
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Image and text are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


@pytest.mark.real_data
@pytest.mark.skipif(not _REAL.is_dir(), reason="no test data")
def test_real_mira_says_what_its_header_says() -> None:
    """Typed from the text of tag 50431: [MAIN] and [SEM] of a MIRA3 XMU."""
    frame, _ = read_all(DRIVER, _REAL / "odemis/tescan_example_sem1.tif")
    size, pose = frame.pixel_size, frame.stage

    assert size is not None
    assert pose is not None
    assert (size.x_um, size.y_um) == pytest.approx((2.5012, 2.5012))  # PixelSizeX/Y
    assert size.source == "PixelSizeX"
    # StageX=5.1572e-3, StageY=6.0938e-3, StageZ=83.566e-3, all metres
    assert (pose.x_um, pose.y_um) == pytest.approx((5157.2, 6093.8))
    assert pose.z_um == pytest.approx(83_566)
    assert (pose.rotation_deg, pose.tilt_deg) == (0.0, 0.0)
    assert pose.scan_rotation_deg == 0.0
    assert frame.info_bar_rows == 120  # ImageStripSize=120
    assert frame.shape == (888, 1024)
    # Date=2016-05-16, Time=16:03:27; saved eleven seconds later
    assert frame.acquired_at == datetime(2016, 5, 16, 16, 3, 27)  # noqa: DTZ001
    assert frame.instrument == "TESCAN MIRA3 XMU MI3261471CZ"
    (channel,) = frame.channels
    assert (channel.name, channel.kind) == ("SE", ChannelKind.SE)  # Detector=SE
    assert frame.extra["HV"] == "10.0000e3"
    assert frame.warnings == ()


@pytest.mark.real_data
@pytest.mark.skipif(not _REAL.is_dir(), reason="no test data")
def test_real_amber_says_what_its_header_says() -> None:
    """Typed from tag 50431; its Time is eleven hours from the PC's clock in tag 306."""
    frame, _ = read_all(DRIVER, _REAL / "fibsem-os/afeb822f_image_ChanA_000003.tif")
    size, pose = frame.pixel_size, frame.stage

    assert size is not None
    assert pose is not None
    # PixelSizeX=0.000000146484375; MagnificationReference/Magnification agrees
    assert size.x_um == size.y_um == pytest.approx(0.146484375)
    # StageX=0.001939783, StageY=0.001964334, StageZ=0.060999891
    assert (pose.x_um, pose.y_um) == pytest.approx((1939.783, 1964.334))
    assert pose.z_um == pytest.approx(60_999.891)
    assert pose.rotation_deg == pytest.approx(8.59436693)  # StageRotation
    assert pose.scan_rotation_deg == 180.0  # ScanRotation=180.0
    assert frame.info_bar_rows == 119  # ImageStripSize=119
    assert frame.acquired_at == datetime(2023, 3, 27, 0, 47, 19)  # noqa: DTZ001
    assert frame.instrument == "TESCAN AMBER 42"
    (channel,) = frame.channels
    assert (channel.name, channel.kind) == ("E-T", ChannelKind.SE)  # Detector=E-T
    (said,) = frame.warnings
    assert "universal time" in said


def test_known_truth_comes_back(tmp_path: Path) -> None:
    """Sample, detector and time tie the image to its session."""
    frame = read(tmp_path / "a.tif", encode_tescan(SHOT, noise()))

    assert frame.warnings == ()
    assert frame.sample == "grid 3"
    assert frame.stage is not None
    assert frame.stage.rotation_deg == 8.5
    assert frame.acquired_at == SHOT.acquired_at.replace(tzinfo=None)
    assert frame.channels[0].kind is ChannelKind.BSE


def test_the_registry_gives_it_to_this_driver(tmp_path: Path) -> None:
    """The plain reader would lose the pixel size."""
    (tmp_path / "a.tif").write_bytes(encode_tescan(SHOT, noise()))
    with SourceFile.open(tmp_path / "a.tif") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "tescan"


def test_image_whose_text_is_missing_is_read_and_says_so(tmp_path: Path) -> None:
    """The text may come a minute later, or never."""
    data = encode_tescan(SHOT, noise()).replace(
        struct.pack("<HH", TESCAN, 1), struct.pack("<HH", TESCAN + 1, 1)
    )
    frame = read(tmp_path / "a.tif", data)

    assert frame.driver == "tescan"
    assert frame.pixel_size is None
    assert any("no a-tif.hdr beside it" in line for line in frame.warnings)


@pytest.mark.parametrize("charset", ["utf-16", "utf-8-sig", "cp1252"])
def test_text_of_any_charset_is_read(charset: str, tmp_path: Path) -> None:
    """Operators are called Černý and Weiß."""
    text = tescan_hdr(replace(SHOT, sample="Weiß")).decode("cp1252").encode(charset)
    (tmp_path / "a.HDR").write_bytes(text)
    frame = read(
        tmp_path / "a.tif", encode_tescan(SHOT, noise(dtype=np.uint8), with_tag=False)
    )

    assert frame.sample == "Weiß"
    assert frame.pixel_size is not None


def test_text_that_is_still_being_written_loses_its_last_line(tmp_path: Path) -> None:
    """13 of 139 is a number too."""
    whole = tescan_hdr(SHOT)
    cut = whole[: whole.index(b"PixelSizeX=") + 14]
    (tmp_path / "a.hdr").write_bytes(cut)
    frame = read(
        tmp_path / "a.tif", encode_tescan(SHOT, noise(dtype=np.uint8), with_tag=False)
    )

    assert frame.pixel_size is None or "PixelSizeX" not in frame.pixel_size.source
    assert any("ends within a line" in line for line in frame.warnings)


def test_other_programs_headers_are_left_alone(tmp_path: Path) -> None:
    """ENVI calls its text .hdr too."""
    (tmp_path / "a.hdr").write_bytes(b"ENVI\r\nsamples = 256\r\n")
    data = encode_tescan(SHOT, noise(dtype=np.uint8), with_tag=False)
    (tmp_path / "a.tif").write_bytes(data)

    assert not recognised(tmp_path / "a.tif")


def test_text_of_a_neighbour_is_not_taken(tmp_path: Path) -> None:
    """A backslash in a name is a letter here, never a folder."""
    (tmp_path / "a.hdr").write_bytes(tescan_hdr(SHOT))
    data = encode_tescan(SHOT, noise(dtype=np.uint8), with_tag=False)
    (tmp_path / "x\\a.tif").write_bytes(data)

    assert not recognised(tmp_path / "x\\a.tif")


def test_pixel_size_that_contradicts_the_field_is_doubted(tmp_path: Path) -> None:
    """A person must know, and the search must look wider."""
    frame = read(
        tmp_path / "a.tif",
        changed("MagnificationReference=0.28106667", "MagnificationReference=0.31"),
    )

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)
    assert frame.pixel_size.relative_sigma == pytest.approx(np.log(0.31 / 0.28106667))
    assert any("MagnificationReference/Magnification" in w for w in frame.warnings)


@pytest.mark.parametrize("bad", ["0", "nan", "-1.5e-7", "1e9", "inf", "wide", "1e-30"])
def test_bad_pixel_size_is_noted_and_never_used(bad: str, tmp_path: Path) -> None:
    """The field width says the same and stands in."""
    frame = read(
        tmp_path / "a.tif", changed("PixelSizeX=1.46484375e-07", f"PixelSizeX={bad}")
    )

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM, rel=1e-6)
    assert f"PixelSizeX = {bad} cannot be true and is not used" in frame.warnings


def test_bad_stage_and_strip_are_noted_and_never_used(tmp_path: Path) -> None:
    """A stage position of a kilometre would tear the session's map."""
    data = changed("StageX=0.001939783", "StageX=1000").replace(
        b"ImageStripSize=22", b"ImageStripSize=-2"
    )
    frame = read(tmp_path / "a.tif", data)

    assert frame.stage is not None
    assert frame.stage.x_um is None
    assert frame.stage.y_um == pytest.approx(-1964.334)
    assert any("StageX = 1000" in line for line in frame.warnings)
    assert any("ImageStripSize = -2" in line for line in frame.warnings)


def test_views_side_by_side_become_channels(tmp_path: Path) -> None:
    """Two detectors in one image are two pictures of one field."""
    pixels = noise(views=2)
    path = tmp_path / "a.tif"
    path.write_bytes(encode_tescan(SHOT, pixels, detectors=("SE", "BSE")))
    frame, planes = read_all(DRIVER, path)

    assert frame.shape == (_ROWS + _BAR, _WIDTH)
    assert [c.kind for c in frame.channels] == [ChannelKind.SE, ChannelKind.BSE]
    np.testing.assert_array_equal(planes[0][:_ROWS], pixels[:, :_WIDTH])
    np.testing.assert_array_equal(planes[1][:_ROWS], pixels[:, _WIDTH:])
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)


@pytest.mark.parametrize("size", [0, 1, 2**31, 2**32 - 1])
def test_block_of_absurd_length_is_survived(size: int, tmp_path: Path) -> None:
    """The text is searched for instead."""
    data = encode_tescan(SHOT, noise())
    at = data.index(b"\0\0\0\x0cjP") - 6
    hurt = data[:at] + struct.pack("<I", size) + data[at + 4 :]
    frame = read(tmp_path / "a.tif", hurt)

    assert frame.driver == "tescan"
    assert frame.pixel_size is not None


def test_spliced_file_is_refused_in_one_line(tmp_path: Path) -> None:
    """Two halves of two images, as an interrupted copy leaves them."""
    data = encode_tescan(SHOT, noise())
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2] + data[:4000])
    with pytest.raises(ClemdError) as raised:
        read_all(DRIVER, tmp_path / "a.tif")

    assert str(raised.value).isprintable()
