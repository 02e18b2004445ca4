"""JEOL images: everything but the pixels lies in a text, in one of two dialects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import ClemdError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.jeol import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._jeol import Dialect, encode_jeol, jeol_text
from clemd_drivers.simulated._shots import ElectronShot, Stage

_REAL = Path(__file__).parents[3] / "shared/data/vendor_sem/odemis"
_WIDTH, _ROWS, _BAR, _PIXEL_UM = 320, 240, 30, 0.125

SHOT = ElectronShot(
    name="a.tif",
    vendor="jeol",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=_BAR,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=5483.0, y_um=-831.0, z_um=8500.0),
    acquired_at=datetime(2025, 11, 20, 13, 42, 14, tzinfo=UTC),
    sample="grid 3",
    habit="plain",
    invert=False,
    sixteen_bit=False,
    elsewhere=False,
    seed=1,
)


def noise() -> np.ndarray:
    """A scanned frame without a zero."""
    return np.random.default_rng(2).integers(1, 250, (_ROWS, _WIDTH), np.uint8)


def read(folder: Path, text: str | bytes | None, name: str = "a.tif") -> Frame:
    """What the driver says of the image with this text beside it."""
    (folder / name).write_bytes(encode_jeol(SHOT, noise()))
    if text is not None:
        data = text.encode("cp1252") if isinstance(text, str) else text
        (folder / name).with_suffix(".txt").write_bytes(data)
    return read_all(DRIVER, folder / name)[0]


def with_line(key: str, value: str, dialect: Dialect = "older") -> str:
    """The good text with one value replaced."""
    lines = jeol_text(SHOT, dialect).splitlines(keepends=True)
    assert any(line.split(" ")[0] == key for line in lines)
    return "".join(
        f"{key} {value}\r\n" if line.split(" ")[0] == key else line for line in lines
    )


class JeolSuite(FormatDriverSuite):
    """The contract, on a TIFF with its text."""

    driver = DRIVER
    dialect: Dialect

    def write_good(self, path: Path) -> GoodFile:
        """A strip below the image."""
        data = encode_jeol(SHOT, noise())
        path.write_bytes(data)
        path.with_suffix(".txt").write_bytes(
            jeol_text(SHOT, self.dialect).encode("utf-8")
        )
        stored = np.frombuffer(data[-(_ROWS + _BAR) * _WIDTH :], np.uint8)
        return GoodFile(
            path=path,
            planes=(stored.reshape(_ROWS + _BAR, _WIDTH),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(5483.0, -831.0),
            info_bar_rows=_BAR,
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Image and text are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


class TestOlderDialect(JeolSuite):
    """Scale bar and a row of numbers."""

    dialect = "older"


class TestNewerDialect(JeolSuite):
    """Pixel size and named axes."""

    dialect = "newer"


@pytest.mark.real_data
@pytest.mark.skipif(not _REAL.is_dir(), reason="no test data")
def test_real_file_says_what_its_text_says() -> None:
    """Typed from jeol_example_sem.txt of a 4700F."""
    frame, planes = read_all(DRIVER, _REAL / "jeol_example_sem.tif")
    size, pose = frame.pixel_size, frame.stage

    assert size is not None
    assert pose is not None
    # No $$SM_MICRON_BAR. $CM_MAG 50 on 128 mm and $CM_FULL_SIZE 1280: 2 µm; the bar
    # painted at row 896 is 250 px long for $$SM_MICRON_MARKER 500um: 2 µm too.
    assert (size.x_um, size.y_um) == pytest.approx((2.0, 2.0))
    assert (size.source, size.relative_sigma) == ("CM_MAG", 0.07)
    assert np.all(planes[0][896:900, 328:578] >= 250)
    assert planes[0][897, 327] < 250
    assert planes[0][897, 578] < 250
    # $CM_STAGE_POS 5.483 0.831 8.5 -0.0 0.0 0.000
    assert (pose.x_um, pose.y_um, pose.z_um) == pytest.approx((5483, 831, 8500))
    assert (pose.rotation_deg, pose.tilt_deg) == (0.0, 0.0)
    assert pose.scan_rotation_deg == 0.0  # $$SM_SCAN_ROTATION 0.00
    assert frame.info_bar_rows == 0  # $CM_FULL_SIZE 1280 960 is the whole image
    assert frame.shape == (960, 1280)
    # $CM_DATE 2025/11/20, $CM_TIME 13:42:14
    assert frame.acquired_at == datetime(2025, 11, 20, 13, 42, 14)  # noqa: DTZ001
    assert frame.instrument == "JEOL 4700F"  # $CM_INSTRUMENT
    assert frame.sample is None  # $CM_TITLE is empty
    (channel,) = frame.channels
    assert (channel.name, channel.kind) == ("LED", ChannelKind.SE)  # $CM_SIGNAL LED
    assert frame.extra["CM_ACCEL_VOLT"] == "5.00"
    (said,) = frame.warnings
    assert "no scale bar length in px" in said


@pytest.mark.parametrize("dialect", ["older", "newer"])
def test_known_truth_comes_back(dialect: Dialect, tmp_path: Path) -> None:
    """Sample, signal and time tie the image to its session."""
    frame = read(tmp_path, jeol_text(SHOT, dialect))

    assert frame.warnings == ()
    assert frame.sample == "grid 3"
    assert frame.acquired_at == SHOT.acquired_at.replace(tzinfo=None)
    assert frame.channels[0].kind is ChannelKind.SE


def test_the_registry_gives_it_to_this_driver(tmp_path: Path) -> None:
    """The plain reader would lose the pixel size."""
    read(tmp_path, jeol_text(SHOT))
    with SourceFile.open(tmp_path / "a.tif") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "jeol"


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-16-le", "utf-8", "utf-8-sig", "cp1252", "cp932"]
)
def test_text_of_any_charset_is_read(charset: str, tmp_path: Path) -> None:
    """The unit of the scale bar is written with a Greek letter."""
    text = jeol_text(SHOT)
    if charset == "cp932":
        text = text.replace("µ", "μ")
    frame = read(tmp_path, text.encode(charset))

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "SM_MICRON_MARKER/SM_MICRON_BAR"


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp"])
def test_other_image_files_have_the_text_too(name: str, tmp_path: Path) -> None:
    """The operator chooses the kind of image, the text stays the same."""
    pixels = np.concatenate([noise(), np.full((_BAR, _WIDTH), 46, np.uint8)])
    encode = imagecodecs.jpeg8_encode if name == "a.jpg" else imagecodecs.bmp_encode
    (tmp_path / name).write_bytes(encode(pixels))
    (tmp_path / "a.TXT").write_bytes(jeol_text(SHOT).encode("cp1252"))
    frame, _ = read_all(DRIVER, tmp_path / name)

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM, rel=2e-3)
    assert frame.info_bar_rows == _BAR
    assert [c.name for c in frame.channels] == ["SED"]


def test_image_that_names_its_maker_but_lost_its_text_says_so(tmp_path: Path) -> None:
    """The text may come a minute later, or never."""
    path = tmp_path / "a.tif"
    tag = (271, 2, 5, b"JEOL\0", True)
    tifffile.imwrite(path, noise(), metadata=None, extratags=[tag])
    frame, _ = read_all(DRIVER, path)

    assert frame.driver == "jeol"
    assert frame.pixel_size is None
    assert any("no a.txt beside it" in line for line in frame.warnings)


def test_calibration_by_another_program_stands_in(tmp_path: Path) -> None:
    """A person measured the bar in Fiji and saved the image again."""
    text = "$CM_INSTRUMENT JSM-7800F\r\n$CM_DATE 2025/11/20\r\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    tifffile.imwrite(
        tmp_path / "a.tif",
        noise(),
        imagej=True,
        resolution=(4.0, 4.0),
        metadata={"unit": "um"},
    )
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert (frame.pixel_size.x_um, frame.driver) == (0.25, "jeol")


def test_rescaled_image_has_larger_pixels(tmp_path: Path) -> None:
    """Half as many columns as were scanned, and half as many rows of the strip."""
    whole = np.concatenate([noise(), np.full((_BAR, _WIDTH), 46, np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", whole[::2, ::2], metadata=None)
    (tmp_path / "a.txt").write_bytes(jeol_text(SHOT).encode("cp1252"))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(2 * _PIXEL_UM, rel=2e-3)
    assert frame.info_bar_rows == _BAR // 2


def test_bar_that_contradicts_the_magnification_is_doubted(tmp_path: Path) -> None:
    """A bar copied from another image is 40 % off, and so is the registration."""
    frame = read(tmp_path, with_line("$$SM_MICRON_BAR", "57"))

    assert frame.pixel_size is not None
    assert frame.pixel_size.relative_sigma > 0.05
    assert any("CM_MAG says" in line for line in frame.warnings)


def test_older_photograph_is_no_contradiction(tmp_path: Path) -> None:
    """Magnifications of older columns refer to 120 mm."""
    zoom = 120_000 / (_WIDTH * _PIXEL_UM)
    frame = read(tmp_path, with_line("$CM_MAG", f"{zoom:.0f}"))

    assert frame.warnings == ()


@pytest.mark.parametrize("bad", ["0", "nan", "-0.1", "1e9", "wide"])
def test_bad_pixel_size_is_noted_and_never_used(bad: str, tmp_path: Path) -> None:
    """The field width says the same and stands in."""
    frame = read(tmp_path, with_line("$CM_PIXEL_SIZE", bad, "newer"))

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "CM_FIELD_OF_VIEW"
    assert f"CM_PIXEL_SIZE = {bad} cannot be true and is not used" in frame.warnings


def test_bad_stage_is_noted_and_never_used(tmp_path: Path) -> None:
    """A stage position of two kilometres would tear the session's map."""
    frame = read(tmp_path, with_line("$CM_STAGE_POS", "2e6 0.7 nan 0 0 0"))

    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.z_um) == (None, None)
    assert frame.stage.y_um == pytest.approx(700)
    assert sum("CM_STAGE_POS" in line for line in frame.warnings) == 2


