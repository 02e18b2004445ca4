"""MRC files: a kilobyte of header, stacks and montages, SerialEM's text beside."""

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
from clemd_drivers.formats.mrc import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._mrc import encode_mrc, mdoc_text, thermo_behind
from clemd_drivers.simulated._shots import ElectronShot, Stage

_ROWS, _WIDTH, _PIXEL_UM = 120, 160, 0.0123

SHOT = ElectronShot(
    name="grid.mrc",
    vendor="mrc",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=0,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=-312.5, y_um=87.25, z_um=-40.0, tilt_deg=-2.5),
    acquired_at=datetime(2025, 11, 7, 13, 42, 14, tzinfo=UTC),
    sample="grid 3",
    habit="plain",
    invert=False,
    sixteen_bit=True,
    elsewhere=False,
    seed=1,
)


def noise(dtype: str = "int16", sections: int | None = None) -> np.ndarray:
    """Samples without a zero."""
    shape = (_ROWS, _WIDTH) if sections is None else (sections, _ROWS, _WIDTH)
    return np.random.default_rng(2).integers(1, 120, shape).astype(dtype)


def read(
    folder: Path, data: bytes, text: str | None = None
) -> tuple[Frame, list[np.ndarray]]:
    """What the driver says of these bytes with this text beside them."""
    (folder / "grid.mrc").write_bytes(data)
    if text is not None:
        (folder / "grid.mrc.mdoc").write_text(text)
    return read_all(DRIVER, folder / "grid.mrc")


class MrcSuite(FormatDriverSuite):
    """The contract."""

    driver = DRIVER
    dtype: str
    little = True

    def write_good(self, path: Path) -> GoodFile:
        """One section with the text of SerialEM."""
        pixels = noise(self.dtype)
        path.write_bytes(encode_mrc(pixels, _PIXEL_UM, little=self.little))
        path.with_name(path.name + ".mdoc").write_text(mdoc_text(SHOT))
        return GoodFile(
            path=path,
            planes=(pixels,),
            modality=Modality.TEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(-312.5, 87.25),
        )

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Image and text are one unit; neither is touched."""
        before = {p: p.read_bytes() for p in good.path.parent.iterdir()}
        read_all(self.driver, good.path)

        assert {p: p.read_bytes() for p in good.path.parent.iterdir()} == before
        assert len(before) == 2


class TestIntegers(MrcSuite):
    """As most cameras deliver."""

    dtype = "int16"


class TestFloats(MrcSuite):
    """As averages are stored."""

    dtype = "float32"


class TestBytes(MrcSuite):
    """Unsigned by IMOD's flag."""

    dtype = "uint8"


class TestBigEndian(MrcSuite):
    """As another machine wrote it."""

    dtype = "uint16"
    little = False


