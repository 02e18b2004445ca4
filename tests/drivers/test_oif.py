"""Olympus images, as a folder of planes and as one file."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from clemd.config import ReadingSettings
from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame, Modality
from clemd.reading import ReaderPool, ReadRequest
from clemd.testing import FormatDriverSuite, GoodFile, read_all
from clemd_drivers.formats.oif import DRIVER, _files
from clemd_drivers.simulated._field import Field
from clemd_drivers.simulated._oif import encode_oib, encode_oif
from clemd_drivers.simulated._ole import ole_bytes
from clemd_drivers.simulated._shots import LightShot, Stage

SHOT = LightShot(
    name="good",
    field=Field.at(shape=(96, 128), pixel_um=0.3),
    metadata_pixel_um=0.3,
    stage=Stage(x_um=1234.5, y_um=-678.25),
    acquired_at=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    sample="liver 7",
    habit="plain",
    seed=1,
)


def noise(*shape: int) -> np.ndarray:
    """Samples without a zero."""
    return np.random.default_rng(4).integers(1, 4000, shape, dtype=np.uint16)


PIXELS = noise(3, 96, 128)


def write(folder: Path, files: dict[str, bytes]) -> Path:
    """Write an image; the file that stands for it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder / next(iter(files))


class TestOib(FormatDriverSuite):
    """The contract, on one file."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Three channels."""
        path.write_bytes(encode_oib(SHOT, PIXELS))
        return GoodFile(
            path=path,
            planes=tuple(PIXELS),
            modality=Modality.CLSM,
            pixel_size_um=(0.3, 0.3),
            stage_um=(1234.5, -678.25),
        )


class TestOif(FormatDriverSuite):
    """The contract, on a text and its folder."""

    driver = DRIVER

    def write_good(self, path: Path) -> GoodFile:
        """Three channels."""
        return GoodFile(
            path=write(path.parent, encode_oif(SHOT, PIXELS)),
            planes=tuple(PIXELS),
            modality=Modality.CLSM,
            pixel_size_um=(0.3, 0.3),
            stage_um=(1234.5, -678.25),
        )

    def test_zero_tail_is_never_read(self, good: GoodFile) -> None:
        """The tail of a plane, not that of the text, is where pixels are missing."""
        plane = good.path.with_name("good.oif.files") / "s_C002.tif"
        data = plane.read_bytes()
        plane.write_bytes(data[:-5000] + bytes(5000))

        with pytest.raises(IncompleteFileError, match="tail is still zero"):
            read_all(self.driver, good.path)

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Inputs belong to the user, every file of them."""
        folder = good.path.parent
        before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        read_all(self.driver, good.path)

        assert before == {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read(path: Path) -> tuple[Frame, list[np.ndarray]]:
    """As the child does."""
    return read_all(DRIVER, path)


def test_facts_of_channels_time_and_instrument(tmp_path: Path) -> None:
    """What pairing and the choice of a channel need."""
    frame, _ = read(write(tmp_path, encode_oif(SHOT, PIXELS)))

    assert [(c.name, c.kind.value) for c in frame.channels] == [
        ("CHS1", "fluorescence"),
        ("CHS2", "fluorescence"),
        ("TD1", "transmitted"),
    ]
    assert frame.acquired_at == datetime(2026, 3, 4, 5, 6, 7)  # noqa: DTZ001
    assert frame.instrument == "Olympus FLUOVIEW FV1000"
    assert any("nanometres" in warning for warning in frame.warnings)


def test_stack_becomes_one_plane_by_the_common_rule(tmp_path: Path) -> None:
    """The maximum for labels, the sharpest for transmitted light."""
    pixels = noise(3, 4, 96, 128)
    frame, planes = read(write(tmp_path, encode_oif(SHOT, pixels)))

    np.testing.assert_array_equal(planes[0], pixels[0].max(axis=0))
    assert any("sharpest of 4 depths" in warning for warning in frame.warnings)


def test_plane_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    """The text is written first, the planes one by one."""
    path = write(tmp_path, encode_oif(SHOT, PIXELS))
    (tmp_path / "good.oif.files/s_C003.tif").unlink()

    with pytest.raises(IncompleteFileError, match=r"s_C003\.tif is not there yet"):
        read(path)


def test_names_do_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    """The text comes from outside; what it names may not."""
    files = encode_oif(SHOT, PIXELS)
    text = files["good.oif"].decode("utf-16")
    text = text.replace("good.oif.files\\s_C001", "..\\..\\s_C001")
    files["good.oif"] = text.encode("utf-16")
    write(tmp_path / "a", {"s_C001.tif": b"not for you"})

    assert len(read(write(tmp_path / "a" / "b", files))[1]) == 3


def test_missing_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says how to get it."""
    (tmp_path / "a.oib").write_bytes(encode_oib(SHOT, PIXELS))
    monkeypatch.setattr(_files, "library", lambda: None)

    with pytest.raises(RefusedFileError, match=r"pip install 'clemd\[oib\]'"):
        read(tmp_path / "a.oib")


def test_other_ole_files_are_left_alone(tmp_path: Path) -> None:
    """Word documents and Zeiss ZVI begin with the same bytes."""
    (tmp_path / "a.zvi").write_bytes(ole_bytes({"Image/Contents": bytes(9000)}))
    with SourceFile.open(tmp_path / "a.zvi") as source:
        assert not DRIVER.recognises(source)


def test_child_reads_what_lies_beside_and_inside(tmp_path: Path) -> None:
    """The sandbox lets it open the planes' folder, and memory that has no name."""
    export, cache = tmp_path / "export", tmp_path / "cache"
    cache.mkdir()
    write(export, encode_oif(SHOT, PIXELS))
    (export / "b.oib").write_bytes(encode_oib(SHOT, PIXELS))
    with ReaderPool(ReadingSettings(), allow=[export], cache=cache) as pool:
        for name in ("good.oif", "b.oib"):
            request = ReadRequest(
                path=str(export / name), root=str(export), cache=str(cache)
            )
            found = pool.read_blocking(request)
            planes = [np.load(cache / plane) for plane in found.planes]
            np.testing.assert_array_equal(np.stack(planes), PIXELS)
