"""What a driver must be, what it may raise, and how it is found.

Three kinds of driver, each found by entry point and loaded on first use:

* `clemd.formats`     a `FormatDriver`: reads a vendor's files (sandboxed child)
* `clemd.sensors`     a `SensorDriver`: finds temperature sensors
* `clemd.simulators`  a `Simulator`: writes real files as a microscope would
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

from numpy.typing import NDArray

from clemd.errors import ChangedFileError, RefusedFileError
from clemd.model import Frame, LeverState, ThermalReading

HEAD_BYTES = 4096
ANCHORS = ("zarr.json", ".zattrs")
"""Files that stand for an image that is a folder."""


def anchor_of(path: Path) -> Path:
    """The file to open for `path`: itself, or the one that stands for its folder."""
    if path.is_dir() and not path.is_symlink():
        for name in ANCHORS:
            if (path / name).is_file():
                return path / name
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One regular file, opened once without following links, never by name again."""

    path: Path
    """As found; for messages and for the stem and suffix. Open it with `stream`."""
    fd: int
    size_bytes: int
    modified_ns: int
    inode: int
    head: bytes
    """The first `HEAD_BYTES` bytes."""
    folder_fd: int = field(repr=False)
    stack: str = "auto"
    """What a series in depth is to become: `auto`, `focus` or `maximum`."""
    beside: dict[str, str] = field(default_factory=dict, repr=False)
    """Siblings that were opened: name -> `SIZE@MODIFIED_NS`."""

    @classmethod
    def open(cls, path: Path, *, stack: str = "auto") -> SourceFile:
        """Open `path` for reading.

        Raises:
            RefusedFileError: a symlink, FIFO, device or folder, or not permitted.
            ChangedFileError: it is gone.
        """
        folder_fd = -1
        try:
            folder_fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            return cls._open_in(folder_fd, path, stack)
        except (FileNotFoundError, NotADirectoryError) as gone:
            if folder_fd >= 0:
                os.close(folder_fd)
            raise ChangedFileError("the file is gone") from gone
        except BaseException:
            if folder_fd >= 0:
                os.close(folder_fd)
            raise

    @classmethod
    def _open_in(cls, folder_fd: int, path: Path, stack: str) -> SourceFile:
        # O_NONBLOCK: opening a FIFO must not wait for its writer.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(path.name, flags, dir_fd=folder_fd)
        except FileNotFoundError:
            raise
        except PermissionError as denied:
            raise RefusedFileError(
                "not readable: give the daemon's user read permission"
            ) from denied
        except OSError as failed:
            if path.is_symlink():
                raise RefusedFileError(
                    "a symbolic link: export the file itself into the folder"
                ) from failed
            raise RefusedFileError(f"cannot be opened: {failed.strerror}") from failed
        facts = os.fstat(fd)
        if not stat.S_ISREG(facts.st_mode):
            os.close(fd)
            raise RefusedFileError("not a regular file: remove it from the folder")
        return cls(
            path=path,
            fd=fd,
            size_bytes=facts.st_size,
            modified_ns=facts.st_mtime_ns,
            inode=facts.st_ino,
            head=os.pread(fd, HEAD_BYTES, 0),
            folder_fd=folder_fd,
            stack=stack,
        )

    def stream(self) -> BinaryIO:
        """A fresh seekable stream over the open file, at its start."""
        return open(f"/proc/self/fd/{self.fd}", "rb")  # noqa: PTH123

    def sibling(self, name: str) -> bytes | None:
        """The bytes (at most 1 MiB) of a file beside this one, or None.

        Only the last part of `name` counts: a path written in metadata is never
        followed out of the folder.
        """
        base = Path(name.replace("\\", "/")).name
        if base in {"", ".", ".."}:
            return None
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            fd = os.open(base, flags, dir_fd=self.folder_fd)
        except OSError:
            return None
        try:
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                return None
            self.beside[base] = f"{facts.st_size}@{facts.st_mtime_ns}"
            return os.pread(fd, 1 << 20, 0)
        finally:
            os.close(fd)

    def check_unchanged(self) -> None:
        """Make sure that what was read is what the folder holds now.

        Raises:
            ChangedFileError: the file grew, shrank, was rewritten or replaced.
        """
        facts = os.fstat(self.fd)
        if (facts.st_size, facts.st_mtime_ns) != (self.size_bytes, self.modified_ns):
            raise ChangedFileError("the file changed while it was being read")
        try:
            named = os.stat(
                self.path.name, dir_fd=self.folder_fd, follow_symlinks=False
            )
        except FileNotFoundError as gone:
            raise ChangedFileError(
                "the file vanished while it was being read"
            ) from gone
        if named.st_ino != self.inode:
            raise ChangedFileError("the file was replaced while it was being read")

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self.fd)
        os.close(self.folder_fd)

    def __enter__(self) -> SourceFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class FrameReader(Protocol):
    """One opened image."""

    frame: Frame
    """The facts; `content_sha256`, `size_bytes` and `path` are filled in later."""

    def plane(self, channel: int) -> NDArray[Any]:
        """Pixels of one channel, (height, width), as stored, info bar included.

        `frame` may be refined by this (info bar, colour that is grey): look again.

        Raises:
            IncompleteFileError: bytes are missing; the range says which.
            RefusedFileError: the pixels cannot be decoded.
        """
        ...


