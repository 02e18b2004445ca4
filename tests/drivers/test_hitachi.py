"""Hitachi images: a text in nanometres beside the image, or in one of its tags."""

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
from clemd_drivers.formats.hitachi import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._hitachi import encode_hitachi, hitachi_text
from clemd_drivers.simulated._shots import ElectronShot, Stage

_WIDTH, _ROWS, _BAR, _PIXEL_UM = 320, 240, 30, 0.1984375  # 127 mm / 2000 / 320

SHOT = ElectronShot(
    name="a.tif",
    vendor="hitachi",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=_BAR,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=54_982.0, y_um=-31_007.5, z_um=8000.0),
    acquired_at=datetime(2019, 3, 12, 10, 22, 13, tzinfo=UTC),
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


def read(folder: Path, text: str | bytes, shot: ElectronShot = SHOT) -> Frame:
    """What the driver says of the image with this text beside it."""
    (folder / "a.tif").write_bytes(encode_hitachi(shot, noise()))
    data = text.encode("cp1252") if isinstance(text, str) else text
    (folder / "a.txt").write_bytes(data)
    return read_all(DRIVER, folder / "a.tif")[0]


def with_line(key: str, value: str) -> str:
    """The good text with one value replaced."""
    lines = hitachi_text(SHOT).splitlines(keepends=True)
    assert any(line.startswith(f"{key}=") for line in lines)
    return "".join(
        f"{key}={value}\r\n" if line.startswith(f"{key}=") else line for line in lines
    )


class TestTextBeside(FormatDriverSuite):
    """The contract, on a TIFF with its text."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """A bar below the image."""
        data = encode_hitachi(SHOT, noise())
        path.write_bytes(data)
        text = hitachi_text(replace(SHOT, name=path.name))
        path.with_suffix(".txt").write_bytes(text.encode("utf-16"))
        stored = np.frombuffer(data[-(_ROWS + _BAR) * _WIDTH :], np.uint8)
        return GoodFile(
            path=path,
            planes=(stored.reshape(_ROWS + _BAR, _WIDTH),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(54_982.0, -31_007.5),
            info_bar_rows=_BAR,
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Image and text are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


class TestTextInside(FormatDriverSuite):
    """The contract, on a TIFF that brings its text in a tag."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """No bar; sixteen-bit letters without a mark of their order."""
        text = hitachi_text(replace(SHOT, name=path.name)).encode("utf-16-le")
        bare = replace(SHOT, bar_rows=0)
        path.write_bytes(encode_hitachi(bare, noise(), text=(40_000, text + b"\0\0")))
        return GoodFile(
            path=path,
            planes=(noise(),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(54_982.0, -31_007.5),
        )


def test_known_truth_comes_back(tmp_path: Path) -> None:
    """Sample, signal and time tie the image to its session."""
    frame = read(tmp_path, hitachi_text(SHOT))

    assert frame.warnings == ()
    assert frame.sample == "grid 3"
    assert frame.instrument == "Hitachi SU8230 SIM-01"
    assert frame.acquired_at == SHOT.acquired_at.replace(tzinfo=None)
    assert frame.channels[0].name == "SE(U)"
    assert frame.channels[0].kind is ChannelKind.SE
    assert frame.stage is not None
    assert (frame.stage.rotation_deg, frame.stage.tilt_deg) == (0.0, 0.0)
    assert frame.stage.z_um == pytest.approx(8000)


def test_the_registry_gives_it_to_this_driver(tmp_path: Path) -> None:
    """The plain reader would lose the pixel size."""
    read(tmp_path, hitachi_text(SHOT))
    with SourceFile.open(tmp_path / "a.tif") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "hitachi"


def test_published_header_gives_its_published_size(tmp_path: Path) -> None:
    """An SU8230 at 10 000 x, 1280 px wide, states 9.921875 nm: 127 mm across."""
    text = with_line("PixelSize", "9.921875").replace(
        f"DataSize={_WIDTH}x{_ROWS}", "DataSize=1280x960"
    )
    text = text.replace("Magnification=2000", "Magnification=10000")
    shape = (960, 1280)
    tifffile.imwrite(tmp_path / "a.tif", np.ones(shape, np.uint8), metadata=None)
    (tmp_path / "a.txt").write_bytes(text.encode())
    with SourceFile.open(tmp_path / "a.tif") as source, DRIVER.open(source) as reader:
        size, warnings = reader.frame.pixel_size, reader.frame.warnings

    assert size is not None
    assert size.x_um == pytest.approx(0.009921875)
    assert warnings == ()


def test_oldest_models_state_a_magnification_only(tmp_path: Path) -> None:
    """It refers to a photograph 127 mm wide."""
    frame = read(tmp_path, hitachi_text(SHOT, states_pixel=False))

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "Magnification/DataSize"
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)


def test_transmission_image_is_told_by_its_section(tmp_path: Path) -> None:
    """Nothing else in the text says so."""
    frame = read(tmp_path, hitachi_text(SHOT, kind="Tem"))

    assert frame.modality is Modality.TEM


@pytest.mark.parametrize(
    "charset", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "cp1252", "cp932"]
)
def test_text_of_any_charset_is_read(charset: str, tmp_path: Path) -> None:
    """Japanese and Western PCs write different ones, newer models UTF-16."""
    frame = read(tmp_path, hitachi_text(SHOT).encode(charset))

    assert frame.pixel_size is not None
    assert frame.warnings == ()


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp"])
def test_other_image_files_have_the_text_too(name: str, tmp_path: Path) -> None:
    """The operator chooses the kind of image, the text stays the same."""
    encode = imagecodecs.jpeg8_encode if name == "a.jpg" else imagecodecs.bmp_encode
    (tmp_path / name).write_bytes(encode(noise()))
    (tmp_path / "a.TXT").write_bytes(hitachi_text(SHOT).encode("cp1252"))
    frame, _ = read_all(DRIVER, tmp_path / name)

    assert frame.pixel_size is not None
    assert frame.info_bar_rows == 0
    assert [c.name for c in frame.channels] == ["SE(U)"]


def test_image_that_names_its_maker_but_lost_its_text_says_so(tmp_path: Path) -> None:
    """The text may come a minute later, or never."""
    path = tmp_path / "a.tif"
    tag = (271, 2, 8, b"HITACHI\0", True)
    tifffile.imwrite(path, noise(), metadata=None, extratags=[tag])
    frame, _ = read_all(DRIVER, path)

    assert frame.driver == "hitachi"
    assert frame.pixel_size is None
    assert any("no a.txt beside it" in line for line in frame.warnings)


def test_path_in_the_text_is_compared_and_never_followed(tmp_path: Path) -> None:
    """The text of another image gives another pixel size: a person must know."""
    frame = read(tmp_path, with_line("ImageName", r"..\..\secret\b.tif"))

    assert any("was written for b" in line for line in frame.warnings)


def test_rescaled_image_has_larger_pixels(tmp_path: Path) -> None:
    """Half as many columns as were scanned."""
    tifffile.imwrite(tmp_path / "a.tif", noise()[::2, ::2], metadata=None)
    (tmp_path / "a.txt").write_bytes(hitachi_text(SHOT).encode("cp1252"))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(2 * _PIXEL_UM)
    assert frame.warnings == ()


def test_pixel_size_that_contradicts_the_magnification_is_doubted(
    tmp_path: Path,
) -> None:
    """A person must know, and the search must look wider."""
    frame = read(tmp_path, with_line("Magnification", "2400"))

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)
    assert frame.pixel_size.relative_sigma == pytest.approx(np.log(1.2))
    assert any("Magnification/DataSize says" in line for line in frame.warnings)


@pytest.mark.parametrize("bad", ["0", "nan", "-9.9", "1e99", "wide"])
def test_bad_pixel_size_is_noted_and_never_used(bad: str, tmp_path: Path) -> None:
    """The magnification says the same and stands in."""
    frame = read(tmp_path, with_line("PixelSize", bad))

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "Magnification/DataSize"
    assert f"PixelSize = {bad} cannot be true and is not used" in frame.warnings


@pytest.mark.parametrize("bad", ["0x0", "320", "320x240x3", "9" * 40 + "x1", "-1x2"])
def test_bad_data_size_is_noted_and_never_used(bad: str, tmp_path: Path) -> None:
    """Rows are masked only where the numbers fit."""
    frame = read(tmp_path, with_line("DataSize", bad))

    assert any(line.startswith("DataSize = ") for line in frame.warnings)
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)


@pytest.mark.parametrize("size", ["1x1", "320x99", "3200x240", "64000x48000"])
def test_size_of_another_image_changes_nothing(size: str, tmp_path: Path) -> None:
    """Pixels would be ten times too large, or half of the image be masked."""
    frame = read(tmp_path, with_line("DataSize", size))

    assert any("do not fit an image of" in line for line in frame.warnings)
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)
    assert frame.info_bar_rows <= _BAR


def test_bad_stage_is_noted_and_never_used(tmp_path: Path) -> None:
    """A stage position of two kilometres would tear the session's map."""
    frame = read(tmp_path, with_line("StagePositionX", "2000000000000"))

    assert frame.stage is not None
    assert frame.stage.x_um is None
    assert frame.stage.y_um == pytest.approx(-31_007.5)
    assert any(line.startswith("StagePositionX = ") for line in frame.warnings)


