"""Odemis files: spectra, scans, and what shows no specimen."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.delmic import DRIVER
from clemd_drivers.simulated._odemis import OdemisImage, encode_odemis

pytest.importorskip("h5py")
REAL = Path(__file__).parents[3] / "shared/data/hyperspectral/delmic"
AXIS = [400.0, 402.5, 406.0, 410.0, 415.5, 421.0]


def noise(*shape: int, seed: int = 3) -> np.ndarray:
    """Samples without a zero."""
    return np.random.default_rng(seed).integers(1, 60_000, shape, dtype=np.uint16)


CUBE = OdemisImage(
    pixels=noise(len(AXIS), 40, 52),
    title="Spectrum with VisNIR Spectrometer",
    pixel_um=0.96,
    centre_um=(-0.4, 0.36),
    wavelengths_nm=AXIS,
)
SURVEY = OdemisImage(pixels=noise(128, 160), pixel_um=0.5)


def read(folder: Path, *images: OdemisImage) -> tuple[Frame, list[np.ndarray]]:
    """What stands for a file of these acquisitions."""
    (folder / "a.h5").write_bytes(encode_odemis(images))
    return read_all(DRIVER, folder / "a.h5")


class DelmicSuite(FormatDriverSuite):
    """The contract."""

    driver = DRIVER
    storage: dict[str, Any]

    def write_good(self, path: Path) -> GoodFile:
        """A survey, and a cube inside of it."""
        cube = OdemisImage(
            pixels=CUBE.pixels,
            title=CUBE.title,
            pixel_um=CUBE.pixel_um,
            centre_um=CUBE.centre_um,
            wavelengths_nm=AXIS,
            storage=self.storage,
        )
        path.write_bytes(encode_odemis([SURVEY, cube]))
        return GoodFile(
            path=path,
            planes=tuple(CUBE.pixels),
            modality=Modality.HYPERSPECTRAL,
            pixel_size_um=(0.96, 0.96),
            stage_um=(-0.4, 0.36),
        )


class TestPlain(DelmicSuite):
    """Samples in one piece."""

    storage: dict[str, Any] = {}  # noqa: RUF012


class TestCompressed(DelmicSuite):
    """As Odemis writes: chunks, deflated."""

    storage: dict[str, Any] = {  # noqa: RUF012
        "chunks": (3, 1, 1, 20, 26), "compression": "gzip",
    }  # fmt: skip


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_cube_is_told(tmp_path: Path) -> None:
    """Uneven wavelengths are kept as they are: a grating is not linear."""
    frame, _ = read(tmp_path, SURVEY, CUBE)

    assert frame.axis == pytest.approx(AXIS)
    assert frame.axis_unit == "nm"
    assert frame.acquired_at == datetime(2024, 8, 29, 9, 54, 25, 500000, tzinfo=UTC)
    assert frame.extra["detector"] == "simulated detector"
    assert "2 images in the file: number 2" in frame.warnings[0]


def test_the_survey_is_a_frame_of_its_own(tmp_path: Path) -> None:
    """It is what the cube is laid on."""
    (tmp_path / "a.h5").write_bytes(encode_odemis([SURVEY, CUBE]))
    with SourceFile.open(tmp_path / "a.h5") as source:
        assert DRIVER.positions(source) == 2
        with DRIVER.open_at(source, 0) as reader:
            frame, plane = reader.frame, reader.plane(0)

    assert frame.modality is Modality.SEM
    assert frame.channels[0].kind is ChannelKind.SE
    assert frame.axis == ()
    np.testing.assert_array_equal(plane, SURVEY.pixels)


def test_wavelengths_as_start_and_step_are_read(tmp_path: Path) -> None:
    """Older versions fitted a line."""
    even = [500.0 + 2.5 * k for k in range(6)]
    image = OdemisImage(pixels=CUBE.pixels, wavelengths_nm=even, even=True)
    frame, _ = read(tmp_path, image)
    assert frame.axis == pytest.approx(even)


def test_a_cube_without_wavelengths_says_so(tmp_path: Path) -> None:
    """Uncalibrated spectrometers exist; an axis is not made up."""
    frame, planes = read(tmp_path, OdemisImage(pixels=CUBE.pixels, title="Spectrum"))
    assert frame.axis == ()
    assert len(planes) == 6
    assert "no wavelengths" in " ".join(frame.warnings)


def test_pupil_images_are_no_specimen(tmp_path: Path) -> None:
    """An angle-resolved pattern has pixels, but they are angles."""
    pupil = OdemisImage(pixels=noise(256, 256), title="Angle-resolved")
    frame, _ = read(tmp_path, SURVEY, pupil)
    assert frame.shape == (128, 160)
    with pytest.raises(RefusedFileError, match="does not show the specimen"):
        read(tmp_path, pupil)


def positions(path: Path) -> list[tuple[str, str, tuple[int, int]]]:
    """(modality, title, shape) of each image of a file."""
    with SourceFile.open(path) as source:
        frames = []
        for k in range(DRIVER.positions(source)):
            with DRIVER.open_at(source, k) as reader:
                frames.append(reader.frame)
                reader.plane(0)
    return [(f.modality.value, f.extra["title"], f.shape) for f in frames]


def real(name: str) -> Path:
    """A file of an instrument."""
    path = REAL / name
    if not path.exists():
        pytest.skip(f"no {name} here")
    return path


@pytest.mark.real_data
def test_a_real_spectrum_image() -> None:
    """Facts read out of the file by hand."""
    frame, planes = read_all(DRIVER, real("spectrum_fitting.h5"))

    assert frame.shape == (45, 69)
    assert len(planes) == 167
    assert frame.axis[0] == pytest.approx(470.1151, abs=1e-3)
    last = 470.1151 + 166 * 3.3719988
    assert frame.axis[-1] == pytest.approx(last, abs=0.01)
    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(0.03053103, rel=1e-5)
    assert frame.stage is not None
    assert frame.stage.x_um == pytest.approx(-0.38888828, abs=1e-6)
    assert frame.stage.y_um == pytest.approx(0.10275761, abs=1e-6)
    assert frame.acquired_at is not None
    assert frame.acquired_at.year == 2014


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sparc-hyperspectral.h5",
            [
                ("sem", "Secondary electrons survey", (512, 512)),
                ("sem", "Secondary electrons concurrent", (3, 2)),
                ("hyperspectral", "Spectrum with VisNIR Spectrometer", (3, 2)),
            ],
        ),
        (
            "sparc-angle-resolved.h5",
            [
                ("sem", "Secondary electrons survey", (512, 512)),
                ("sem", "Secondary electrons concurrent", (3, 2)),
            ],
        ),
        (
            "sparc-intensity-drift.h5",
            [
                ("sem", "Secondary electrons survey", (128, 128)),
                ("sem", "Secondary electrons concurrent", (10, 16)),
                ("sem", "CL intensity", (10, 16)),
            ],
        ),
    ],
)
def test_real_files_give_their_images(
    name: str, expected: list[tuple[str, str, tuple[int, int]]]
) -> None:
    """Scans and spectra, but no pupil patterns and no anchor regions."""
    assert positions(real(name)) == expected


@pytest.mark.real_data
def test_uneven_wavelengths_of_a_real_file_are_kept() -> None:
    """Some readers fail on them."""
    frame, _ = read_all(DRIVER, real("test_hyperspectral.h5"))
    assert frame.axis[0] == pytest.approx(376.3163, abs=1e-3)
    assert frame.axis[1] == pytest.approx(377.1961, abs=1e-3)
    assert frame.axis[-1] == pytest.approx(820.8825, abs=1e-3)
