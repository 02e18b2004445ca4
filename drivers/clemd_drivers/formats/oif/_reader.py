"""Open an OIF or OIB image: a text for the whole, a TIFF file for every plane."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Frame
from clemd_drivers.formats._beside import decoded
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._light import modality_of
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._tiff import TiffPixels
from clemd_drivers.formats._values import cleaned

from . import _facts, _files, _ini

_MARK = "[ProfileSaveInfo]"
_BOM, _BRACKET = b"\xff\xfe", b"["
_PLANE_TEXT = re.compile(r"IniFileName\d*")
_PLACE = re.compile(r"([CZTL])(\d{3,5})")
_MOST_PLANES = 100_000
_MOST_CHANNELS = 32


class OifReader:
    """One opened image."""

    def __init__(
        self,
        source: SourceFile,
        files: _files.Folder | _files.Compound,
        planes: dict[tuple[int, PlaneKey], str],
        frame: Frame,
    ) -> None:
        self._source = source
        self._files = files
        self._planes = planes
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        keys = tuple(key for c, key in self._planes if c == channel)
        chosen = choose(
            facts.kind,
            keys,
            lambda key: self._decode(self._planes[channel, key]),
            self._source.stack,
        )
        if chosen.said and chosen.said not in self.frame.warnings:
            told = (*self.frame.warnings, chosen.said)
            self.frame = replace(self.frame, warnings=told)
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where text or planes are not all there."""
        _check_text(self._source, self._files.main, self._planes)
        for name in self._planes.values():
            with _files.as_source(name, self._bytes(name)) as plane:
                with TiffPixels(plane) as pixels:
                    pixels.check_tail()

    def hash_more(self, digest: hashlib._Hash) -> None:
        """The planes of an OIF image lie in files of their own."""
        self._files.hash_more(digest, list(self._planes.values()))

    def check_unchanged(self) -> None:
        """Raise ChangedFileError where one of them changed meanwhile."""
        self._files.check_unchanged()

    def _decode(self, name: str) -> NDArray[Any]:
        with _files.as_source(name, self._bytes(name)) as plane:
            with TiffPixels(plane) as pixels:
                decoded_plane = pixels.decode(pixels.pages[0])
        if decoded_plane.shape != self.frame.shape:
            raise RefusedFileError(f"{name} is of another size: export it again")
        return decoded_plane

    def _bytes(self, name: str) -> bytes:
        data = self._files.read(name)
        if data is None:
            raise _missing(name)
        return data


class OifDriver:
    """Reads images of FluoView: OIF folders and OIB files."""

    name = "oif"
    version = "1"
    priority = 45

    def recognises(self, source: SourceFile) -> bool:
        """Is it FluoView's text, or an OLE file that holds one?"""
        if source.head.startswith(_files.OLE_MAGIC):
            if source.path.suffix.lower() == ".oib":
                return True  # incomplete, or its extra is missing: ours by its name
            return _holds_info(source)
        if not source.head.startswith((_BOM, _BRACKET)):
            return False
        return _MARK in decoded(_files.Folder(source).main)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[OifReader]:
        """Read the texts; see `FormatDriver.open`."""
        with guarded("opening the Olympus file"), _opened(source) as files:
            reader = self._reader(source, files)
            yield reader

    def _reader(
        self, source: SourceFile, files: _files.Folder | _files.Compound
    ) -> OifReader:
        main = _ini.parse(files.main)
        if "ProfileSaveInfo" not in main:
            raise RefusedFileError("the FluoView text is missing: export it again")
        planes = _planes(main, files)
        first = next(iter(planes.values()))
        data = files.read(first)
        if data is None:
            raise _missing(first)
        with _files.as_source(first, data) as plane, TiffPixels(plane) as pixels:
            page = pixels.pages[0]
            notes = Notes(pixels.doubts)
        count = 1 + max(channel for channel, _ in planes)
        channels = _facts.channels(main, count)
        beside = _files.sections(files, first.rpartition(".")[0] + ".pty")
        name = main["ProfileSaveInfo"].get("Name")
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality_of(
                ("LaserScanningConfocalMicroscopy",), channels, "Olympus"
            ),
            shape=(page.height, page.width),
            dtype=page.dtype.newbyteorder("=").name,
            channels=channels,
            pixel_size=_facts.pixel_size(main, notes),
            stage=_facts.stage(beside, notes),
            acquired_at=_facts.acquired_at(main),
            instrument=_facts.instrument(main),
            extra=cleaned({"image_name": name}),
        )
        return OifReader(
            source, files, planes, replace(frame, warnings=tuple(notes.lines))
        )


