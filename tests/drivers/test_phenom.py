"""Phenom images: one XML, in a tag or behind a JPEG, each length with its unit."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import imagecodecs
import numpy as np
import pytest

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import ClemdError, IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.phenom import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._phenom import (
    encode_phenom,
    encode_phenom_jpeg,
    phenom_xml,
)
from clemd_drivers.simulated._shots import ElectronShot, Stage

_WIDTH, _ROWS, _BAR, _PIXEL_UM = 320, 240, 32, 0.694952

SHOT = ElectronShot(
    name="a.tiff",
    vendor="phenom",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=_BAR,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=1251.5, y_um=-3070.25),
    acquired_at=datetime(2024, 3, 12, 10, 22, 13, tzinfo=UTC),
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


def read(path: Path, old: str = "", new: str = "") -> Frame:
    """What the driver says after one replacement in the JPEG's XML."""
    data = encode_phenom_jpeg(SHOT, noise())
    assert not old or data.count(old.encode()) == 1
    path.write_bytes(data.replace(old.encode(), new.encode()) if old else data)
    return read_all(DRIVER, path)[0]


class TestPhenomTiff(FormatDriverSuite):
    """The contract, on a TIFF."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """The tag that Titans have too."""
        data = encode_phenom(SHOT, noise())
        path.write_bytes(data)
        stored = np.frombuffer(data[-(_ROWS + _BAR) * _WIDTH :], np.uint8)
        return GoodFile(
            path=path,
            planes=(stored.reshape(_ROWS + _BAR, _WIDTH),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(1251.5, -3070.25),
            info_bar_rows=_BAR,
        )


class TestPhenomJpeg(FormatDriverSuite):
    """The contract, on a JPEG with its XML behind it."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """What the decoder gives is what was written: JPEG loses on the way in."""
        data = encode_phenom_jpeg(SHOT, noise())
        path.write_bytes(data)
        return GoodFile(
            path=path,
            planes=(imagecodecs.jpeg8_decode(data),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(1251.5, -3070.25),
            info_bar_rows=_BAR,
        )


def test_known_truth_comes_back(tmp_path: Path) -> None:
    """Label, detector and time tie the image to its session."""
    frame = read(tmp_path / "a.jpg")

    assert frame.warnings == ()
    assert frame.sample == "grid 3"
    assert frame.instrument == "Thermo Fisher G4 Phenom ProX"
    assert frame.acquired_at == SHOT.acquired_at.replace(tzinfo=None)
    assert frame.channels[0].kind is ChannelKind.BSE
    assert frame.extra["highVoltage"] == "-10000 V"


def test_the_registry_gives_it_to_this_driver(tmp_path: Path) -> None:
    """The driver of the maker's large microscopes takes the same tag."""
    (tmp_path / "a.tiff").write_bytes(encode_phenom(SHOT, noise()))
    with SourceFile.open(tmp_path / "a.tiff") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "phenom"


def test_xml_of_other_microscopes_is_left_alone(tmp_path: Path) -> None:
    """A Titan's <Metadata> is the thermo driver's."""
    data = encode_phenom(SHOT, noise())
    data = data.replace(b"<FeiImage", b"<Metadata").replace(
        b"</FeiImage", b"</Metadata"
    )
    (tmp_path / "a.tiff").write_bytes(data)
    with SourceFile.open(tmp_path / "a.tiff") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "thermo"


def test_published_fragment_is_understood(tmp_path: Path) -> None:
    """What two public programs agree on: pixel size in µm and rows of the bar."""
    picture = bytes(imagecodecs.jpeg8_encode(noise()))
    (tmp_path / "a.jpg").write_bytes(
        picture + b'<?xml version="1.0"?><FeiImage><databarHeight>64</databarHeight>'
        b'<pixelWidth unit="um">0.694952</pixelWidth>'
        b"<instrument><edition>G4 Phenom ProX</edition></instrument></FeiImage>"
    )
    frame, _ = read_all(DRIVER, tmp_path / "a.jpg")

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == frame.pixel_size.y_um == pytest.approx(0.694952)
    assert frame.info_bar_rows == 64
    assert frame.stage is None


@pytest.mark.parametrize(
    ("unit", "size_um"), [("um", 694.952), ("pm", 0.000694952), ("µm", 694.952)]
)
def test_unit_of_the_pixel_size_is_honoured(
    unit: str, size_um: float, tmp_path: Path
) -> None:
    """Versions differ by a factor of a thousand."""
    frame = read(
        tmp_path / "a.jpg", '<pixelWidth unit="nm">', f'<pixelWidth unit="{unit}">'
    )

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(size_um)


