"""What every file reader must do, as tests that its own test class inherits.

A subclass says which driver and how to write a good file with known content; the suite
reads it back, then breaks it in every way that disks, shares and exporters do.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.driver_api import FormatDriver, PositionedDriver, SourceFile
from clemd.errors import ClemdError, IncompleteFileError, RefusedFileError
from clemd.model import Frame, Modality

_FOREIGN = {
    "empty": b"",
    "text": b"$CM_FORMAT 1.0\r\n$CM_MAG 50\r\n" * 40,
    "zeros": bytes(8192),
    "czi": b"ZISRAWFILE" + bytes(2000),
    "lone magic": b"II*\0",
    "noise": random.Random(1).randbytes(8192),  # noqa: S311 - repeatable on purpose
}
_MUTATIONS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodFile:
    """A file as written, and what a reader must say about it."""

    path: Path
    planes: tuple[NDArray[Any], ...]
    """Pixels of every channel, info bar included."""
    modality: Modality
    pixel_size_um: tuple[float, float] | None = None
    stage_um: tuple[float, float] | None = None
    info_bar_rows: int = 0


def read_all(driver: FormatDriver, path: Path) -> tuple[Frame, list[NDArray[Any]]]:
    """Read a file as the child does: header, tail, every channel, header again.

    Raises:
        ClemdError: the file is refused or incomplete.
    """
    with SourceFile.open(path) as source, driver.open(source) as reader:
        check_tail = getattr(reader, "check_tail", None)
        if check_tail is not None:
            check_tail()
        planes: list[NDArray[Any]] = []
        while len(planes) < len(reader.frame.channels):
            planes.append(reader.plane(len(planes)))
        return reader.frame, planes


def recognises(driver: FormatDriver, path: Path) -> bool:
    """Does the driver take this file?"""
    with SourceFile.open(path) as source:
        return driver.recognises(source)


class FormatDriverSuite:
    """Inherit it, override `driver` and `write_good`."""

    driver: FormatDriver

    def write_good(self, path: Path) -> GoodFile:
        """Write a complete file at `path`, the way the instrument does."""
        raise NotImplementedError

    @pytest.fixture
    def good(self, tmp_path: Path) -> GoodFile:
        """A complete file."""
        return self.write_good(tmp_path / "good.img")

    def test_driver_meets_the_protocol(self) -> None:
        """Discovery sorts by priority and reports name and version."""
        assert isinstance(self.driver, FormatDriver)
        assert self.driver.name
        assert self.driver.version

    def test_own_file_is_recognised(self, good: GoodFile) -> None:
        """By content: the suffix here says nothing."""
        assert recognises(self.driver, good.path)

    @pytest.mark.parametrize("kind", _FOREIGN)
    def test_foreign_file_is_left_alone(self, kind: str, tmp_path: Path) -> None:
        """A driver that takes what it cannot read hides the one that could."""
        path = tmp_path / "foreign.tif"
        path.write_bytes(_FOREIGN[kind])
        if recognises(self.driver, path):
            with pytest.raises((IncompleteFileError, RefusedFileError)):
                read_all(self.driver, path)

    def test_each_position_opens(self, good: GoodFile) -> None:
        """A file of several images is read image by image."""
        if not isinstance(self.driver, PositionedDriver):
            pytest.skip("its files hold one image")
        with SourceFile.open(good.path) as source:
            count = self.driver.positions(source)
            for position in range(count):
                with self.driver.open_at(source, position) as reader:
                    assert reader.plane(0).shape == reader.frame.shape
        assert count >= 1

    def test_pixels_come_back_exactly(self, good: GoodFile) -> None:
        """Registration measures fractions of a grey value."""
        frame, planes = read_all(self.driver, good.path)

        assert frame.shape == good.planes[0].shape
        assert len(planes) == len(good.planes)
        for plane, written in zip(planes, good.planes, strict=True):
            np.testing.assert_array_equal(plane, written)
            assert plane.dtype.name == frame.dtype

    def test_facts_come_back_in_our_units(self, good: GoodFile) -> None:
        """Vendors write nm, mm, metres and radians; nobody else may have to know."""
        frame, _ = read_all(self.driver, good.path)
        size, pose = frame.pixel_size, frame.stage

        assert frame.driver == self.driver.name
        assert frame.modality is good.modality
        assert frame.info_bar_rows == good.info_bar_rows
        assert (size is None) == (good.pixel_size_um is None)
        if size is not None:
            assert (size.x_um, size.y_um) == pytest.approx(good.pixel_size_um, rel=2e-3)
        assert (pose is None) == (good.stage_um is None)
        if pose is not None:
            assert (pose.x_um, pose.y_um) == pytest.approx(good.stage_um, abs=0.1)

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
    def test_truncated_file_is_never_read(self, share: float, good: GoodFile) -> None:
        """A half-copied image must wait, not be registered with missing pixels."""
        data = good.path.read_bytes()
        good.path.write_bytes(data[: int(len(data) * share)])
        if not recognises(self.driver, good.path):
            return  # its directory is still to come
        with pytest.raises((IncompleteFileError, RefusedFileError)) as raised:
            read_all(self.driver, good.path)
        error = raised.value
        if isinstance(error, IncompleteFileError):
            assert error.missing_from < error.missing_to
            assert error.missing_to > int(len(data) * share)

    def test_zero_tail_is_never_read(self, good: GoodFile) -> None:
        """Space reserved by a copy program reads as zeros until the data arrive."""
        data = good.path.read_bytes()
        kept = int(len(data) * 0.6)
        good.path.write_bytes(data[:kept] + bytes(len(data) - kept))
        if not recognises(self.driver, good.path):
            return
        with pytest.raises((IncompleteFileError, RefusedFileError)):
            read_all(self.driver, good.path)

    def test_damaged_bytes_raise_our_errors_only(self, good: GoodFile) -> None:
        """Whatever a disk does to a file, the reader says so in one line."""
        data = good.path.read_bytes()
        dice = random.Random(7)  # noqa: S311 - repeatable on purpose
        for _ in range(_MUTATIONS):
            damaged = bytearray(data)
            for _ in range(dice.choice((1, 4, 64))):
                # Headers are short: half of the damage is aimed at either end.
                at = dice.choice((dice.randrange(400), -1 - dice.randrange(400)))
                at = dice.choice((at, dice.randrange(len(data))))
                damaged[at] = dice.randrange(256)
            good.path.write_bytes(damaged)
            if not recognises(self.driver, good.path):
                continue
            said = ""
            try:
                read_all(self.driver, good.path)
            except ClemdError as error:
                said = str(error)
            assert said.isprintable()

    def test_file_and_folder_are_left_as_they_were(self, good: GoodFile) -> None:
        """Inputs belong to the user."""
        before = good.path.read_bytes(), good.path.stat().st_mtime_ns
        read_all(self.driver, good.path)

        assert (good.path.read_bytes(), good.path.stat().st_mtime_ns) == before
        assert list(good.path.parent.iterdir()) == [good.path]

    def test_every_text_is_one_printable_line(self, good: GoodFile) -> None:
        """Facts are shown on pages and in logs."""
        frame, _ = read_all(self.driver, good.path)

        texts = [*frame.warnings, *frame.extra.values(), frame.instrument or ""]
        assert all(text.isprintable() for text in texts)
