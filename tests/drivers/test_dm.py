"""DigitalMicrograph files: trees of tags that may be deep, huge, cut off, hostile."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import load_drivers
from clemd.errors import ClemdError, IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.dm import DRIVER
from clemd_drivers.simulated._dm import (
    Version,
    dm_bytes,
    dm_tags,
    encode_dm,
    image_data,
)
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._shots import ElectronShot, Stage

_ROWS, _WIDTH, _PIXEL_UM = 96, 128, 0.0042

SHOT = ElectronShot(
    name="grid square 3",
    vendor="dm",
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
Change = Callable[[dict[str, Any]], object]


def noise(dtype: str = "uint16", planes: int | None = None) -> np.ndarray:
    """Samples without a zero."""
    shape = (_ROWS, _WIDTH) if planes is None else (planes, _ROWS, _WIDTH)
    return np.random.default_rng(2).integers(1, 120, shape).astype(dtype)


def image_of(tags: dict[str, Any]) -> dict[str, Any]:
    """The folder of the image itself."""
    found: dict[str, Any] = tags["ImageList"][1]
    return found


def read(
    folder: Path, change: Change = lambda _: None, pixels: np.ndarray | None = None
) -> tuple[Frame, list[np.ndarray]]:
    """What the driver says of the good file with some of its tags changed."""
    tags = dm_tags(SHOT, noise() if pixels is None else pixels)
    change(image_of(tags))
    (folder / "a.dm3").write_bytes(dm_bytes(tags))
    return read_all(DRIVER, folder / "a.dm3")


def info(image: dict[str, Any]) -> dict[str, Any]:
    """The tags of the microscope."""
    found: dict[str, Any] = image["ImageTags"]["Microscope Info"]
    return found


class DmSuite(FormatDriverSuite):
    """The contract."""

    driver = DRIVER
    version: Version
    little = True
    dtype = "uint16"

    def write_good(self, path: Path) -> GoodFile:
        """A thumbnail, then the image."""
        pixels = noise(self.dtype)
        path.write_bytes(encode_dm(SHOT, pixels, self.version, little=self.little))
        return GoodFile(
            path=path,
            planes=(pixels,),
            modality=Modality.TEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(-312.5, 87.25),
        )


class TestDm3(DmSuite):
    """Sizes of 32 bits."""

    version: Version = 3


class TestDm4(DmSuite):
    """Sizes of 64 bits, and the length of every entry."""

    version: Version = 4
    dtype = "float32"


class TestBigEndian(DmSuite):
    """As an Apple of the last century wrote it."""

    version: Version = 3
    little = False
    dtype = "int32"


def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


def test_everything_about_the_image_is_told(tmp_path: Path) -> None:
    """What pairing and the page ask for."""
    frame, _ = read(tmp_path)

    assert frame.stage is not None
    assert (frame.stage.z_um, frame.stage.tilt_deg) == (-40.0, -2.5)
    assert frame.instrument == "Simulated TEM 200"
    assert frame.sample == "grid 3"
    assert frame.channels[0].name == "Orius"
    assert frame.channels[0].kind is ChannelKind.TRANSMITTED
    assert frame.extra["magnification"] == "20000"
    assert frame.extra["operator"] == "operator"
    assert frame.warnings == ()


@pytest.mark.parametrize("date", ["11/7/2025", "7/11/2025", "07.11.2025", "2025-11-07"])
def test_clock_of_the_pc_tells_day_from_month(date: str, tmp_path: Path) -> None:
    """The text follows the locale; the ticks beside it know the day."""
    frame, _ = read(
        tmp_path,
        lambda image: image["ImageTags"]["DataBar"].update({"Acquisition Date": date}),
    )

    assert frame.acquired_at == datetime(2025, 11, 7, 13, 42, 14)  # noqa: DTZ001
    assert frame.warnings == ()


def test_ticks_alone_are_utc(tmp_path: Path) -> None:
    """Windows counts them from 1601 without a zone."""
    frame, _ = read(
        tmp_path, lambda image: image["ImageTags"]["DataBar"].pop("Acquisition Date")
    )

    assert frame.acquired_at == SHOT.acquired_at


@pytest.mark.parametrize(
    ("unit", "scale", "expected_um"),
    [("nm", 5.0, 0.005), ("µm", 0.25, 0.25), ("um", 0.25, 0.25), ("Å", 8.0, 8e-4)],
)
def test_unit_of_the_scale_is_honoured(
    unit: str, scale: float, expected_um: float, tmp_path: Path
) -> None:
    """A factor of a thousand is the commonest mistake there is."""
    frame, _ = read(
        tmp_path, lambda image: image.update(ImageData=image_data(noise(), scale, unit))
    )

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(expected_um)


@pytest.mark.parametrize(
    ("unit", "scale", "said"),
    [
        ("", 1.0, "no pixel size in the DM metadata"),
        ("furlong", 1.0, "the unit 'furlong' of the pixel size is not a length"),
        ("nm", float("nan"), "cannot be true"),
        ("nm", -4.0, "cannot be true"),
        ("m", 4.0, "cannot be true"),
    ],
)
def test_scale_that_makes_no_sense_is_not_used(
    unit: str, scale: float, said: str, tmp_path: Path
) -> None:
    """A wrong pixel size is worse than none."""
    frame, _ = read(
        tmp_path, lambda image: image.update(ImageData=image_data(noise(), scale, unit))
    )

    assert frame.pixel_size is None
    assert any(said in line for line in frame.warnings)


def test_stage_of_zeros_is_taken_as_not_recorded(tmp_path: Path) -> None:
    """Without a link to the microscope every position reads zero."""
    zero = {f"Stage {axis}": np.float32(0) for axis in ("X", "Y", "Z", "Alpha")}
    frame, _ = read(tmp_path, lambda image: info(image)["Stage Position"].update(zero))

    assert frame.stage is None
    assert any("not recorded" in line for line in frame.warnings)


def test_stage_beyond_reach_is_not_used(tmp_path: Path) -> None:
    """No stage travels farther than a metre."""
    frame, _ = read(
        tmp_path,
        lambda image: info(image)["Stage Position"].update(
            {"Stage X": np.float32(1e30)}
        ),
    )

    assert frame.stage is not None
    assert frame.stage.x_um is None
    assert any("Stage X" in line for line in frame.warnings)


def test_block_face_images_are_scanning_ones(tmp_path: Path) -> None:
    """The microtome in the chamber writes the same format."""
    frame, _ = read(
        tmp_path,
        lambda image: image["ImageTags"].update(SBFSEM={"Record": {"Slice": 1.0}}),
    )

    assert frame.modality is Modality.SEM
    assert frame.channels[0].kind is ChannelKind.BSE


def test_scan_rotation_is_told(tmp_path: Path) -> None:
    """It turns the image against the stage."""
    frame, _ = read(
        tmp_path,
        lambda image: image["ImageTags"].update(DigiScan={"Rotation": np.float64(90)}),
    )

    assert frame.stage is not None
    assert frame.stage.scan_rotation_deg == 90.0


@pytest.mark.parametrize(
    ("unit", "chosen", "said"),
    [("s", 2, "time point 3 of 3"), ("nm", 1, "z 1, the sharpest of 3 depths")],
)
def test_unit_of_a_stack_decides_the_plane(
    unit: str, chosen: int, said: str, tmp_path: Path
) -> None:
    """The last moment of a series, the sharpest of several depths."""
    pixels = noise(planes=3)
    pixels[1, ::2] *= 9
    data = image_data(pixels, 5.0, "nm")
    data["Calibrations"]["Dimension"][2]["Units"] = unit
    frame, planes = read(tmp_path, lambda image: image.update(ImageData=data))

    np.testing.assert_array_equal(planes[0], pixels[chosen])
    assert said in frame.warnings


def test_spectrum_image_shows_the_maximum_over_energy(tmp_path: Path) -> None:
    """Every structure that any loss shows."""
    pixels = noise(planes=4)
    data = image_data(pixels, 5.0, "nm")
    data["Calibrations"]["Dimension"][2]["Units"] = "eV"
    _, planes = read(tmp_path, lambda image: image.update(ImageData=data))

    np.testing.assert_array_equal(planes[0], pixels.max(axis=0))


def test_grey_thumbnail_is_passed_over(tmp_path: Path) -> None:
    """Some versions keep the preview as plain grey, and larger than a small crop."""
    tags = dm_tags(SHOT, noise())
    tags["ImageList"][0]["ImageData"] = image_data(np.ones((384, 384), "u1"), 1.0, "")
    (tmp_path / "a.dm3").write_bytes(dm_bytes(tags))
    frame, _ = read_all(DRIVER, tmp_path / "a.dm3")

    assert frame.shape == (_ROWS, _WIDTH)


def test_largest_of_several_images_is_used_and_named(tmp_path: Path) -> None:
    """The rule for every file with several places."""
    tags = dm_tags(SHOT, noise())
    tags["ImageList"].append({"ImageData": image_data(noise()[:40], 4.2, "nm")})
    (tmp_path / "a.dm3").write_bytes(dm_bytes(tags))
    frame, _ = read_all(DRIVER, tmp_path / "a.dm3")

    assert frame.shape == (_ROWS, _WIDTH)
    assert "2 images in the file: the largest, 'grid square 3', is used" in (
        frame.warnings
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (image_data(noise(), 0.01, "1/nm"), "a diffraction pattern (1/nm)"),
        (image_data(np.ones(64, "f4"), 1.0, "eV"), "data of 1 dimensions"),
        (image_data(np.ones((2, 2, 8, 8), "f4"), 1.0, "nm"), "data of 4 dimensions"),
        (image_data(noise("int32"), 1.0, "nm", data_type=23), "copy in colour"),
        (image_data(noise("float32"), 1.0, "nm", data_type=3), "complex image"),
        (image_data(noise("float32"), 1.0, "nm", data_type=99), "DM type 99"),
        (image_data(noise("uint8"), 1.0, "nm", data_type=12), "bytes of pixels for"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_by_name(
    data: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """One line says what the file holds instead."""
    with pytest.raises(RefusedFileError) as refused:
        read(tmp_path, lambda image: image.update(ImageData=data))

    assert said in str(refused.value)
    assert "save the image itself" in str(refused.value)


def nested(depth: int) -> bytes:
    """Folders in folders."""
    head = struct.pack(">iii", 3, 1 << 20, 1)
    return head + (b"\1\0" + struct.pack(">i", 1) + b"\x14\0\0") * depth + bytes(64)


def one_tag(*words: int, mark: bytes = b"%%%%") -> bytes:
    """A file of one tag described by these numbers."""
    head = struct.pack(">iii", 3, 1 << 20, 1) + b"\1\0" + struct.pack(">i", 1)
    described = struct.pack(f">{len(words)}i", *words)
    return head + b"\x15\0\1a" + mark + described + bytes(4096)


@pytest.mark.parametrize(
    "data",
    [
        nested(100_000),
        struct.pack(">iii", 3, 99, 1) + b"\1\0" + struct.pack(">i", 2**31 - 1),
        struct.pack(">iii", 3, 99, 1) + b"\1\0" + struct.pack(">i", -5) + bytes(99),
        struct.pack(">iii", 3, 99, 1) + b"\1\0" + struct.pack(">i", 1) + b"\x63" * 99,
        one_tag(2**31 - 1),
        one_tag(-1),
        one_tag(0),
        one_tag(1, 99),
        one_tag(3, 20, 6, 2**31 - 1),
        one_tag(3, 20, 6, -8),
        one_tag(5, 20, 20, 20, 20, 20),
        one_tag(3, 15, 0, 2**31 - 1),
        one_tag(4, 15, 0, 2**31 - 1, 15),
        one_tag(1, 6, mark=b"####"),
        one_tag(*([4000] + [20] * 4000)),
    ],
    ids=range(15),
)
def test_hostile_tree_is_turned_away_at_once(data: bytes, tmp_path: Path) -> None:
    """Depth, counts and sizes are an attacker's; the answer is one short line."""
    (tmp_path / "a.dm3").write_bytes(data)
    started = time.perf_counter()
    with pytest.raises((IncompleteFileError, RefusedFileError)) as refused:
        read_all(DRIVER, tmp_path / "a.dm3")

    assert time.perf_counter() - started < 1.0
    assert len(str(refused.value)) < 200
    assert str(refused.value).isprintable()