def test_angle_of_unknown_unit_is_kept_as_text_only(tmp_path: Path) -> None:
    """A rotation that is wrong by a factor is worse than none."""
    frame = read(tmp_path, with_line("StagePositionR", "900"))

    assert frame.stage is not None
    assert (frame.stage.rotation_deg, frame.stage.tilt_deg) == (None, 0.0)
    assert frame.extra["StagePositionR"] == "900"
    assert any("unknown unit" in line for line in frame.warnings)


@pytest.mark.parametrize(
    "text",
    [
        b"[SemImageFile]",
        b"[SemImageFile]\r\n" + b"DataSize=1x1\r\n" * 70_000,
        b"[SemImageFile]\r\nMagnification=" + b"9" * 500_000 + b"\r\n",
        b"[SemImageFile]\r\n" + bytes(range(256)) * 40,
        "[SemImageFile]\r\nDataSize=3".encode("utf-16")[:-1],
    ],
    ids=["cut", "endless", "digits", "bytes", "half a letter"],
)
def test_hostile_text_costs_facts_and_nothing_else(text: bytes, tmp_path: Path) -> None:
    """The image is there and can be registered without a pixel size."""
    path = tmp_path / "a.tif"
    path.write_bytes(encode_hitachi(SHOT, noise()))
    path.with_suffix(".txt").write_bytes(text)
    with SourceFile.open(path) as source:
        if not DRIVER.recognises(source):
            return
    frame, planes = read_all(DRIVER, path)

    assert planes[0].shape == frame.shape
    assert all(line.isprintable() for line in frame.warnings)


def test_cut_image_is_refused_in_one_line(tmp_path: Path) -> None:
    """A whole text does not make a whole image."""
    read(tmp_path, hitachi_text(SHOT))
    path = tmp_path / "a.tif"
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(ClemdError) as raised:
        read_all(DRIVER, path)

    assert str(raised.value).isprintable()