class TestWithoutText(FormatDriverSuite):
    """Thermo Fisher puts the facts behind the header."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """One section with its record."""
        pixels = noise("uint16")
        behind = thermo_behind(SHOT)
        path.write_bytes(
            encode_mrc(pixels, _PIXEL_UM, kind_behind=b"FEI1", behind=behind, labels=())
        )
        return GoodFile(
            path=path,
            planes=(pixels,),
            modality=Modality.TEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(-312.5, 87.25),
        )


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_image_is_told(tmp_path: Path) -> None:
    """What pairing and the page ask for."""
    frame, _ = read(tmp_path, encode_mrc(noise(), _PIXEL_UM), mdoc_text(SHOT))

    assert frame.acquired_at == datetime(2025, 11, 7, 13, 42, 14)  # noqa: DTZ001
    assert frame.stage is not None
    assert (frame.stage.z_um, frame.stage.tilt_deg) == (-40.0, -2.5)
    assert frame.instrument == "Simulated TEM"
    assert frame.channels[0].kind is ChannelKind.TRANSMITTED
    assert frame.extra["RotationAngle"] == "175.3"
    assert frame.warnings == ()


def test_first_row_of_the_image_is_the_last_of_the_file(tmp_path: Path) -> None:
    """The origin of MRC lies below; operators see the other end at the top."""
    pixels = noise()
    data = encode_mrc(pixels, _PIXEL_UM)
    stored = np.frombuffer(data[-pixels.nbytes :], "<i2").reshape(pixels.shape)
    _, planes = read(tmp_path, data)

    np.testing.assert_array_equal(planes[0], stored[::-1])


def test_record_of_thermo_is_told(tmp_path: Path) -> None:
    """Metres and volts."""
    data = encode_mrc(
        noise(), 0.0, kind_behind=b"FEI2", behind=thermo_behind(SHOT, size=888)
    )
    frame, _ = read(tmp_path, data)

    assert frame.instrument == "Talos D4711"
    assert frame.stage is not None
    assert frame.stage.tilt_deg == -2.5
    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "FEI2 pixel size"


def test_fields_marked_as_not_valid_are_not_used(tmp_path: Path) -> None:
    """A record has room for everything, filled or not."""
    behind = thermo_behind(SHOT, valid=0b110)
    frame, _ = read(
        tmp_path, encode_mrc(noise(), 0.0, kind_behind=b"FEI1", behind=behind)
    )

    assert (frame.stage, frame.pixel_size) == (None, None)


def test_pixel_of_exactly_one_angstrom_is_a_default(tmp_path: Path) -> None:
    """Programs that do not know the size write it."""
    frame, _ = read(tmp_path, encode_mrc(noise(), 1e-4))

    assert frame.pixel_size is None
    assert any("exactly 1 Å" in line for line in frame.warnings)


def test_text_and_header_that_disagree_are_doubted(tmp_path: Path) -> None:
    """One of them is from before a binning."""
    frame, _ = read(tmp_path, encode_mrc(noise(), 2 * _PIXEL_UM), mdoc_text(SHOT))

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM, rel=1e-4)
    assert frame.pixel_size.relative_sigma == pytest.approx(np.log(2), rel=1e-2)
    assert any("MRC cell says" in line for line in frame.warnings)


def test_header_alone_names_no_microscope(tmp_path: Path) -> None:
    """Light microscopes and X-ray stations use MRC as well."""
    frame, _ = read(tmp_path, encode_mrc(noise(), _PIXEL_UM, labels=["made by hand"]))

    assert frame.modality is Modality.UNKNOWN
    assert frame.channels[0].kind is ChannelKind.UNKNOWN


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("StagePosition", "here"),
        ("StagePosition", "1e30 1e30"),
        ("DateTime", "31-Feb-2025  12:00:00"),
        ("PixelSpacing", "-4"),
        ("TiltAngle", "4000"),
    ],
)
def test_value_that_makes_no_sense_is_told(
    key: str, value: str, tmp_path: Path
) -> None:
    """It is not used, and somebody should know."""
    text = mdoc_text(SHOT, [{key: value}])
    frame, _ = read(tmp_path, encode_mrc(noise(), _PIXEL_UM), text)

    assert frame.warnings


def test_text_that_ends_within_a_line_loses_that_line(tmp_path: Path) -> None:
    """It is still being written."""
    text = mdoc_text(SHOT).rstrip("\n")
    frame, _ = read(tmp_path, encode_mrc(noise(), _PIXEL_UM), text)

    assert frame.acquired_at is None
    assert "grid.mrc.mdoc ends within a line" in frame.warnings[0]


def test_first_section_of_a_stack_is_used(tmp_path: Path) -> None:
    """Without a text nothing prefers another."""
    pixels = noise(sections=3)
    frame, planes = read(tmp_path, encode_mrc(pixels, _PIXEL_UM))

    np.testing.assert_array_equal(planes[0], pixels[0])
    assert "3 sections: the first is used" in frame.warnings


def test_least_tilted_section_of_a_tilt_series_is_used(tmp_path: Path) -> None:
    """A light image looks straight down."""
    pixels = noise(sections=3)
    tilts = [{"TiltAngle": t, "StageZ": t} for t in ("-30.0", "0.1", "30.0")]
    frame, planes = read(
        tmp_path, encode_mrc(pixels, _PIXEL_UM), mdoc_text(SHOT, tilts)
    )

    np.testing.assert_array_equal(planes[0], pixels[1])
    assert frame.stage is not None
    assert frame.stage.tilt_deg == 0.1
    assert "section 1 of 3, tilted by 0.1°" in frame.warnings


@pytest.mark.parametrize(
    "key", ["PieceCoordinates", "AlignedPieceCoords", "AlignedPieceCoordsVS"]
)
def test_montage_is_put_together(key: str, tmp_path: Path) -> None:
    """Two by two pieces that overlap by 20 px, rows counted from below."""
    scene = np.random.default_rng(3).integers(1, 99, (220, 300)).astype(np.int16)
    corners = [(0, 0), (0, 100), (140, 0), (140, 100)]
    pieces = np.stack([scene[100 - y : 220 - y, x : x + 160] for x, y in corners])
    said = [
        {
            "PieceCoordinates": "0 0 0",
            key: f"{x} {y} 0",
            "StagePosition": f"{x / 10} {y / 10}",
        }
        for x, y in corners
    ]
    frame, planes = read(tmp_path, encode_mrc(pieces, _PIXEL_UM), mdoc_text(SHOT, said))

    np.testing.assert_array_equal(planes[0], scene)
    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.y_um) == (7.0, 5.0)
    assert any("montage of 4 pieces" in line for line in frame.warnings)


def test_pieces_far_apart_are_no_montage(tmp_path: Path) -> None:
    """A typing error must not cost gigabytes."""
    said = [{"PieceCoordinates": at} for at in ("0 0 0", "900000 900000 0")]
    with pytest.raises(RefusedFileError, match="export them apart"):
        read(tmp_path, encode_mrc(noise(sections=2), _PIXEL_UM), mdoc_text(SHOT, said))


@pytest.mark.parametrize(
    ("signed", "stamp"), [(True, True), (False, True), (False, False)]
)
def test_sign_of_bytes_is_found(signed: bool, stamp: bool, tmp_path: Path) -> None:
    """The standard says signed, IMOD says which, and old files say nothing."""
    pixels = noise("int8" if signed else "uint8")
    pixels.flat[0] = -5 if signed else 200
    data = bytearray(encode_mrc(pixels, _PIXEL_UM))
    if not stamp:
        data[152:160] = bytes(8)
    _, planes = read(tmp_path, bytes(data))

    np.testing.assert_array_equal(planes[0], pixels)
    assert planes[0].dtype == pixels.dtype


def patched(at: int, form: str, *values: float) -> bytes:
    """The good file with header fields replaced."""
    data = bytearray(encode_mrc(noise(), _PIXEL_UM))
    struct.pack_into(form, data, at, *values)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (patched(12, "<i", 4), "a Fourier transform (MRC mode 4)"),
        (patched(12, "<i", 16), "an image in colour (MRC mode 16)"),
        (patched(12, "<i", 101), "an image of 4 bits (MRC mode 101)"),
        (patched(92, "<i", -8), "an extended MRC header of -8 bytes"),
        (patched(92, "<i", 2**31 - 1), "an extended MRC header of 2147483647"),
        (patched(0, "<3i", 1 << 20, 1 << 20, 1 << 20), "MRC sections"),
    ],
    ids=range(6),
)
def test_hostile_header_is_refused_at_once(
    data: bytes, said: str, tmp_path: Path
) -> None:
    """One line, and no memory asked for."""
    started = time.perf_counter()
    with pytest.raises(RefusedFileError) as refused:
        read(tmp_path, data)

    assert said in str(refused.value)
    assert time.perf_counter() - started < 0.5


def test_sections_still_to_come_are_waited_for(tmp_path: Path) -> None:
    """The header counts them before they are written."""
    data = encode_mrc(noise(sections=3), _PIXEL_UM)
    with pytest.raises(IncompleteFileError) as waiting:
        read(tmp_path, data[:-100])

    assert waiting.value.missing_to == len(data)


@pytest.mark.parametrize("size", [-1, 0, 100, 2**31 - 1])
def test_record_of_another_size_is_passed_over(size: int, tmp_path: Path) -> None:
    """The pixels are good all the same."""
    behind = struct.pack("<i", size) + thermo_behind(SHOT)[4:]
    data = encode_mrc(noise(), _PIXEL_UM, kind_behind=b"FEI1", behind=behind)
    frame, _ = read(tmp_path, data)

    assert frame.stage is None


def test_text_of_another_folder_is_never_opened(tmp_path: Path) -> None:
    """Only what lies beside the image counts."""
    (tmp_path / "in").mkdir()
    (tmp_path / "grid.mrc.mdoc").write_text(
        mdoc_text(replace(SHOT, metadata_pixel_um=9.0))
    )
    frame, _ = read(tmp_path / "in", encode_mrc(noise(), _PIXEL_UM))

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM, rel=1e-4)
