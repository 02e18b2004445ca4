"""A pool over real folders, and a hostile driver installed as a real package."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from clemd.config import ReadingSettings
from clemd.reading import ReaderPool, ReadRequest

_HOSTILE = '''
"""Does, inside the child, whatever the file says."""

import ctypes, os, socket, subprocess, time
from contextlib import contextmanager

import numpy as np

from clemd.model import Channel, Frame, Modality


def attempt(action, argument):
    if action == "read":
        return open(argument, "rb").read(10).decode("ascii", "replace")
    if action == "list":
        return str(len(os.listdir(argument)))
    if action == "write":
        return str(open(argument, "w").write("x"))
    if action == "connect":
        socket.create_connection(("127.0.0.1", int(argument)), 1)
        return "connected"
    if action == "unix":
        socket.socket(socket.AF_UNIX)
        return "socket"
    if action == "run":
        return subprocess.run([argument], check=False).stdout or "ran"
    if action == "fork":
        os._exit(0) if os.fork() == 0 else None
        return "forked"
    if action == "kill":
        os.kill(int(argument), 0)
        return "signalled"
    if action == "chmod":
        os.chmod(argument, 0o777)
        return "changed"
    if action == "touch":
        os.utime(argument)
        return "touched"
    if action == "thread":
        import threading
        thread = threading.Thread(target=time.sleep, args=(0,))
        thread.start()
        thread.join()
        return "joined"
    if action == "hang":
        open(argument, "w").close() if argument.startswith("/") else None
        time.sleep(600)
    if action == "spin":
        while True:
            pass
    if action == "crash":
        ctypes.string_at(0)
    if action == "eat":
        return str(len(bytearray(int(argument))))
    if action == "print":
        print("x" * 100_000)
        return "printed"
    if action == "raise":
        raise RuntimeError("several\\nlines")
    if action == "pid":
        return str(os.getpid())


class Reader:
    def __init__(self, outcome):
        self.frame = Frame(
            path="", driver="hostile", driver_version="1", modality=Modality.UNKNOWN,
            shape=(2, 2), dtype="uint8", channels=(Channel(name="a"),),
            extra={"outcome": outcome},
        )

    def plane(self, channel):
        return np.zeros((2, 2), np.uint8)


class Driver:
    name, version, priority = "hostile", "1", 0

    def recognises(self, source):
        return source.head.startswith(b"DO ")

    @contextmanager
    def open(self, source):
        _, action, argument = source.head.decode().split(" ", 2)
        try:
            yield Reader(attempt(action, argument))
        except OSError as failed:
            yield Reader(type(failed).__name__)


DRIVER = Driver()
'''


@dataclass(frozen=True)
class Places:
    """Folders of one test module; starting a child costs too much to do it per test."""

    home: Path
    export: Path
    cache: Path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    """A home with a watched folder and a cache in it."""
    home = tmp_path_factory.mktemp("home")
    places = Places(home, home / "export", home / "cache")
    places.export.mkdir()
    places.cache.mkdir()
    return places


@pytest.fixture
def export(places: Places) -> Iterator[Path]:
    """The watched folder, emptied afterwards."""
    yield places.export
    _empty(places.export)


@pytest.fixture
def cache(places: Places) -> Iterator[Path]:
    """Where planes go, emptied afterwards."""
    yield places.cache
    _empty(places.cache)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


@pytest.fixture(scope="module")
def pool(places: Places) -> Iterator[ReaderPool]:
    """A pool with the usual limits."""
    with ReaderPool(
        ReadingSettings(), allow=[places.export], cache=places.cache
    ) as pool:
        yield pool


@pytest.fixture(scope="module")
def hostile_package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the hostile driver as pip would install it."""
    packages = tmp_path_factory.mktemp("packages")
    facts = packages / "hostile-1.dist-info"
    facts.mkdir()
    (packages / "hostile.py").write_text(_HOSTILE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile\nVersion: 1")
    (facts / "entry_points.txt").write_text(
        "[clemd.formats]\nhostile = hostile:DRIVER\n"
    )
    return packages


@pytest.fixture(scope="module")
def hostile(places: Places, hostile_package: Path) -> Iterator[ReaderPool]:
    """A pool with tight limits, in whose children the hostile driver is installed."""
    settings = ReadingSettings(time_limit_s=1.5, memory_limit_mb=256)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(hostile_package))
        with ReaderPool(settings, allow=[places.export], cache=places.cache) as pool:
            yield pool


@pytest.fixture
def ask(export: Path, cache: Path) -> Callable[..., ReadRequest]:
    """A request for a file of the watched folder."""

    def make(name: str, **changes: object) -> ReadRequest:
        path = str(export / name)
        values = {"path": path, "root": str(export), "cache": str(cache), **changes}
        return ReadRequest(**values)  # type: ignore[arg-type]

    return make


@pytest.fixture
def image(export: Path) -> np.ndarray:
    """`a.tif` in the watched folder; its pixels."""
    pixels = np.random.default_rng(2).integers(1, 250, (96, 128), dtype=np.uint8)
    tifffile.imwrite(export / "a.tif", pixels, metadata=None)
    return pixels