def test_angles_are_read_in_the_order_that_each_dialect_has(tmp_path: Path) -> None:
    """R comes before Z in the newer text, after it in the older one."""
    turned = replace(SHOT, stage=replace(SHOT.stage, rotation_deg=11.0, tilt_deg=4.5))
    newer = read(tmp_path, jeol_text(turned, "newer"))
    older = read(tmp_path, jeol_text(turned, "older"))

    for frame in (newer, older):
        assert frame.stage is not None
        assert (frame.stage.rotation_deg, frame.stage.tilt_deg) == (11.0, 4.5)
    assert newer.warnings == ()
    assert any("taken for rotation and tilt" in line for line in older.warnings)


@pytest.mark.parametrize(
    ("date", "day", "doubts"),
    [("3/17/2032", 17, 0), ("17/3/2032", 17, 0), ("3/4/2032", 4, 1)],
)
def test_day_and_month_follow_the_numbers_or_are_doubted(
    date: str, day: int, doubts: int, tmp_path: Path
) -> None:
    """The order is that of a PC nobody knows."""
    frame = read(tmp_path, with_line("$CM_DATE", date))

    assert frame.acquired_at is not None
    assert (frame.acquired_at.month, frame.acquired_at.day) == (3, day)
    assert sum("swapped" in line for line in frame.warnings) == doubts


