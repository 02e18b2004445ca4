"""SER files: a series with its offsets, and documents in the `.emi` beside it."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.driver_api import load_drivers
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.ser import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._ser import emi_bytes, encode_ser
from clemd_drivers.simulated._shots import ElectronShot, Stage

_ROWS, _WIDTH, _PIXEL_UM = 96, 128, 0.0042

SHOT = ElectronShot(
    name="grid_1.ser",
    vendor="ser",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=0,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=-312.5, y_um=87.25, z_um=-40.0, tilt_deg=-2.5),
    acquired_at=datetime(2011, 11, 7, 13, 42, 14, tzinfo=UTC),
    sample="grid 3",
    habit="plain",
    invert=False,
    sixteen_bit=True,
    elsewhere=False,
    seed=1,
)


def noise(dtype: str = "uint16", images: int | None = None) -> np.ndarray:
    """Samples without a zero."""
    shape = (_ROWS, _WIDTH) if images is None else (images, _ROWS, _WIDTH)
    return np.random.default_rng(2).integers(1, 120, shape).astype(dtype)


def read(
    folder: Path, data: bytes, emi: bytes | None = None, name: str = "grid_1.ser"
) -> tuple[Frame, list[np.ndarray]]:
    """What the driver says of these bytes with this `.emi` beside them."""
    (folder / name).write_bytes(data)
    if emi is not None:
        (folder / "grid.emi").write_bytes(emi)
    return read_all(DRIVER, folder / name)


class SerSuite(FormatDriverSuite):
    """The contract."""

    driver = DRIVER
    dtype: str
    wide = True

    def write_good(self, path: Path) -> GoodFile:
        """One image with its `.emi`."""
        pixels = noise(self.dtype)
        path.write_bytes(encode_ser(SHOT, pixels, wide=self.wide))
        path.with_suffix(".emi").write_bytes(emi_bytes(SHOT))
        return GoodFile(
            path=path,
            planes=(pixels,),
            modality=Modality.TEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(-312.5, 87.25),
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Image and `.emi` are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


class TestWide(SerSuite):
    """Offsets of 64 bits."""

    dtype = "uint16"


class TestNarrow(SerSuite):
    """Offsets of 32 bits, as older versions wrote."""

    dtype = "int32"
    wide = False


class TestFloats(SerSuite):
    """As processed images are stored."""

    dtype = "float32"


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_image_is_told(tmp_path: Path) -> None:
    """What pairing and the page ask for."""
    frame, _ = read(tmp_path, encode_ser(SHOT, noise()), emi_bytes(SHOT))

    assert frame.acquired_at == datetime(2011, 11, 7, 13, 42, 14)  # noqa: DTZ001
    assert frame.stage is not None
    assert (frame.stage.z_um, frame.stage.tilt_deg) == (-40.0, -2.5)
    assert frame.instrument == "FEI Simulated Tecnai"
    assert frame.channels[0].kind is ChannelKind.TRANSMITTED
    assert frame.extra["magnification"] == "20000"
    assert frame.warnings == ()


def test_first_row_of_the_image_is_the_last_of_the_file(tmp_path: Path) -> None:
    """The program counts rows from below and shows them the right way up."""
    pixels = noise("uint8")
    data = encode_ser(SHOT, pixels)
    _, planes = read(tmp_path, data)

    assert data.index(pixels[-1].tobytes()) < data.index(pixels[0].tobytes())
    np.testing.assert_array_equal(planes[0], pixels)


def test_series_alone_knows_size_and_time(tmp_path: Path) -> None:
    """The tag of each image counts seconds since 1970."""
    frame, _ = read(tmp_path, encode_ser(SHOT, noise()))

    assert frame.acquired_at == SHOT.acquired_at
    assert frame.stage is None
    assert frame.warnings == (
        "no grid.emi beside it: stage and microscope are not known",
    )


def test_each_series_has_its_own_document(tmp_path: Path) -> None:
    """Two detectors: `grid_1.ser` and `grid_2.ser`, one `.emi`."""
    emi = emi_bytes(SHOT, [{"Stage X": ("1", "um")}, {"Stage X": ("2", "mm")}])
    frame, _ = read(tmp_path, encode_ser(SHOT, noise()), emi, "grid_2.ser")

    assert frame.stage is not None
    assert frame.stage.x_um == 2000.0


@pytest.mark.parametrize(
    ("emi", "said"),
    [
        (b"nothing of interest", "describes no image"),
        (b"<ObjectInfo><Data></ObjectInfo>", "cannot be parsed"),
        (b"<ObjectInfo>&boom;</ObjectInfo>", "cannot be parsed"),
        (b"<ObjectInfo>" + b"<a>" * 999 + b"</ObjectInfo>", "cannot be parsed"),
        (emi_bytes(SHOT, [{"Stage X": ("5", "furlong")}]), "is no length"),
        (emi_bytes(SHOT, [{"Stage X": ("1e30", "um")}]), "cannot be true"),
        (emi_bytes(SHOT).replace(b"2011</Acq", b"MMXI</Acq"), "is not understood"),
    ],
)
def test_document_that_makes_no_sense_is_told(
    emi: bytes, said: str, tmp_path: Path
) -> None:
    """The pixels are good all the same."""
    frame, _ = read(tmp_path, encode_ser(SHOT, noise()), emi)

    assert any(said in line for line in frame.warnings)


def test_last_written_image_of_a_series_is_used(tmp_path: Path) -> None:
    """A series that was stopped has fewer images than were planned."""
    pixels = noise(images=3)
    frame, planes = read(tmp_path, encode_ser(SHOT, pixels, planned=5))

    np.testing.assert_array_equal(planes[0], pixels[2])
    assert "time point 3 of 5" in frame.warnings


def test_step_that_cannot_be_true_is_not_used(tmp_path: Path) -> None:
    """Uncalibrated images have steps of one metre."""
    frame, _ = read(tmp_path, encode_ser(replace(SHOT, metadata_pixel_um=1e6), noise()))

    assert frame.pixel_size is None
    assert any("CalibrationDeltaX" in line for line in frame.warnings)


def patched(at: int, form: str, *values: int) -> bytes:
    """The good file with header fields replaced."""
    data = bytearray(encode_ser(SHOT, noise()))
    struct.pack_into(form, data, at, *values)
    return bytes(data)


_OFFSETS_AT = struct.unpack_from("<q", encode_ser(SHOT, noise()), 22)[0]
_FIRST_AT = struct.unpack_from("<q", encode_ser(SHOT, noise()), _OFFSETS_AT)[0]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (encode_ser(SHOT, noise(), kind=0x4120), "a series of spectra"),
        (encode_ser(SHOT, noise(images=4), n_dimensions=2), "a map of 4 images"),
        (encode_ser(replace(SHOT, metadata_pixel_um=1e13), noise()), "diffraction"),
        (patched(14, "<ii", 2**31 - 1, 2**31 - 1), "in the series"),
        (patched(14, "<ii", -5, 1), "in the series"),
        (patched(22, "<q", 2**62), "the SER offsets"),
        (patched(22, "<q", -8), "the SER offsets"),
        (patched(_OFFSETS_AT, "<q", 2**62), "an image"),
        (patched(_OFFSETS_AT, "<q", -1), "an image"),
        (patched(_FIRST_AT + 40, "<Hii", 2, 2**31 - 1, 2**31 - 1), "2147483647 px"),
        (patched(_FIRST_AT + 40, "<Hii", 2, 1 << 20, 1 << 20), "bytes"),
        (patched(_FIRST_AT + 40, "<Hii", 9, 4, 4), "SER type 9"),
    ],
    ids=range(12),
)
def test_hostile_or_other_content_is_refused_at_once(
    data: bytes, said: str, tmp_path: Path
) -> None:
    """One line, and no memory asked for."""
    started = time.perf_counter()
    with pytest.raises((RefusedFileError, IncompleteFileError)) as refused:
        read(tmp_path, data)

    assert said in str(refused.value)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    "data",
    [
        patched(18, "<i", 0),
        patched(_OFFSETS_AT, "<q", 0),
        patched(_FIRST_AT + 40, "<Hii", 0, 0, 0),
    ],
    ids=["no image", "no offset", "no size"],
)
def test_reserved_space_is_waited_for(data: bytes, tmp_path: Path) -> None:
    """The program fills these in when the image is there."""
    with pytest.raises(IncompleteFileError):
        read(tmp_path, data)


def test_tag_that_makes_no_sense_gives_no_time(tmp_path: Path) -> None:
    """A pixel value is no second."""
    data = patched(_OFFSETS_AT + 8, "<q", _FIRST_AT)
    frame, _ = read(tmp_path, data)

    assert frame.acquired_at is None
