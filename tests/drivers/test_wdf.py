"""Renishaw maps: the order of the points, the white-light image and its place."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.wdf import DRIVER
from clemd_drivers.simulated._wdf import SpectralShot, WhiteShot, encode_wdf

REAL = Path(__file__).parents[3] / "shared/data/hyperspectral"
BANDS, HEIGHT, WIDTH = 12, 9, 14


def cube(seed: int = 1, shape: tuple[int, ...] = (BANDS, HEIGHT, WIDTH)) -> np.ndarray:
    """Counts without a zero."""
    rng = np.random.default_rng(seed)
    return rng.integers(1, 30_000, shape).astype(np.float32)


SHOT = SpectralShot(
    cube=cube(),
    axis=[710.0 + 20 * band for band in range(BANDS)],
    first_um=(-8100.5, 250.0),
    step_um=(2.0, 2.5),
)
WHITE = WhiteShot(
    pixels=np.asarray(
        np.linspace(20, 230, 80)[None, :, None]
        * np.ones((60, 1, 1))
        * np.array([0.4, 1.0, 0.7]),
        np.uint8,
    ),
    corner_um=(-8140.0, 210.0),
    pixel_um=1.25,
)


def white(path: Path) -> tuple[Frame, list[np.ndarray]]:
    """The second image of a file."""
    with SourceFile.open(path) as source, DRIVER.open_at(source, 1) as reader:
        planes = [reader.plane(k) for k in range(len(reader.frame.channels))]
        return reader.frame, planes


class TestWdf(FormatDriverSuite):
    """The contract."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """A map with its white-light image."""
        path.write_bytes(encode_wdf(SHOT, WHITE))
        return GoodFile(
            path=path,
            planes=tuple(SHOT.cube),
            modality=Modality.HYPERSPECTRAL,
            pixel_size_um=(2.0, 2.5),
            stage_um=(-8100.5 + 13.0, 250.0 + 10.0),
        )


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_map_is_told(tmp_path: Path) -> None:
    """What pairing, the engine and the page ask for."""
    (tmp_path / "a.wdf").write_bytes(encode_wdf(SHOT, WHITE))
    frame, _ = read_all(DRIVER, tmp_path / "a.wdf")

    assert frame.axis == tuple(SHOT.axis)
    assert frame.axis_unit == "1/cm"
    assert frame.channels[0].name == "710 1/cm"
    assert {channel.kind for channel in frame.channels} == {ChannelKind.SPECTRAL}
    assert frame.acquired_at == SHOT.started_at
    assert frame.extra["title"] == "polymer 1"
    assert float(frame.extra["laser_nm"]) == pytest.approx(785.0)
    assert frame.warnings == ("the map is used; the white-light image is image 2",)


def test_the_white_light_image_is_a_frame_of_its_own(tmp_path: Path) -> None:
    """It is the guide that the map is laid on."""
    (tmp_path / "a.wdf").write_bytes(encode_wdf(SHOT, WHITE))
    frame, planes = white(tmp_path / "a.wdf")

    assert frame.modality is Modality.WIDEFIELD
    assert frame.shape == (60, 80)
    assert [channel.name for channel in frame.channels] == ["red", "green", "blue"]
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(1.25)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == pytest.approx((-8090.0, 247.5))
    gap = np.abs(np.stack(planes, 2).astype(int) - WHITE.pixels).mean()
    assert gap < 3, "JPEG loses little of smooth colours"


def test_both_images_name_one_plane(tmp_path: Path) -> None:
    """Their places can be compared only because one stage stated both."""
    (tmp_path / "a.wdf").write_bytes(encode_wdf(SHOT, WHITE))
    map_frame, _ = read_all(DRIVER, tmp_path / "a.wdf")
    white_frame, _ = white(tmp_path / "a.wdf")

    assert map_frame.ids == white_frame.ids
    assert map_frame.ids["plane"].endswith("y down")


@pytest.mark.parametrize("columns_first", [False, True])
@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("with_places", [False, True])
def test_the_order_of_the_scan_does_not_show(
    tmp_path: Path, columns_first: bool, snake: bool, with_places: bool
) -> None:
    """Rows, columns, there and back: the map is the same."""
    shot = replace(
        SHOT, columns_first=columns_first, snake=snake, with_places=with_places
    )
    (tmp_path / "a.wdf").write_bytes(encode_wdf(shot))
    frame, planes = read_all(DRIVER, tmp_path / "a.wdf")

    np.testing.assert_array_equal(np.stack(planes), SHOT.cube)
    assert bool(frame.warnings) is not with_places


def test_a_map_scanned_upwards_is_turned(tmp_path: Path) -> None:
    """Rows are stored as the stage went; the image follows the stage's axes."""
    shot = replace(SHOT, first_um=(-8100.5, 270.0), step_um=(2.0, -2.5))
    (tmp_path / "a.wdf").write_bytes(encode_wdf(shot))
    frame, planes = read_all(DRIVER, tmp_path / "a.wdf")

    np.testing.assert_array_equal(np.stack(planes), SHOT.cube[:, ::-1])
    assert frame.stage is not None
    assert frame.stage.y_um == pytest.approx(260.0)
    assert frame.pixel_size is not None
    assert frame.pixel_size.y_um == pytest.approx(2.5)


def test_a_stopped_map_has_points_without_a_spectrum(tmp_path: Path) -> None:
    """What was not measured is not a number, not black."""
    (tmp_path / "a.wdf").write_bytes(encode_wdf(replace(SHOT, taken=100)))
    frame, planes = read_all(DRIVER, tmp_path / "a.wdf")

    flat = np.stack(planes).reshape(BANDS, -1)
    assert np.isfinite(flat[:, :100]).all()
    assert np.isnan(flat[:, 100:]).all()
    assert "26 of 126 points were not measured: not a number" in frame.warnings


