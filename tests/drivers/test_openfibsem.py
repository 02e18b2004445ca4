"""OpenFIBSEM images: one JSON object, whose names and units changed with the years."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from clemd.driver_api import SourceFile, load_drivers
from clemd.errors import ClemdError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.openfibsem import DRIVER
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._openfibsem import encode_openfibsem, openfibsem_object
from clemd_drivers.simulated._shots import ElectronShot, Stage

_REAL = Path(__file__).parents[3] / "shared/data/vendor_sem/fibsem-os"
_WIDTH, _ROWS, _PIXEL_UM = 320, 240, 0.125

SHOT = ElectronShot(
    name="ref_eb",
    vendor="openfibsem",
    field=Field.at(shape=(_ROWS, _WIDTH), pixel_um=_PIXEL_UM),
    bar_rows=0,
    metadata_pixel_um=_PIXEL_UM,
    stage=Stage(x_um=3146.3, y_um=-3669.7, z_um=32_015.7, rotation_deg=49, tilt_deg=35),
    acquired_at=datetime(2025, 11, 20, 13, 42, 14, tzinfo=UTC),
    sample="waffle",
    habit="plain",
    invert=False,
    sixteen_bit=False,
    elsewhere=False,
    seed=1,
)


def noise() -> np.ndarray:
    """A scanned frame without a zero."""
    return np.random.default_rng(2).integers(1, 250, (_ROWS, _WIDTH), np.uint8)


def read(path: Path, said: dict[str, Any] | bytes) -> Frame:
    """What the driver says of an image with that description."""
    text = said if isinstance(said, bytes) else json.dumps(said).encode()
    tifffile.imwrite(path, noise(), description=text, metadata=None)
    return read_all(DRIVER, path)[0]


def said(**changes: Any) -> dict[str, Any]:
    """The good object with other values at the top."""
    return {**openfibsem_object(SHOT, "ELECTRON"), **changes}


def with_state(**changes: Any) -> dict[str, Any]:
    """The good object with other values in its state."""
    state = openfibsem_object(SHOT, "ELECTRON")["microscope_state"]
    return said(microscope_state={**state, **changes})


class TestOpenFibsem(FormatDriverSuite):
    """The contract."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Eight bits, no bar."""
        path.write_bytes(encode_openfibsem(SHOT, noise()))
        return GoodFile(
            path=path,
            planes=(noise(),),
            modality=Modality.SEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(3146.3, -3669.7),
        )


@pytest.mark.real_data
@pytest.mark.skipif(not _REAL.is_dir(), reason="no test data")
@pytest.mark.parametrize(
    ("name", "dtype", "channel", "second"),
    [
        # "timestamp": 1670906023.247754 and 1670906027.196361, seconds since 1970
        ("8dc93e80_ref_image_low_res_eb.tif", "uint16", "electron beam", 43.247754),
        ("74f00be2_ref_image_low_res_ib.tif", "uint8", "ion beam", 47.196361),
    ],
)
def test_real_older_files_say_what_their_headers_say(
    name: str, dtype: str, channel: str, second: float
) -> None:
    """Typed from tag 270; the rows were cut from 1024 to 768 after the scan."""
    frame, _ = read_all(DRIVER, _REAL / name)
    size, pose = frame.pixel_size, frame.stage

    assert size is not None
    assert pose is not None
    # "pixel_size": {"x": 2.60416667e-07, ...}; "hfw": 0.0004 over 1536 columns agrees
    assert (size.x_um, size.y_um) == pytest.approx((0.260416667, 0.260416667))
    assert size.relative_sigma == 0.03
    assert (frame.shape, frame.dtype) == ((768, 1536), dtype)
    # "absolute_position": {"x": 0.0, "y": 0.0135, "z": 0.007970625, ...}
    assert (pose.x_um, pose.y_um, pose.z_um) == pytest.approx((0, 13_500, 7970.625))
    # "r": 150.0, "t": 15.0 would be 24 turns in radians
    assert (pose.rotation_deg, pose.tilt_deg) == (None, None)
    assert frame.info_bar_rows == 0
    assert frame.acquired_at is not None
    assert frame.acquired_at.replace(second=0, microsecond=0) == datetime(
        2022, 12, 13, 4, 33, tzinfo=UTC
    )
    exact = frame.acquired_at.second + frame.acquired_at.microsecond * 1e-6
    assert exact == pytest.approx(second, abs=1e-5)
    assert [c.name for c in frame.channels] == [channel]  # no detector is named
    assert any("say 1536 x 1024 px" in line for line in frame.warnings)


