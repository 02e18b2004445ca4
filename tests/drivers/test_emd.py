"""Velox files: HDF5 whose links, filters and sizes are not to be trusted."""

from __future__ import annotations

import importlib
import json
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clemd.driver_api import load_drivers
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import ChannelKind, Frame, Modality
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd.testing._format_suite import recognises
from clemd_drivers.formats.emd import DRIVER
from clemd_drivers.simulated._emd import EmdImage, encode_emd
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._shots import ElectronShot, Stage

_ROWS, _WIDTH, _PIXEL_UM = 96, 128, 0.0042
_FIRST = f"Data/Image/{0:032x}"

SHOT = ElectronShot(
    name="grid.emd",
    vendor="emd",
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


@pytest.fixture
def h5py() -> Any:
    """The library, where the extra is installed."""
    return pytest.importorskip("h5py")


def noise(
    dtype: str = "uint16", frames: int | None = None, seed: int = 2
) -> np.ndarray:
    """Samples without a zero."""
    shape = (_ROWS, _WIDTH) if frames is None else (frames, _ROWS, _WIDTH)
    return np.random.default_rng(seed).integers(1, 120, shape).astype(dtype)


def read(folder: Path, *images: EmdImage) -> tuple[Frame, list[np.ndarray]]:
    """What the driver says of a file of these images."""
    (folder / "grid.emd").write_bytes(encode_emd(SHOT, images))
    return read_all(DRIVER, folder / "grid.emd")


class EmdSuite(FormatDriverSuite):
    """The contract."""

    driver = DRIVER
    storage: dict[str, Any]
    dtype = "uint16"

    @pytest.fixture(autouse=True)
    def needs_the_extra(self, h5py: Any) -> None:
        """Skip where it is not installed."""

    def write_good(self, path: Path) -> GoodFile:
        """Two detectors of one scan."""
        planes = noise(self.dtype), noise(self.dtype, seed=3)
        images = [
            EmdImage(pixels=plane, detector=name, storage=self.storage)
            for plane, name in zip(planes, ("BF", "HAADF"), strict=True)
        ]
        path.write_bytes(encode_emd(SHOT, images))
        return GoodFile(
            path=path,
            planes=planes,
            modality=Modality.TEM,
            pixel_size_um=(_PIXEL_UM, _PIXEL_UM),
            stage_um=(-312.5, 87.25),
        )


class TestPlain(EmdSuite):
    """Samples in one piece."""

    storage: dict[str, Any] = {}  # noqa: RUF012


class TestCompressed(EmdSuite):
    """As Velox writes: chunks, deflated."""

    storage: dict[str, Any] = {  # noqa: RUF012
        "chunks": (48, 64, 1), "compression": "gzip", "shuffle": True,
        "fletcher32": True,
    }  # fmt: skip
    dtype = "float32"


@pytest.mark.usefixtures("h5py")
def test_driver_is_installed() -> None:
    """Nobody imports it: it is found by its entry point."""
    assert DRIVER in list(load_drivers("clemd.formats"))


@pytest.mark.usefixtures("h5py")
def test_everything_about_the_image_is_told(tmp_path: Path) -> None:
    """What pairing and the page ask for."""
    frame, _ = read(tmp_path, EmdImage(pixels=noise()))

    assert frame.acquired_at == SHOT.acquired_at
    assert frame.stage is not None
    assert (frame.stage.z_um, frame.stage.tilt_deg) == pytest.approx((-40.0, -2.5))
    assert frame.instrument == "FEI Company Talos 4711"
    assert frame.sample == "grid 3"
    assert frame.channels[0].name == "HAADF"
    assert frame.channels[0].kind is ChannelKind.TRANSMITTED
    assert frame.extra["magnification"] == "20000"
    assert frame.warnings == ()


@pytest.mark.usefixtures("h5py")
def test_scan_rotation_is_turned_to_degrees(tmp_path: Path) -> None:
    """It turns the image against the stage."""
    image = EmdImage(pixels=noise(), more={"Scan": {"ScanRotation": f"{np.pi / 6}"}})
    frame, _ = read(tmp_path, image)

    assert frame.stage is not None
    assert frame.stage.scan_rotation_deg == pytest.approx(30.0)


@pytest.mark.usefixtures("h5py")
def test_last_frame_of_a_series_is_used(tmp_path: Path) -> None:
    """The specimen is nearest to its later state."""
    pixels = noise(frames=3)
    frame, planes = read(tmp_path, EmdImage(pixels=pixels))

    np.testing.assert_array_equal(planes[0], pixels[2])
    assert frame.warnings == ("time point 3 of 3",)


@pytest.mark.usefixtures("h5py")
def test_maps_of_elements_are_no_channels_of_the_scan(tmp_path: Path) -> None:
    """They are derived from it, and show few counts."""
    analytical = {"Detectors": {"Detector-0": {"DetectorType": "AnalyticalDetector"}}}
    haadf = noise()
    frame, planes = read(
        tmp_path,
        EmdImage(pixels=noise(seed=4), detector="Fe", more=analytical),
        EmdImage(pixels=haadf),
    )

    assert [channel.name for channel in frame.channels] == ["HAADF"]
    np.testing.assert_array_equal(planes[0], haadf)
    assert "1 of 2 images in the file are used" in frame.warnings


@pytest.mark.usefixtures("h5py")
def test_images_of_another_place_are_no_channels(tmp_path: Path) -> None:
    """The largest stands for the file."""
    frame, _ = read(
        tmp_path,
        EmdImage(pixels=noise()[:40], detector="A"),
        EmdImage(pixels=noise(), detector="B"),
        EmdImage(
            pixels=noise(), detector="C", more={"Stage": {"Position": {"x": "1e-3"}}}
        ),
    )

    assert [channel.name for channel in frame.channels] == ["B"]


@pytest.mark.usefixtures("h5py")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"BinaryResult": {}}, "no pixel size in the EMD metadata"),
        (
            {"BinaryResult": {"PixelSize": {"width": "-1"}, "PixelUnitX": "m"}},
            "cannot be true",
        ),
        (
            {"BinaryResult": {"PixelSize": {"width": "nan"}, "PixelUnitX": "m"}},
            "cannot be true",
        ),
        ({"Stage": {"Position": {"x": "1e9", "y": "0"}}}, "Stage/Position/x"),
        ({"Stage": {"Position": {"x": "0", "y": "0"}, "AlphaTilt": "99"}}, "AlphaTilt"),
    ],
)
def test_value_that_makes_no_sense_is_told(
    more: dict[str, Any], said: str, tmp_path: Path
) -> None:
    """It is not used, and somebody should know."""
    frame, _ = read(tmp_path, EmdImage(pixels=noise(), more=more))

    assert any(said in line for line in frame.warnings)


