"""ND2: maps of chunks, trees of metadata, loops, positions and colours."""

from __future__ import annotations

import struct
import time
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.nd2 import DRIVER
from clemd_drivers.formats.nd2._variant import parse
from clemd_drivers.simulated._nd2 import (
    channel,
    entry,
    nd2,
)

_CONFOCAL_THROUGH = 0x1000202


def noise(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """(frame, height, width, sample) without a zero in it."""
    return np.random.default_rng(seed).integers(1, 4000, shape, dtype=np.uint16)


def written(path: Path, frames: np.ndarray, **more: Any) -> Path:
    """Such a file on the disk."""
    path.write_bytes(nd2(frames, **more))
    return path


class TestNd2Driver(FormatDriverSuite):
    """The contract, on a two-channel confocal image."""

    driver = DRIVER
    packed = False

    def write_good(self, path: Path) -> GoodFile:
        """Two samples side by side, rows padded."""
        frames = noise(1, (1, 96, 63, 2))
        written(path, frames, packed=self.packed, padding=4)
        return GoodFile(
            path=path,
            planes=(frames[0, ..., 0], frames[0, ..., 1]),
            modality=Modality.CLSM,
            pixel_size_um=(0.25, 0.25),
            stage_um=(1250.5, -20.0),
        )


class TestPackedNd2(TestNd2Driver):
    """The same, with lossless compression."""

    packed = True


def test_facts_of_the_picture_are_read(tmp_path: Path) -> None:
    """Each from its own entry of the tree."""
    frame, _ = read_all(DRIVER, written(tmp_path / "a.nd2", noise(1, (1, 20, 30, 1))))

    assert frame.acquired_at == datetime(2023, 2, 25, tzinfo=UTC)
    assert (frame.sample, frame.instrument) == ("liver 7", "Nikon")
    assert frame.extra["objective"] == "Plan Apo 60x"
    assert frame.stage is not None
    assert frame.stage.z_um == 3.0


@pytest.mark.parametrize(
    ("said", "kind", "modality"),
    [
        (channel("488 reflection"), "reflected", Modality.CLSM),
        (channel("DAPI"), "fluorescence", Modality.CLSM),
        (channel("TD", _CONFOCAL_THROUGH), "transmitted", Modality.CLSM),
        (channel("Mono", 0x102), "transmitted", Modality.WIDEFIELD),
        (channel("Mono", 0x122), "transmitted", Modality.WIDEFIELD),
        (channel("GFP", 0x101), "fluorescence", Modality.WIDEFIELD),
        (channel("GFP", 0x401), "fluorescence", Modality.CLSM),
        (channel("Mono", 0), "unknown", Modality.UNKNOWN),
    ],
)
def test_name_and_mask_tell_kind_and_modality(
    said: dict[str, Any], kind: str, modality: Modality, tmp_path: Path
) -> None:
    """The mask has no bit for reflection: the name must say it."""
    path = written(
        tmp_path / "a.nd2",
        noise(1, (1, 20, 30, 1)),
        channels=[said],
    )
    frame, _ = read_all(DRIVER, path)

    found = frame.modality if said["uiModalityMask"] else Modality.UNKNOWN
    assert [c.kind.value for c in frame.channels] == [kind]
    assert found is modality


def test_spectra_of_dye_and_filter_give_the_wavelengths(tmp_path: Path) -> None:
    """The highest point of each, the dye before the filter."""

    def spectrum(*points: tuple[float, float]) -> dict[str, Any]:
        return {
            "pPoint": {
                f"Point{k}": {"dWavelength": nm, "dTValue": height}
                for k, (nm, height) in enumerate(points)
            }
        }

    said = {
        **channel("Ch1", 0),
        "pFluorescentProbe": {
            "m_EmissionSpectrum": spectrum((500.0, 0.2), (525.0, 0.9))
        },
        "pFilterPath": {
            "m_pFilter": {
                "a0": {
                    "m_ExcitationSpectrum": spectrum((488.0, 1.0)),
                    "m_EmissionSpectrum": spectrum((600.0, 1.0)),
                }
            }
        },
    }
    path = written(tmp_path / "a.nd2", noise(1, (1, 20, 30, 1)), channels=[said])
    found = read_all(DRIVER, path)[0].channels[0]

    assert (found.excitation_nm, found.emission_nm) == (488.0, 525.0)
    assert found.kind.value == "fluorescence"


_POINTS = {
    "Points": {
        "i0000000000": {"dPosX": 10.0, "dPosY": 20.0, "dPosZ": 5.0, "dPosName": "A"},
        "i0000000001": {"dPosX": -1.0, "dPosY": -2.0, "dPosZ": 6.0, "dPosName": "B"},
    }
}


def test_loops_nest_outermost_first(tmp_path: Path) -> None:
    """Three times, two positions, two depths: fluorescence of the last time."""
    frames = noise(2, (12, 20, 30, 1))
    loops = [(1, {"uiCount": 3}), (2, _POINTS), (4, {"uiCount": 2})]
    path = written(tmp_path / "a.nd2", frames, loops=loops)
    frame, (plane,) = read_all(DRIVER, path)

    series = frames.reshape(3, 2, 2, 20, 30)
    np.testing.assert_array_equal(plane, series[2, 0].max(axis=0))
    assert "2 positions in the file: the first is used" in frame.warnings
    with SourceFile.open(path) as source:
        assert DRIVER.positions(source) == 2
        with DRIVER.open_at(source, 1) as reader:
            np.testing.assert_array_equal(reader.plane(0), series[2, 1].max(axis=0))
            stage, extra = reader.frame.stage, reader.frame.extra
    assert stage is not None
    assert (stage.x_um, stage.y_um, stage.z_um) == (-1.0, -2.0, 3.0)
    assert extra["position"] == "B"


def test_series_that_was_stopped_gives_its_last_full_time(tmp_path: Path) -> None:
    """Seven of nine planes are there: the second time is whole."""
    frames = noise(3, (7, 20, 30, 1))
    loops = [(1, {"uiCount": 3}), (4, {"uiCount": 3})]
    path = written(tmp_path / "a.nd2", frames, loops=loops)
    _, (plane,) = read_all(DRIVER, path)

    np.testing.assert_array_equal(plane, frames[3:6, ..., 0].max(axis=0))


def test_colour_camera_gives_red_green_and_blue(tmp_path: Path) -> None:
    """Nikon stores blue first."""
    frames = noise(4, (1, 20, 30, 3))
    said = [channel("Brightfield", 0x102, samples=3)]
    frame, planes = read_all(DRIVER, written(tmp_path / "a.nd2", frames, channels=said))

    assert [c.name.split()[-1] for c in frame.channels] == ["red", "green", "blue"]
    np.testing.assert_array_equal(np.dstack(planes), frames[0, ..., ::-1])


@pytest.mark.parametrize(
    "picture",
    [
        {"bCalibrated": False},
        {"dCalibration": 0.0},
        {"dCalibration": -1.0},
        {"dCalibration": float("nan")},
        {"dCalibration": 1e9},
    ],
)
def test_calibration_without_meaning_is_no_pixel_size(
    picture: dict[str, Any], tmp_path: Path
) -> None:
    """NIS-Elements writes 1 where nobody calibrated."""
    path = written(tmp_path / "a.nd2", noise(1, (1, 20, 30, 1)), picture=picture)
    frame, _ = read_all(DRIVER, path)

    assert frame.pixel_size is None
    assert [w for w in frame.warnings if "in the ND2 metadata" in w]


def test_stand_without_motor_has_no_stage_position(tmp_path: Path) -> None:
    """It reports nought for both axes."""
    picture = {"dXPos": 0.0, "dYPos": 0.0}
    path = written(tmp_path / "a.nd2", noise(1, (1, 20, 30, 1)), picture=picture)

    assert read_all(DRIVER, path)[0].stage is None


def test_file_without_its_map_waits(tmp_path: Path) -> None:
    """The map of chunks is written last."""
    data = nd2(noise(1, (1, 20, 30, 1)))
    (tmp_path / "a.nd2").write_bytes(data[:-1])

    with pytest.raises(IncompleteFileError, match="map of chunks"):
        read_all(DRIVER, tmp_path / "a.nd2")


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x0cjP  \r\n\x87\n", "of before 2010"),
        (None, "version 'Ver2.1'"),
    ],
)
def test_old_versions_are_refused_by_name(
    start: bytes | None, words: str, tmp_path: Path
) -> None:
    """The user learns which program reads them."""
    data = nd2(noise(1, (1, 20, 30, 1))).replace(b"Ver3.0", b"Ver2.1")
    (tmp_path / "a.nd2").write_bytes((start or b"") + data)

    with pytest.raises(RefusedFileError, match=words):
        read_all(DRIVER, tmp_path / "a.nd2")


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"uiWidth": 1 << 30}, "rows of"),
        ({"uiHeight": 1 << 30}, "an ND2 frame of .* bytes in"),
        ({"uiHeight": 0}, "not an image"),
        ({"uiComp": 5000}, "not an image"),
        ({"uiBpcInMemory": 12}, "samples of 12 bits"),
        ({"eCompression": 1}, "lossy"),
        ({"uiSequenceCount": 4_000_000_000}, "millions of frames"),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(
    attributes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    """Sizes in a file are claims of its writer."""
    path = written(tmp_path / "a.nd2", noise(1, (1, 20, 30, 1)), attributes=attributes)
    started = time.process_time()
    with pytest.raises(RefusedFileError, match=words) as raised:
        read_all(DRIVER, path)

    assert str(raised.value).isprintable()
    assert time.process_time() - started < 1.0


def _deep(levels: int) -> bytes:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return entry("root", value)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (_deep(40), "nest too deep"),
        (b"\x4c" + bytes(11) + zlib.compress(bytes(80 << 20)), "absurd size"),
        (b"\x4c" + bytes(11) + b"nonsense", "cannot be unpacked"),
        (entry("a", {"b": 1})[:-9], "cut short|overlap"),
        (entry("a", 1.0)[:-3], "cut short"),
        (b"\x0b\x01\0\0" + struct.pack("<IQ", 1 << 31, 1 << 60), "overlap"),
        (b"\x63\x01\0\0", "of kind 99"),
        (entry("a", True) * 600_000, "nest too deep"),
    ],
)
def test_impossible_trees_are_refused_in_one_line(data: bytes, words: str) -> None:
    """Depth, size and number of entries are bounded."""
    started = time.process_time()
    with pytest.raises(RefusedFileError, match=words):
        parse(data)

    assert time.process_time() - started < 5.0