@pytest.mark.real_data
@pytest.mark.skipif(not _REAL.is_dir(), reason="no test data")
def test_real_newer_file_says_what_its_header_says() -> None:
    """Typed from tag 270; angles in radians, time as text without a zone."""
    frame, _ = read_all(DRIVER, _REAL / "e7bec464_ml-1692767524_4013731_eb.tif")
    size, pose = frame.pixel_size, frame.stage

    assert size is not None
    assert pose is not None
    assert size.x_um == size.y_um == pytest.approx(0.2604166666666667)
    # "x": 0.0031463333333333334, "y": 0.00366975, "z": 0.03201568930041152
    assert (pose.x_um, pose.y_um) == pytest.approx((3146.33333, 3669.75))
    assert pose.z_um == pytest.approx(32_015.6893)
    assert pose.rotation_deg == pytest.approx(49.00086, abs=1e-3)  # 0.85522638 rad
    assert pose.tilt_deg == pytest.approx(35.0, abs=1e-3)  # 0.61085287 rad
    assert pose.scan_rotation_deg == 0.0  # not stated
    assert frame.shape == (1024, 1536)
    assert frame.info_bar_rows == 0
    # "timestamp": "08/23/2023 15:29:22"
    assert frame.acquired_at == datetime(2023, 8, 23, 15, 29, 22)  # noqa: DTZ001
    (channel,) = frame.channels
    # "type": "ETD", "mode": "SecondaryElectrons"
    assert (channel.name, channel.kind) == ("ETD", ChannelKind.SE)
    assert frame.extra["voltage_V"] == "2000.0"
    # "shift": {"x": -6.012136859517414e-06, ...}
    assert any("beam shift is not zero" in line for line in frame.warnings)


def test_known_truth_comes_back(tmp_path: Path) -> None:
    """Session, detector and time tie the image to its session."""
    (tmp_path / "a.tif").write_bytes(encode_openfibsem(SHOT, noise(), beam="ION"))
    frame, _ = read_all(DRIVER, tmp_path / "a.tif")

    assert frame.warnings == ()
    assert frame.acquired_at == SHOT.acquired_at
    assert frame.session == "waffle"
    assert frame.stage is not None
    assert frame.stage.rotation_deg == pytest.approx(49)
    assert frame.stage.tilt_deg == pytest.approx(35)
    assert frame.extra["voltage_V"] == "30000.0"


def test_the_registry_gives_it_to_this_driver(tmp_path: Path) -> None:
    """The plain reader would lose the pixel size."""
    (tmp_path / "a.tif").write_bytes(encode_openfibsem(SHOT, noise()))
    with SourceFile.open(tmp_path / "a.tif") as source:
        takers = [d.name for d in load_drivers("clemd.formats") if d.recognises(source)]

    assert takers[0] == "openfibsem"


def test_names_of_newer_versions_are_known(tmp_path: Path) -> None:
    """The same facts under other names."""
    facts = said()
    state = facts["microscope_state"]
    facts["microscope_state"] = {
        "timestamp": state["timestamp"],
        "stage_position": state["absolute_position"],
        "electron_beam": {**state["eb_settings"], "scan_rotation": 3.141592653589793},
        "electron_detector": facts.pop("detector_settings"),
    }
    info = {"manufacturer": "Tescan", "model": "Amber", "serial_number": 42}
    facts["system"] = {"info": info}
    frame = read(tmp_path / "a.tif", facts)

    assert frame.stage is not None
    assert frame.stage.x_um == pytest.approx(3146.3)
    assert frame.stage.scan_rotation_deg == pytest.approx(180)
    assert frame.channels[0].kind is ChannelKind.SE
    assert frame.instrument == "Tescan Amber 42"