def test_many_tags_are_refused_in_time(tmp_path: Path) -> None:
    """A bomb of small tags costs seconds at most, not hours."""
    one = dm_bytes({"x": [np.float32(1)] * 1000})[12:-8]
    folder = b"\x14\0\0" + one
    (tmp_path / "a.dm3").write_bytes(
        struct.pack(">iii", 3, 99, 1)
        + b"\1\0"
        + struct.pack(">i", 1000)
        + folder * 1000
    )
    with pytest.raises(RefusedFileError, match="more than 300000 DM tags"):
        read_all(DRIVER, tmp_path / "a.dm3")


def test_pixels_beyond_the_file_are_waited_for(tmp_path: Path) -> None:
    """The tags say where they will be."""
    data = encode_dm(SHOT, noise())
    (tmp_path / "a.dm3").write_bytes(data[: len(data) // 2])
    with pytest.raises(IncompleteFileError) as waiting:
        read_all(DRIVER, tmp_path / "a.dm3")

    assert waiting.value.missing_to > len(data) // 2


def test_names_in_any_script_are_shown_safely(tmp_path: Path) -> None:
    """Control characters in a name must not reach a terminal."""
    shot = replace(SHOT, name="grid\n\x1b[31m 日本")
    (tmp_path / "a.dm4").write_bytes(encode_dm(shot, noise(), 4))
    frame, _ = read_all(DRIVER, tmp_path / "a.dm4")

    assert frame.extra["image"].isprintable()
    assert "日本" in frame.extra["image"]


def test_damage_in_the_tags_raises_our_errors_only(tmp_path: Path) -> None:
    """Every byte of the header, one after the other."""
    data = encode_dm(SHOT, noise())
    path = tmp_path / "a.dm3"
    for at in range(0, 700, 3):
        path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
        said = ""
        try:
            read_all(DRIVER, path)
        except ClemdError as error:
            said = str(error)
        assert said.isprintable()