def _planes(
    main: _ini.Sections, files: _files.Folder | _files.Compound
) -> dict[tuple[int, PlaneKey], str]:
    """(channel, place) -> TIFF file, as the main text lists them.

    Raises:
        IncompleteFileError: it lists none yet.
        RefusedFileError: too many.
    """
    sizes = _facts.sizes(main)
    listed = [
        name
        for key, name in main["ProfileSaveInfo"].items()
        if _PLANE_TEXT.fullmatch(key) and name.lower().endswith(".pty")
    ]
    names = [name.replace("\\", "/").rpartition("/")[2] for name in listed]
    if not names:
        names = list(_by_sizes(sizes))
    if len(names) > _MOST_PLANES:
        raise RefusedFileError(f"{len(names)} planes: export fewer at a time")
    found = {}
    for name in names:
        stem = name.rpartition(".")[0] or name
        at = {axis: int(place) - 1 for axis, place in _PLACE.findall(stem)}
        if not at or min(at.values()) < 0 or at.get("C", 0) >= _MOST_CHANNELS:
            continue
        key = PlaneKey(t=at.get("T", 0), z=at.get("Z", 0), spectral=at.get("L", 0))
        found[at.get("C", 0), key] = f"{stem}.tif"
    if not found or {c for c, _ in found} != set(range(1 + max(c for c, _ in found))):
        raise RefusedFileError("its text lists no planes: export it again")
    return found


def _check_text(
    source: SourceFile, main: bytes, planes: dict[tuple[int, PlaneKey], str]
) -> None:
    """A text that ends early lists fewer planes, and says less of them."""
    said = _ini.parse(main)
    declared = _facts.sizes(said)
    count = 1
    for axis in "CZTL":
        count *= declared.get(axis, 1)
    is_whole = decoded(main).endswith("\n") and "Reference Image Parameter" in said
    if is_whole and len(planes) >= count:
        return
    raise IncompleteFileError(
        f"its text is not whole: {len(planes)} of {count} planes are listed",
        missing_from=source.size_bytes,
        missing_to=source.size_bytes + 1,
    )


def _by_sizes(sizes: dict[str, int]) -> Iterator[str]:
    """Names as FluoView makes them, where the text does not list them."""
    axes = [axis for axis in "CZTL" if sizes.get(axis, 1) > 1] or ["C"]
    names = ["s_"]
    for axis in axes:
        count = min(sizes.get(axis, 1), _MOST_PLANES)
        if len(names) * count > _MOST_PLANES:
            raise RefusedFileError("more planes than are read: export fewer at a time")
        names = [f"{one}{axis}{n:03}" for one in names for n in range(1, count + 1)]
    return (f"{name}.pty" for name in names)


@contextmanager
def _opened(source: SourceFile) -> Iterator[_files.Folder | _files.Compound]:
    try:
        with _files.opened(source) as files:
            yield files
    except (OSError, ValueError, IndexError, AttributeError) as failed:
        if not source.head.startswith(_files.OLE_MAGIC):
            raise
        # Sectors are found by tables anywhere in the file: what cannot be followed
        # is still to come as often as it is damaged.
        raise IncompleteFileError(
            "the OLE structure of the OIB file is not whole",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        ) from failed


def _holds_info(source: SourceFile) -> bool:
    olefile = _files.library()
    if olefile is None:
        return False
    try:
        with source.stream() as stream, olefile.OleFileIO(stream) as ole:
            return bool(ole.exists(_files.INFO))
    except Exception:  # noqa: BLE001 - whatever it is, it is not ours
        return False


def _missing(name: str) -> IncompleteFileError:
    return IncompleteFileError(
        f"plane {name} is not there yet", missing_from=0, missing_to=1
    )


DRIVER = OifDriver()