def test_a_thousand_and_more_bands_are_averaged(tmp_path: Path) -> None:
    """A frame holds at most a thousand channels; nothing is left out."""
    many = cube(3, (2101, 3, 4))
    shot = replace(SHOT, cube=many, axis=[float(k) for k in range(2101)])
    (tmp_path / "a.wdf").write_bytes(encode_wdf(shot))
    frame, planes = read_all(DRIVER, tmp_path / "a.wdf")

    assert len(planes) == len(frame.axis) == 701
    np.testing.assert_allclose(planes[1], many[3:6].mean(0), rtol=1e-6)
    assert frame.axis[1] == pytest.approx(4.0)
    assert frame.axis[-1] == pytest.approx(2100.0)
    assert "averaged in groups of 3" in " ".join(frame.warnings)


def test_nanometres_are_told_from_wavenumbers(tmp_path: Path) -> None:
    """Photoluminescence maps are in nm."""
    (tmp_path / "a.wdf").write_bytes(encode_wdf(replace(SHOT, unit=3)))
    frame, _ = read_all(DRIVER, tmp_path / "a.wdf")
    assert frame.axis_unit == "nm"


def changed(data: bytes, at: int, form: str, *values: Any) -> bytes:
    """The file with some numbers of it replaced."""
    raw = bytearray(data)
    struct.pack_into(form, raw, at, *values)
    return bytes(raw)


def test_spectra_off_the_grid_are_refused(tmp_path: Path) -> None:
    """Single points chosen by hand are no image."""
    data = encode_wdf(SHOT)
    at = data.index(b"WMAP") + 16
    (tmp_path / "a.wdf").write_bytes(changed(data, at, "<I", 1))
    with pytest.raises(RefusedFileError, match="not on a grid"):
        read_all(DRIVER, tmp_path / "a.wdf")

    at = data.index(b"ORGN") + 16 + 4 + 24
    (tmp_path / "a.wdf").write_bytes(changed(data, at, "<d", -8099.7))
    with pytest.raises(RefusedFileError, match="do not lie on the map's grid"):
        read_all(DRIVER, tmp_path / "a.wdf")


def test_a_map_without_its_area_is_still_being_written(tmp_path: Path) -> None:
    """WiRE writes the area after the spectra: wait for it."""
    data = encode_wdf(SHOT)
    (tmp_path / "a.wdf").write_bytes(data[: data.index(b"WMAP")])
    with pytest.raises(IncompleteFileError, match="the area of the map"):
        read_all(DRIVER, tmp_path / "a.wdf")


def test_single_spectra_are_refused_in_words(tmp_path: Path) -> None:
    """Not every WDF file is a map."""
    (tmp_path / "a.wdf").write_bytes(changed(encode_wdf(SHOT), 0x84, "<I", 1))
    with pytest.raises(RefusedFileError, match="single spectra"):
        read_all(DRIVER, tmp_path / "a.wdf")


@pytest.mark.real_data
def test_a_real_map_of_wavelengths() -> None:
    """Numbers read out of the file's bytes by hand."""
    path = REAL / "renishaw_test_map2.wdf"
    if not path.exists():
        pytest.skip(f"no {path.name} here")
    frame, planes = read_all(DRIVER, path)

    assert frame.shape == (20, 20)
    assert len(planes) == 1015
    assert frame.axis_unit == "nm"
    assert frame.pixel_size is not None
    assert (frame.pixel_size.x_um, frame.pixel_size.y_um) == (1.0, 1.0)
    assert frame.stage is not None
    assert frame.stage.x_um == pytest.approx(4960.3, abs=0.01)
    assert frame.stage.y_um == pytest.approx(-105960.8, abs=0.01)
    assert frame.acquired_at == datetime(2022, 2, 4, 16, 16, 43, 667718, tzinfo=UTC)
    assert float(frame.extra["laser_nm"]) == pytest.approx(325.0, abs=0.01)

    guide, colours = white(path)
    assert guide.shape == (480, 752)
    assert guide.pixel_size is not None
    assert guide.pixel_size.x_um == pytest.approx(606.4 / 752)
    assert guide.pixel_size.y_um == pytest.approx(384.067 / 480)
    assert guide.stage is not None
    assert guide.stage.x_um == pytest.approx(4652.362 + 303.2, abs=0.01)
    assert guide.stage.y_um == pytest.approx(-106155.134 + 192.0335, abs=0.01)
    assert colours[1].mean() > colours[2].mean(), "it is green"


@pytest.mark.real_data
def test_a_real_line_focus_map() -> None:
    """Columns first, and lit by a line: 49 points in one go."""
    path = REAL / "renishaw_test_streamline.wdf"
    if not path.exists():
        pytest.skip(f"no {path.name} here")
    frame, planes = read_all(DRIVER, path)

    assert frame.shape == (49, 45)
    assert len(planes) == 394
    assert frame.axis_unit == "1/cm"
    assert max(frame.axis) == pytest.approx(1667.694, abs=0.01)
    assert min(frame.axis) == pytest.approx(924.195, abs=0.01)
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(2.6)
    assert frame.stage is not None
    assert frame.stage.x_um == pytest.approx(-8100.3 + 22 * 2.6, abs=0.01)
    assert frame.stage.y_um == pytest.approx(-1201.3 + 24 * 2.6, abs=0.01)
    total = np.sum(planes, axis=0)
    brightest = np.unravel_index(int(total.argmax()), total.shape)
    assert brightest[1] == 28, "a bar, seen in a picture of the map"
    assert 7 <= brightest[0] <= 20