def altered(folder: Path, h5py: Any, change: Any) -> Path:
    """The good file after `change` of its contents."""
    path = folder / "grid.emd"
    path.write_bytes(encode_emd(SHOT, [EmdImage(pixels=noise())]))
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def metadata(text: bytes) -> Any:
    """A change of the document."""

    def change(file: Any) -> None:
        del file[_FIRST]["Metadata"]
        column = np.frombuffer(text, np.uint8)[:, None]
        file[_FIRST].create_dataset("Metadata", data=column)

    return change


@pytest.mark.parametrize(
    "text",
    [b"not json", b"[" * 100_000, b'"text"', b'{"Stage": 5, "BinaryResult": []}',
     json.dumps({"Stage": {"Position": {"x": "\x1b[31m"}}}).encode(), b"\xff\xfe"],
    ids=range(6),
)  # fmt: skip
def test_document_that_makes_no_sense_leaves_the_pixels(
    text: bytes, h5py: Any, tmp_path: Path
) -> None:
    """Whatever it holds, nothing of it is believed and nothing breaks."""
    frame, _ = read_all(DRIVER, altered(tmp_path, h5py, metadata(text)))

    assert (frame.pixel_size, frame.stage) == (None, None)
    assert all(line.isprintable() for line in frame.warnings)


def test_document_of_zeros_is_waited_for(h5py: Any, tmp_path: Path) -> None:
    """Velox reserves the room first."""
    with pytest.raises(IncompleteFileError, match="EMD metadata"):
        read_all(DRIVER, altered(tmp_path, h5py, metadata(bytes(4096))))


def test_document_without_columns_is_read(h5py: Any, tmp_path: Path) -> None:
    """Some programs that write the format keep one for all frames."""

    def change(file: Any) -> None:
        column = file[_FIRST]["Metadata"][:, 0]
        del file[_FIRST]["Metadata"]
        file[_FIRST].create_dataset("Metadata", data=column)

    frame, _ = read_all(DRIVER, altered(tmp_path, h5py, change))

    assert frame.stage is not None


def _replaced(create: Any) -> Any:
    def change(file: Any) -> None:
        group = file[_FIRST]
        del group["Data"]
        create(group)

    return change


def _external_link(group: Any) -> None:
    h5py = importlib.import_module("h5py")
    group["Data"] = h5py.ExternalLink("/etc/passwd", "/x")


def _soft_link(group: Any) -> None:
    h5py = importlib.import_module("h5py")
    group["Data"] = h5py.SoftLink("/Version")


def _external_storage(group: Any) -> None:
    group.create_dataset(
        "Data", shape=(8, 8, 1), dtype="u1", external=[("/etc/passwd", 0, 64)]
    )


def _virtual(group: Any) -> None:
    h5py = importlib.import_module("h5py")
    layout = h5py.VirtualLayout((8, 8, 1), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (8, 8, 1))
    group.create_virtual_dataset("Data", layout)


