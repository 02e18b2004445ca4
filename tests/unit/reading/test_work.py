"""A result is given only for bytes that held still while they were read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import ChangedFileError
from clemd.model import Channel, Frame, Modality
from clemd.reading import ReadRequest
from clemd.reading._work import read


def grow(path: Path) -> None:
    """The writer was not done."""
    with path.open("ab") as stream:
        stream.write(b"more")


def rewrite(path: Path) -> None:
    """Same size, other bytes."""
    before = path.stat()
    path.write_bytes(b"x" * before.st_size)
    os.utime(path, ns=(0, before.st_mtime_ns + 1))


def replace(path: Path) -> None:
    """A new file under the old name, with the old time."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(0, before.st_mtime_ns))
    other.replace(path)


class MeddlingDriver:
    """Changes the file while the second channel is decoded; is its own reader."""

    name, version, priority = "meddling", "1", 0
    frame = Frame(
        path="",
        driver="meddling",
        driver_version="1",
        modality=Modality.UNKNOWN,
        shape=(2, 2),
        dtype="uint8",
        channels=(Channel(name="a"), Channel(name="b")),
    )

    def __init__(self, path: Path, meddle: Callable[[Path], None]) -> None:
        self._path, self._meddle = path, meddle

    def recognises(self, source: SourceFile) -> bool:
        """Everything."""
        return True

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[MeddlingDriver]:
        """Itself."""
        yield self

    def plane(self, channel: int) -> NDArray[Any]:
        """Four pixels."""
        if channel == 1:
            self._meddle(self._path)
        return np.zeros((2, 2), np.uint8)


@pytest.mark.parametrize("meddle", [grow, rewrite, replace, Path.unlink])
def test_file_that_changes_under_the_reader_gives_no_planes(
    meddle: Callable[[Path], None], tmp_path: Path
) -> None:
    """Half of one image and half of another would be registered as one."""
    path, cache = tmp_path / "a.tif", tmp_path / "cache"
    path.write_bytes(b"0123456789")
    cache.mkdir()
    request = ReadRequest(path=str(path), root=str(tmp_path), cache=str(cache))

    with pytest.raises(ChangedFileError):
        read(request, [MeddlingDriver(path, meddle)], max_pixels=100)
    assert list(cache.iterdir()) == []