def test_full_size_that_cannot_be_is_not_a_strip(tmp_path: Path) -> None:
    """Rows are masked only where the numbers fit."""
    frame = read(tmp_path, with_line("$CM_FULL_SIZE", f"{_WIDTH} 99999"))

    assert frame.info_bar_rows < _ROWS // 2
    assert any("do not fit" in line for line in frame.warnings)


@pytest.mark.parametrize(
    "text",
    [
        b"$CM_",
        b"$CM_FULL_SIZE 99999999999999999999 1\r\n" * 40_000,
        b"$CM_MAG " + b"9" * 500_000 + b"\r\n",
        b"$SEM_DATA_VERSION 1\r\n" + bytes(range(256)) * 40,
        b"\xff\xfe$\0C\0M\0_\0\x00\xd8\n\0",
    ],
    ids=["cut", "endless", "digits", "bytes", "half a letter"],
)
def test_hostile_text_costs_facts_and_nothing_else(text: bytes, tmp_path: Path) -> None:
    """The image is there and can be registered without a pixel size."""
    path = tmp_path / "a.tif"
    path.write_bytes(encode_jeol(SHOT, noise()))
    path.with_suffix(".txt").write_bytes(text)
    with SourceFile.open(path) as source:
        if not DRIVER.recognises(source):
            return
    frame, planes = read_all(DRIVER, path)

    assert planes[0].shape == frame.shape
    assert all(line.isprintable() for line in frame.warnings)


def test_linked_text_is_not_followed(tmp_path: Path) -> None:
    """A link beside the image may lead anywhere."""
    (tmp_path / "real.txt").write_bytes(jeol_text(SHOT).encode("cp1252"))
    (tmp_path / "a.txt").symlink_to(tmp_path / "real.txt")
    (tmp_path / "a.tif").write_bytes(encode_jeol(SHOT, noise()))
    with SourceFile.open(tmp_path / "a.tif") as source:
        assert not DRIVER.recognises(source)


def test_cut_image_is_refused_in_one_line(tmp_path: Path) -> None:
    """A whole text does not make a whole image."""
    read(tmp_path, jeol_text(SHOT))
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ClemdError) as raised:
        read_all(DRIVER, path)

    assert str(raised.value).isprintable()