@pytest.mark.parametrize(
    ("create", "said"),
    [
        (_external_link, "no image in the EMD file"),
        (_soft_link, "no image in the EMD file"),
        (_external_storage, "pixels in another file"),
        (_virtual, "pixels in another file"),
        (
            lambda g: g.create_dataset(
                "Data", shape=(8, 8, 1), dtype="u1", chunks=(8, 8, 1), compression="lzf"
            ),
            "a form that is not read",
        ),
        (
            lambda g: g.create_dataset(
                "Data", shape=(1 << 20, 1 << 20, 1), dtype="f8", chunks=(16384, 8192, 1)
            ),
            "chunks",
        ),
        (lambda g: g.create_dataset("Data", (1 << 20, 1 << 20, 1), "u1"), "an image"),
        (lambda g: g.create_dataset("Data", (0, 8, 1), "u1"), "not an image"),
        (lambda g: g.create_dataset("Data", data=np.ones((8, 8), "u1")), "2 dimen"),
        (lambda g: g.create_dataset("Data", data=np.ones((8, 8, 1), "c8")), "complex"),
        (lambda g: g.create_dataset("Data", (2, 2, 1), "S3"), "no numbers"),
        (lambda g: g.create_group("Data"), "no image in the EMD file"),
    ],
    ids=range(12),
)
def test_hostile_or_other_content_is_refused_at_once(
    create: Any, said: str, h5py: Any, tmp_path: Path
) -> None:
    """No other file is opened, no filter loaded, no memory asked for."""
    path = altered(tmp_path, h5py, _replaced(create))
    started = time.perf_counter()
    with pytest.raises((RefusedFileError, IncompleteFileError)) as refused:
        read_all(DRIVER, path)

    assert said in str(refused.value)
    assert time.perf_counter() - started < 1.0


def test_diffraction_pattern_is_refused_by_name(h5py: Any, tmp_path: Path) -> None:
    """It shows angles, not the specimen."""
    unit = {"BinaryResult": {"PixelUnitX": "1/m"}}
    with pytest.raises(RefusedFileError, match=r"a diffraction pattern \(1/m\)"):
        read(tmp_path, EmdImage(pixels=noise(), more=unit))


def test_other_hdf5_files_are_left_to_others(h5py: Any, tmp_path: Path) -> None:
    """Under a name of their own they are not ours, under ours they are refused."""
    for name in ("other.h5", "other.emd"):
        with h5py.File(tmp_path / name, "w") as file:
            file["entry/data"] = np.ones((8, 8))

    assert not recognises(DRIVER, tmp_path / "other.h5")
    with pytest.raises(RefusedFileError, match="without images of Velox"):
        read_all(DRIVER, tmp_path / "other.emd")


def test_half_copied_file_is_waited_for(h5py: Any, tmp_path: Path) -> None:
    """The superblock says how long it will be."""
    data = encode_emd(SHOT, [EmdImage(pixels=noise())])
    (tmp_path / "grid.emd").write_bytes(data[:-100])
    with pytest.raises(IncompleteFileError) as waiting:
        read_all(DRIVER, tmp_path / "grid.emd")

    assert waiting.value.missing_to == len(data)


def test_newer_superblock_is_read(h5py: Any, tmp_path: Path) -> None:
    """Files that another program saved again."""
    path = altered(tmp_path, h5py, lambda _: None)
    with h5py.File(tmp_path / "new.emd", "w", libver="latest") as new:
        with h5py.File(path) as old:
            old.copy("Data", new)
    frame, _ = read_all(DRIVER, tmp_path / "new.emd")

    assert frame.shape == (_ROWS, _WIDTH)


def test_missing_extra_is_named_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The facility's administrator copies it."""
    monkeypatch.setitem(sys.modules, "h5py", None)
    superblock = b"\x89HDF\r\n\x1a\n" + bytes(5) + b"\x08\x08"
    length = superblock.ljust(40, b"\0") + (4096).to_bytes(8, "little")
    (tmp_path / "a.emd").write_bytes(length.ljust(4095, b"\0") + b"x")

    assert recognises(DRIVER, tmp_path / "a.emd")
    with pytest.raises(RefusedFileError, match=r"pip install 'clemd\[emd\]'"):
        read_all(DRIVER, tmp_path / "a.emd")


@pytest.mark.usefixtures("h5py")
def test_names_of_equal_detectors_are_numbered(tmp_path: Path) -> None:
    """A filtered copy keeps the detector's name."""
    frame, _ = read(tmp_path, EmdImage(pixels=noise()), EmdImage(pixels=noise(seed=9)))

    assert [channel.name for channel in frame.channels] == ["HAADF", "HAADF 2"]


@pytest.mark.usefixtures("h5py")
def test_time_that_cannot_be_true_is_not_used(tmp_path: Path) -> None:
    """A PC whose clock was never set."""
    shot = replace(SHOT, acquired_at=datetime(1970, 1, 2, tzinfo=UTC))
    (tmp_path / "a.emd").write_bytes(encode_emd(shot, [EmdImage(pixels=noise())]))
    frame, _ = read_all(DRIVER, tmp_path / "a.emd")

    assert frame.acquired_at is None
