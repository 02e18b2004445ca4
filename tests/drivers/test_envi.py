"""ENVI cubes: interleaves, byte orders, and the text that explains the numbers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.envi import DRIVER
from clemd_drivers.simulated._envi import encode_envi, envi_text

BANDS, LINES, SAMPLES = 11, 24, 31
AXIS = [900.0 + 5 * band for band in range(BANDS)]


def cube(dtype: str = "uint16") -> np.ndarray:
    """(bands, lines, samples) without a zero."""
    rng = np.random.default_rng(4)
    return rng.integers(1, 120, (BANDS, LINES, SAMPLES)).astype(dtype)


def write(path: Path, data: np.ndarray, text: str, **form: str) -> None:
    """Numbers and header."""
    path.write_bytes(encode_envi(data, **form))
    path.with_suffix(".hdr").write_text(text, encoding="utf-8")


def read(folder: Path, text: str, data: np.ndarray | None = None) -> Frame:
    """What the driver says of a cube with that header."""
    write(folder / "a.raw", cube() if data is None else data, text)
    return read_all(DRIVER, folder / "a.raw")[0]


class EnviSuite(FormatDriverSuite):
    """The contract, for every form that the numbers can take."""

    driver = DRIVER
    interleave = "bsq"
    order = "<"
    dtype = "uint16"

    def write_good(self, path: Path) -> GoodFile:
        """A cube with wavelengths and a pixel size."""
        data = cube(self.dtype)
        text = envi_text(
            data, AXIS, interleave=self.interleave, order=self.order, pixel_um=6.25
        )
        write(path, data, text, interleave=self.interleave, order=self.order)
        return GoodFile(
            path=path,
            planes=tuple(data),
            modality=Modality.HYPERSPECTRAL,
            pixel_size_um=(6.25, 6.25),
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Numbers and text are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


class TestByBand(EnviSuite):
    """Band after band."""


class TestByLine(EnviSuite):
    """Line after line, and big-endian."""

    interleave, order, dtype = "bil", ">", "int16"


class TestByPixel(EnviSuite):
    """Spectrum after spectrum."""

    interleave, dtype = "bip", "float32"


class TestBigEndianFloats(EnviSuite):
    """As workstations wrote them."""

    interleave, order, dtype = "bip", ">", "float64"


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_cube_is_told(tmp_path: Path) -> None:
    """What pairing and the engine ask for."""
    text = envi_text(cube(), AXIS, unit="Wavenumber (cm-1)", pixel_um=6.25)
    text = text.replace("Wavenumber (cm-1)", "cm-1")
    text += "acquisition time = 2025-03-04T05:06:07Z\nsensor type = Spotlight\n"
    frame = read(tmp_path, text)

    assert frame.axis == tuple(AXIS)
    assert frame.axis_unit == "1/cm"
    assert frame.channels[2].name == "910 1/cm"
    assert frame.channels[2].kind is ChannelKind.SPECTRAL
    assert frame.acquired_at == datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert frame.instrument == "Spotlight"
    assert frame.warnings == ()


@pytest.mark.parametrize("name", ["a.raw.hdr", "a.hdr", "a.HDR"])
def test_the_header_is_found_under_its_names(tmp_path: Path, name: str) -> None:
    """Programs disagree on how to name it."""
    (tmp_path / "a.raw").write_bytes(encode_envi(cube()))
    (tmp_path / name).write_text(envi_text(cube(), AXIS), encoding="utf-8")
    frame, _ = read_all(DRIVER, tmp_path / "a.raw")
    assert len(frame.channels) == BANDS


def test_a_header_of_tescan_is_left_to_tescan(tmp_path: Path) -> None:
    """Both call it .hdr; the content decides."""
    (tmp_path / "a.raw").write_bytes(encode_envi(cube()))
    (tmp_path / "a.hdr").write_text("[MAIN]\nPixelSizeX=1e-9\n", encoding="utf-8")
    with SourceFile.open(tmp_path / "a.raw") as source:
        assert not DRIVER.recognises(source)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ("map info = {Arbitrary, 1, 1, 0, 0, 25, 25, units=Micrometers}", 25.0),
        ("map info = {UTM, 1, 1, 5e5, 4e6, 2e-6, 2e-6, 10, North}", 2.0),
        ("pixel size = {0.5, 0.5, units=mm}", 500.0),
        ("map info = {Lat/Lon, 1, 1, 8, 50, 1e-4, 1e-4, units=Degrees}", None),
    ],
)
def test_pixel_sizes_are_lengths(
    tmp_path: Path, info: str, expected: float | None
) -> None:
    """Degrees on the globe are none."""
    frame = read(tmp_path, f"{envi_text(cube(), AXIS)}{info}\n")
    if expected is None:
        assert frame.pixel_size is None
        assert "is in degrees" in " ".join(frame.warnings)
    else:
        assert frame.pixel_size is not None
        assert frame.pixel_size.x_um == pytest.approx(expected)


def test_what_was_not_measured_is_not_a_number(tmp_path: Path) -> None:
    """A background of -9999 would be the steepest edge of the map."""
    data = cube("float32")
    data[:, :3] = -9999.0
    text = envi_text(data, AXIS) + "data ignore value = -9999\n"
    write(tmp_path / "a.raw", data, text)
    _, planes = read_all(DRIVER, tmp_path / "a.raw")

    assert np.isnan(np.stack(planes)[:, :3]).all()
    np.testing.assert_array_equal(np.stack(planes)[:, 3:], data[:, 3:])


def test_bands_without_wavelengths_are_numbered(tmp_path: Path) -> None:
    """An axis that nobody stated is not made up."""
    frame = read(tmp_path, envi_text(cube(), None))
    assert frame.axis == ()
    assert frame.channels[0].name == "band 1"
    assert "no wavelengths" in " ".join(frame.warnings)

    frame = read(tmp_path, envi_text(cube(), AXIS[:-1]))
    assert frame.axis == ()
    assert "10 wavelengths for 11 bands are not used" in " ".join(frame.warnings)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("data type = 12", "data type = 6"), "complex numbers"),
        (("data type = 12", "data type = 77"), "data type 77"),
        (("interleave = bsq", "interleave = tile"), "interleave of tile"),
        (("bands = 11", "bands = eleven"), "bands = eleven"),
        (("lines = 24", "lines = 0"), "lines = 0"),
    ],
)
def test_a_header_that_cannot_be_is_refused(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    """One line: which entry, and what it says."""
    text = re.sub(r" +=", " =", envi_text(cube(), AXIS))
    assert change[0] in text
    with pytest.raises(RefusedFileError, match=words):
        read(tmp_path, text.replace(*change))


def test_an_offset_is_skipped_and_a_rest_is_told(tmp_path: Path) -> None:
    """Some programs put a header of their own before, and thumbnails after."""
    text = envi_text(cube(), AXIS).replace("header offset = 0", "header offset = 100")
    (tmp_path / "a.raw").write_bytes(b"x" * 100 + encode_envi(cube()) + b"rest")
    (tmp_path / "a.hdr").write_text(text, encoding="utf-8")
    frame, planes = read_all(DRIVER, tmp_path / "a.raw")

    np.testing.assert_array_equal(np.stack(planes), cube())
    assert "4 bytes after the last band are not used" in frame.warnings