@runtime_checkable
class FormatDriver(Protocol):
    """Reads one family of files. Stateless; runs only in the sandboxed child."""

    name: str
    version: str
    priority: int
    """Drivers are asked in ascending order; the plain reader comes last."""

    def recognises(self, source: SourceFile) -> bool:
        """Is this file ours? Cheap; must not raise on any input."""
        ...

    def open(self, source: SourceFile) -> AbstractContextManager[FrameReader]:
        """Read the header.

        Raises:
            IncompleteFileError: the structure points past the end of the file.
            RefusedFileError: never readable; the reason says why in one line.
        """
        ...


@runtime_checkable
class PositionedDriver(Protocol):
    """A `FormatDriver` of files that may hold several images: scenes, positions.

    Its `open` reads the one that stands for the file, and says so.
    """

    def positions(self, source: SourceFile) -> int:
        """How many images the file holds.

        Raises:
            IncompleteFileError: the structure points past the end of the file.
            RefusedFileError: never readable.
        """
        ...

    def open_at(
        self, source: SourceFile, position: int | None
    ) -> AbstractContextManager[FrameReader]:
        """Read one image, counted from zero; None: as `open`.

        Raises:
            IncompleteFileError: the structure points past the end of the file.
            RefusedFileError: this one is never readable.
        """
        ...


class Sensor(Protocol):
    """One device's thermometer."""

    name: str

    def read(self) -> ThermalReading:
        """Look once, quickly.

        Raises:
            SensorLostError: it no longer answers.
        """
        ...

    def close(self) -> None:
        """Let go of the device."""
        ...


class Levers(Protocol):
    """What may be set on one device, where the rights suffice."""

    def look(self) -> LeverState:
        """What is set now.

        Raises:
            SensorLostError: the device no longer answers.
        """
        ...

    def set_power_limit(self, watts: float) -> None:
        """Let the device draw no more than this.

        Raises:
            LeverRefusedError: it does not let itself be set; the reason says why.
            SensorLostError: it no longer answers.
        """
        ...

    def lock_clocks(self, least_mhz: int, most_mhz: int) -> None:
        """Keep its graphics clock between the two.

        Raises:
            LeverRefusedError, SensorLostError: as for the power limit.
        """
        ...

    def free_clocks(self) -> None:
        """Its clock is its own again.

        Raises:
            LeverRefusedError, SensorLostError: as for the power limit.
        """
        ...


@runtime_checkable
class LeverSensor(Protocol):
    """A `Sensor` of a device whose power and clocks can be set."""

    def levers(self) -> Levers:
        """Its levers; asks nothing yet."""
        ...


@runtime_checkable
class SensorDriver(Protocol):
    """Finds sensors of one kind. Must not raise where there are none."""

    name: str
    priority: int

    def discover(self) -> Sequence[Sensor]:
        """All sensors of this kind on this machine; empty where there are none."""
        ...


@runtime_checkable
class SensorHints(Protocol):
    """What a `SensorDriver` may say beside, for a sensor that is named and absent."""

    is_numbered: bool
    """Its sensors are named `driver:0`, `driver:1` ..."""
    mend: str
    """What to do where it finds none."""


@runtime_checkable
class Simulator(Protocol):
    """Writes real files into watched folders, as microscopes would."""

    name: str

    def command(
        self,
        *,
        em_folder: Path,
        lm_folder: Path,
        truth_file: Path,
        seed: int,
        plan: str,
    ) -> list[str]:
        """The command line of a process that plays one session and ends.

        `truth_file` is written for judges only and lies outside every folder the
        daemon can see. `plan` names a session, e.g. `demo` or `quick`.
        """
        ...


def load_drivers(group: str) -> Iterator[Any]:
    """The installed drivers of `group`, ascending by priority then name."""
    found = [point.load() for point in entry_points(group=group)]
    yield from sorted(found, key=lambda d: (getattr(d, "priority", 0), d.name))


__all__ = [
    "FormatDriver",
    "FrameReader",
    "LeverSensor",
    "Levers",
    "PositionedDriver",
    "Sensor",
    "SensorDriver",
    "Simulator",
    "SourceFile",
    "anchor_of",
    "load_drivers",
]
