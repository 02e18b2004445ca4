"""Open a CZI file: one plane per channel of one scene."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.model import Frame, Modality
from clemd_drivers.formats import _spans
from clemd_drivers.formats._choosing import choose, largest
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._pixels import info_bar_rows

from . import _facts
from ._frame import build_frame, read_metadata
from ._planes import Scene, assemble, check_readable, scenes
from ._segments import MAGIC, FileHeader, check_finished, metadata_xml, read_header
from ._tiles import tile_data, tiles


class CziReader:
    """One scene of an opened CZI file."""

    def __init__(
        self,
        source: SourceFile,
        header: FileHeader,
        scene: Scene,
        frame: Frame,
        planes: Sequence[tuple[int, int]],
    ) -> None:
        self._source = source
        self._header = header
        self._scene = scene
        self._planes = planes
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        number, sample = self._planes[channel]
        series = self._scene.planes[number]
        facts = self.frame.channels[channel]
        chosen = choose(
            facts.kind,
            tuple(series),
            lambda key: assemble(self._source, self._scene, series[key], sample),
            self._source.stack,
        )
        if chosen.said:
            self._warn(f"channel {facts.name!r}: {chosen.said}")
        if self.frame.modality is Modality.SEM:
            # SmartSEM paints its bar over the image, and ZEN imports it with the rest.
            rows = info_bar_rows(chosen.pixels)
            self.frame = replace(self.frame, info_bar_rows=rows)
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the file is not finished."""
        with guarded("reading the CZI segments"):
            written_to = check_finished(self._source, self._header)
            places = (tile_data(self._source, tile) for tile in self._scene.tiles())
            # A segment that follows pixels was written after them: black is black.
            last = [p for p in places if p.pixels_at >= written_to]
            _spans.check_tail(
                self._source,
                [(p.pixels_at, p.pixels_at + p.pixels_bytes) for p in last],
            )

    def _warn(self, text: str) -> None:
        if text not in self.frame.warnings:
            self.frame = replace(self.frame, warnings=(*self.frame.warnings, text))


class CziDriver:
    """Reads CZI files of light and electron microscopes; parses them itself."""

    name = "czi"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as every CZI file does?"""
        return source.head.startswith(MAGIC)

    def positions(self, source: SourceFile) -> int:
        """How many scenes the file holds.

        Raises:
            IncompleteFileError: the directory is not all there.
            RefusedFileError: never readable.
        """
        with guarded("reading the CZI directory"):
            return len(scenes(tiles(source, read_header(source))))

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[CziReader]:
        """Read the header and the largest scene; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(self, source: SourceFile, position: int | None) -> Iterator[CziReader]:
        """Read one scene, counted from zero; None = the largest.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the CZI metadata"):
            header = read_header(source)
            found = scenes(tiles(source, header))
            chosen = largest([scene.area_px for scene in found])
            scene = found[chosen if position is None else position]
            check_readable(source, scene)
            metadata, doubts = read_metadata(metadata_xml(source, header))
            if position is None and len(found) > 1:
                named = _facts.scene_name(metadata, scene.index) or str(scene.index)
                doubts.append(
                    f"{len(found)} scenes in the file: the largest, {named!r}, is used"
                )
            # Colours are stored blue first and shown red first.
            samples = range(min(3, scene.kind.samples))[::-1]
            planes = [(c, sample) for c in scene.planes for sample in samples]
            frame = build_frame(source, metadata, scene, planes)
            frame = replace(
                frame,
                driver=self.name,
                driver_version=self.version,
                warnings=(*doubts, *frame.warnings),
            )
        yield CziReader(source, header, scene, frame, planes)


DRIVER = CziDriver()
