"""The files of one image: in a folder beside an OIF text, or inside an OIB file."""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import Any, Protocol

from clemd.driver_api import HEAD_BYTES, SourceFile
from clemd.errors import ChangedFileError, RefusedFileError
from clemd_drivers.formats._inside import Inside

from ._ini import Sections, parse

OLE_MAGIC = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
INFO = "OibInfo.txt"
MAX_FILE_BYTES = 1 << 30
_MOST_STREAMS = 200_000


class Files(Protocol):
    """Where the planes and their texts lie."""

    main: bytes
    """The text that stands for the image, as written by the instrument."""

    def read(self, name: str) -> bytes | None:
        """The bytes of one file, or None where it is not there."""
        ...

    def hash_more(self, digest: hashlib._Hash, names: list[str]) -> None:
        """Take into account what the source itself does not hold."""
        ...

    def check_unchanged(self) -> None:
        """Raise ChangedFileError where a file is not as it was."""
        ...


class Folder:
    """`NAME.oif.files` beside `NAME.oif`."""

    def __init__(self, source: SourceFile) -> None:
        self._inside = Inside(source)
        self._folder = source.path.name + ".files"
        self.main = os.pread(source.fd, 1 << 20, 0)

    def read(self, name: str) -> bytes | None:
        """See `Files`; only the last part of the name counts."""
        base = PurePath(name.replace("\\", "/")).name
        return self._inside.read(f"{self._folder}/{base}", limit=MAX_FILE_BYTES)

    def hash_more(self, digest: hashlib._Hash, names: list[str]) -> None:
        """See `Files`."""
        for name in names:
            digest.update(hashlib.sha256(self.read(name) or b"").digest())

    def check_unchanged(self) -> None:
        """See `Files`."""
        if not self._inside.is_unchanged():
            raise ChangedFileError("a plane changed while the image was being read")


class Compound:
    """Streams of an OIB file, which is an OLE file."""

    def __init__(self, opened: Any) -> None:
        self._ole = opened
        info = parse(self._stream(INFO) or b"").get("OibSaveInfo", {})
        self._paths: dict[str, str] = {}
        for path in opened.listdir()[:_MOST_STREAMS]:
            name = info.get(path[-1])
            if name is not None:
                self._paths[PurePath(name.replace("\\", "/")).name] = "/".join(path)
        main = info.get("MainFileName", "")
        self.main = self._stream(main) or self._stream("Stream00000") or b""

    def read(self, name: str) -> bytes | None:
        """See `Files`; only the last part of the name counts."""
        path = self._paths.get(PurePath(name.replace("\\", "/")).name)
        return None if path is None else self._stream(path)

    def hash_more(self, digest: hashlib._Hash, names: list[str]) -> None:
        """Nothing: the source holds all of it."""

    def check_unchanged(self) -> None:
        """Nothing: the source is looked at itself."""

    def _stream(self, path: str) -> bytes | None:
        if not path or not self._ole.exists(path):
            return None
        if self._ole.get_size(path) > MAX_FILE_BYTES:
            raise RefusedFileError("a stream larger than a plane: export it again")
        return bytes(self._ole.openstream(path).read())


def library() -> Any | None:
    """The OLE library, or None where the extra is not installed."""
    try:
        return importlib.import_module("olefile")
    except ImportError:
        return None


@contextmanager
def opened(source: SourceFile) -> Iterator[Folder | Compound]:
    """The files of an OIF or OIB image.

    Raises:
        RefusedFileError: an OIB file whose library is not installed.
    """
    if not source.head.startswith(OLE_MAGIC):
        yield Folder(source)
        return
    olefile = library()
    if olefile is None:
        raise RefusedFileError(
            "an Olympus OIB file needs one more package: pip install 'clemd[oib]'"
        )
    with source.stream() as stream, olefile.OleFileIO(stream) as ole:
        yield Compound(ole)


@contextmanager
def as_source(name: str, data: bytes) -> Iterator[SourceFile]:
    """Bytes as an open file of their own, in memory only."""
    fd = os.memfd_create("plane")
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        yield SourceFile(
            path=Path(name),
            fd=fd,
            size_bytes=len(data),
            modified_ns=0,
            inode=0,
            head=data[:HEAD_BYTES],
            folder_fd=-1,
        )
    finally:
        os.close(fd)


def sections(files: Folder | Compound, name: str) -> Sections:
    """One text among the files; empty where it is not there."""
    data = files.read(name)
    return {} if data is None else parse(data)