@pytest.mark.parametrize("unit", ['unit="px"', 'unit=""', ""])
def test_pixel_size_without_a_unit_is_noted_and_never_used(
    unit: str, tmp_path: Path
) -> None:
    """The height has a unit and stands in."""
    frame = read(tmp_path / "a.jpg", '<pixelWidth unit="nm">', f"<pixelWidth {unit}>")

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "pixelHeight"
    assert any(line.startswith("pixelWidth in ") for line in frame.warnings)


@pytest.mark.parametrize("bad", ["0", "nan", "-9.9", "1e99", "wide"])
def test_bad_pixel_size_is_noted_and_never_used(bad: str, tmp_path: Path) -> None:
    """Square pixels: the height stands in."""
    frame = read(
        tmp_path / "a.jpg",
        '<pixelWidth unit="nm">694.952<',
        f'<pixelWidth unit="nm">{bad}<',
    )

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "pixelHeight"
    assert f"pixelWidth = {bad} cannot be true and is not used" in frame.warnings


def test_bad_stage_is_noted_and_never_used(tmp_path: Path) -> None:
    """A stage position of two kilometres would tear the session's map."""
    frame = read(tmp_path / "a.jpg", '<x unit="um">1251.500', '<x unit="m">2000')

    assert frame.stage is not None
    assert frame.stage.x_um is None
    assert frame.stage.y_um == pytest.approx(-3070.25)
    assert any(line.startswith("position x = 2000") for line in frame.warnings)


def test_bar_heights_that_disagree_are_reported(tmp_path: Path) -> None:
    """The rows of the file decide."""
    frame = read(tmp_path / "a.jpg", "<databarHeight>32<", "<databarHeight>64<")

    assert frame.info_bar_rows == _BAR
    assert "info bar is 32 rows high, the metadata say 64" in frame.warnings


def test_angles_count_only_with_their_unit(tmp_path: Path) -> None:
    """Three of what?"""
    old = "</samplePosition>"
    axes = '<multiStage><axis id="R" unit="rad">1</axis><axis id="T">3</axis>'
    frame = read(tmp_path / "a.jpg", old, f"{old}{axes}</multiStage>")

    assert frame.stage is not None
    assert frame.stage.rotation_deg == pytest.approx(57.29578)
    assert frame.stage.tilt_deg is None
    assert "stage tilt in no unit is not used" in frame.warnings


def test_xml_that_is_still_being_appended_is_waited_for(tmp_path: Path) -> None:
    """The picture is whole, the facts are not."""
    data = encode_phenom_jpeg(SHOT, noise())
    (tmp_path / "a.jpg").write_bytes(data[:-100])
    with pytest.raises(IncompleteFileError, match="no end yet"):
        read_all(DRIVER, tmp_path / "a.jpg")


def with_inner(path: Path, inner: str) -> Path:
    """The JPEG with something put into its XML."""
    data = encode_phenom_jpeg(SHOT, noise())
    at = data.index(b"<databarLabel>")
    path.write_bytes(data[:at] + inner.encode() + data[at:])
    return path


@pytest.mark.parametrize("inner", ["<pixelWidth>", "\x07\x00\x1b", "&lol;", "\ufffe"])
def test_broken_xml_costs_facts_and_nothing_else(inner: str, tmp_path: Path) -> None:
    """The image is there and can be registered without a pixel size."""
    frame, _ = read_all(DRIVER, with_inner(tmp_path / "a.jpg", inner))

    assert frame.pixel_size is None
    assert "the Phenom XML metadata cannot be parsed" in frame.warnings


def test_xml_that_nests_without_end_is_refused_in_one_line(tmp_path: Path) -> None:
    """No microscope writes that."""
    path = with_inner(tmp_path / "a.jpg", "<a>" * 200 + "</a>" * 200)
    with pytest.raises(RefusedFileError, match="nest too deep") as raised:
        read_all(DRIVER, path)

    assert str(raised.value).isprintable()


def test_entities_in_a_tag_are_refused_in_one_line(tmp_path: Path) -> None:
    """A billion laughs fit into a kilobyte."""
    xml = phenom_xml(SHOT)
    start = xml.index("?>") + 2
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">]>'
    data = encode_phenom(SHOT, noise())
    hurt = (xml[:start] + bomb + xml[start:]).encode()
    size = len(xml.encode())
    data = data.replace(xml.encode(), hurt[:size])
    (tmp_path / "a.tiff").write_bytes(data)
    with pytest.raises(ClemdError, match="document type") as raised:
        read_all(DRIVER, tmp_path / "a.tiff")

    assert str(raised.value).isprintable()
