"""Open an ND2 file: facts from its trees, one plane per channel of one position."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import Frame
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._light import modality_of
from clemd_drivers.formats._values import clean, cleaned

from . import _facts
from ._chunks import (
    MAGIC,
    OLD_MAGIC,
    Chunk,
    check_version,
    locate,
    read_facts,
    read_map,
)
from ._loops import Loops, read_loops
from ._pixels import Layout, check_size, decode, read_layout
from ._variant import Node, parse


@dataclass(frozen=True, slots=True)
class _File:
    chunks: dict[bytes, int]
    layout: Layout
    loops: Loops


class Nd2Reader:
    """One position of an opened ND2 file."""

    def __init__(
        self,
        source: SourceFile,
        layout: Layout,
        frames: dict[PlaneKey, Chunk],
        frame: Frame,
        samples: tuple[int, ...],
    ) -> None:
        self._source = source
        self._layout = layout
        self._frames = frames
        self._samples = samples
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        facts = self.frame.channels[channel]
        sample = self._samples[channel]
        chosen = choose(
            facts.kind,
            tuple(self._frames),
            lambda key: decode(self._source, self._layout, self._frames[key], sample),
            self._source.stack,
        )
        if chosen.said:
            text = f"channel {facts.name!r}: {chosen.said}"
            if text not in self.frame.warnings:
                told = (*self.frame.warnings, text)
                self.frame = replace(self.frame, warnings=told)
        return chosen.pixels


class Nd2Driver:
    """Reads ND2 files of NIS-Elements since version 4; parses them itself."""

    name = "nd2"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as ND2 files do?"""
        if source.head.startswith(MAGIC):
            return True
        # JPEG 2000 in general is nobody's; under this name it is an old ND2 file.
        old = source.head.startswith(OLD_MAGIC)
        return old and source.path.suffix.lower() == ".nd2"

    def positions(self, source: SourceFile) -> int:
        """How many positions the file holds.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the ND2 metadata"):
            return _read_file(source).loops.n_places

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[Nd2Reader]:
        """Read the header and the first position; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(self, source: SourceFile, position: int | None) -> Iterator[Nd2Reader]:
        """Read one position, counted from zero; None = the first.

        All positions are of one size.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with guarded("reading the ND2 metadata"):
            file = _read_file(source)
            doubts = []
            if position is None and file.loops.n_places > 1:
                doubts.append(
                    f"{file.loops.n_places} positions in the file: the first is used"
                )
            planes = file.loops.frames(position or 0, file.layout.n_frames)
            names = {key: f"ImageDataSeq|{k}!".encode() for key, k in planes.items()}
            frames = {
                key: locate(source, file.chunks[name], name)
                for key, name in names.items()
                if name in file.chunks
            }
            if not frames:
                raise RefusedFileError("an ND2 file without frames: export the image")
            if len(frames) < len(planes):
                doubts.append(f"{len(frames)} of {len(planes)} planes are in the file")
            for chunk in frames.values():
                check_size(file.layout, chunk)
            frame, samples = self._frame(source, file, position or 0, doubts)
        yield Nd2Reader(source, file.layout, frames, frame, samples)

    def _frame(
        self, source: SourceFile, file: _File, position: int, doubts: list[str]
    ) -> tuple[Frame, tuple[int, ...]]:
        picture = _tree(source, file.chunks, "ImageMetadataSeqLV|0!")
        picture = picture.node("SLxPictureMetadata")
        text = _tree(source, file.chunks, "ImageTextInfoLV!").node("SLxImageTextInfo")
        found = _facts.channels(picture, file.layout.samples)
        channels = tuple(channel for channel, _, _ in found)
        places = file.loops.places
        place = places[position] if position < len(places) else None
        size, size_doubts = _facts.pixel_size(picture)
        microscope = clean(text.text("TextInfoItem_13"))
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality_of([m for _, m, _ in found], channels, microscope),
            shape=file.layout.shape,
            dtype=file.layout.dtype.name,
            channels=channels,
            pixel_size=size,
            stage=_facts.stage(picture, place),
            acquired_at=_facts.acquired_at(picture),
            instrument="Nikon",
            sample=clean(text.text("TextInfoItem_3")) or None,
            extra=cleaned(
                {
                    **_facts.remarks(picture, text),
                    "position": place.name if place else None,
                }
            ),
            warnings=(*doubts, *size_doubts),
        )
        return frame, tuple(sample for _, _, sample in found)


def _read_file(source: SourceFile) -> _File:
    check_version(source)
    chunks = read_map(source)
    attributes = _tree(source, chunks, "ImageAttributesLV!").node("SLxImageAttributes")
    layout = read_layout(attributes)
    experiment = _tree(source, chunks, "ImageMetadataLV!").node("SLxExperiment")
    return _File(chunks, layout, read_loops(experiment, layout.n_frames))


def _tree(source: SourceFile, chunks: dict[bytes, int], name: str) -> Node:
    return parse(read_facts(source, chunks, name.encode()))


DRIVER = Nd2Driver()