def test_pixel_size_that_contradicts_the_field_is_doubted(tmp_path: Path) -> None:
    """A person must know, and the search must look wider."""
    frame = read(tmp_path / "a.tif", said(hfw=1.2 * _WIDTH * _PIXEL_UM * 1e-6))

    assert frame.pixel_size is not None
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)
    assert frame.pixel_size.relative_sigma == pytest.approx(np.log(1.2))
    assert any("hfw/resolution says" in line for line in frame.warnings)


def test_image_made_smaller_afterwards_is_doubted(tmp_path: Path) -> None:
    """The columns asked for are twice the columns there are."""
    twice = said(
        resolution=[2 * _WIDTH, 2 * _ROWS],
        pixel_size={"x": _PIXEL_UM * 0.5e-6, "y": _PIXEL_UM * 0.5e-6},
    )
    frame = read(tmp_path / "a.tif", twice)

    assert frame.pixel_size is not None
    assert frame.pixel_size.relative_sigma == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "bad", [0, -1.0, 1e9, float("nan"), float("inf"), "wide", True, None, [1], 10**400]
)
def test_bad_pixel_size_is_never_used(bad: object, tmp_path: Path) -> None:
    """The field width says the same and stands in."""
    frame = read(tmp_path / "a.tif", said(pixel_size={"x": bad, "y": bad}))

    assert frame.pixel_size is not None
    assert frame.pixel_size.source == "hfw/resolution"
    assert frame.pixel_size.x_um == pytest.approx(_PIXEL_UM)


def test_bad_stage_and_time_are_noted_and_never_used(tmp_path: Path) -> None:
    """A stage position of a kilometre would tear the session's map."""
    place = {"x": 1000.0, "y": 0.001, "z": float("nan"), "r": 0.1, "t": 0.2}
    frame = read(
        tmp_path / "a.tif", with_state(absolute_position=place, timestamp=1e300)
    )

    assert frame.stage is not None
    assert (frame.stage.x_um, frame.stage.z_um) == (None, None)
    assert frame.stage.y_um == pytest.approx(1000)
    assert frame.acquired_at is None
    for key in ("absolute_position/x", "absolute_position/z", "timestamp"):
        assert any(line.startswith(key) for line in frame.warnings), key


@pytest.mark.parametrize(
    "text",
    [
        b'{"beam_type": "ELECTRON", "pixel_size": {"x": 2.6',
        b'{"beam_type": "ELECTRON", "hfw": ' + b"[" * 100_000,
        b'{"beam_type": "ELECTRON", "hfw": ' + b"9" * 50_000 + b"}",
        b'{"beam_type": 7, "hfw": {}, "microscope_state": [], "resolution": {}}',
        b'{"beam_type": "\xff\xfe", "hfw": "\x07", "resolution": "9x9x9"}',
    ],
    ids=["cut", "deep", "digits", "other kinds", "wrong charset"],
)
def test_hostile_text_costs_facts_and_nothing_else(text: bytes, tmp_path: Path) -> None:
    """The image is there and can be registered without a pixel size."""
    frame = read(tmp_path / "a.tif", text)

    assert frame.driver == "openfibsem"
    assert frame.pixel_size is None
    assert all(line.isprintable() for line in frame.warnings)
    assert any("no pixel size" in line for line in frame.warnings)


def test_other_descriptions_are_left_alone(tmp_path: Path) -> None:
    """A tifffile shape object is JSON too."""
    tifffile.imwrite(tmp_path / "a.tif", noise(), description='{"shape": [240, 320]}')
    with SourceFile.open(tmp_path / "a.tif") as source:
        assert not DRIVER.recognises(source)


def test_spliced_file_is_refused_in_one_line(tmp_path: Path) -> None:
    """The start of one image and the start of another, shorter than both."""
    data = encode_openfibsem(SHOT, noise())
    (tmp_path / "a.tif").write_bytes(data[: len(data) // 2] + data[:4000])
    with pytest.raises(ClemdError) as raised:
        read_all(DRIVER, tmp_path / "a.tif")

    assert str(raised.value).isprintable()
