"""Open an OME-TIFF: facts from its XML, one plane per channel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from numpy.typing import NDArray

from clemd.driver_api import SourceFile
from clemd.errors import IncompleteFileError, RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality
from clemd_drivers.formats._choosing import PlaneKey, choose
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._ifd import directories
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._tiff import Page, TiffPixels, first_directory
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats._xml import BrokenXmlError, parse

from . import _facts
from ._planes import plane_map

_DESCRIPTION = 270
_CONFOCAL = {
    "LaserScanningConfocalMicroscopy", "SpinningDiskConfocal", "SlitScanConfocal",
    "MultiPhotonMicroscopy", "SweptFieldConfocal", "SecondHarmonicGenerationImaging",
    "FluorescenceLifetime", "STED",
}  # fmt: skip
_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True)
class _Source:
    """Where one channel's pixels are."""

    pages: tuple[Page, ...]
    keys: tuple[PlaneKey, ...]
    channel: int
    """Which channel of the metadata it is; other files may hold those before it."""
    sample: int = 0


class OmeTiffReader:
    """One opened OME-TIFF."""

    def __init__(
        self,
        pixels: TiffPixels,
        frame: Frame,
        sources: tuple[_Source, ...],
        stack: str,
    ) -> None:
        self._stack = stack
        self._pixels = pixels
        self._sources = sources
        self.frame = frame

    def plane(self, channel: int) -> NDArray[Any]:
        """The channel's plane, chosen by the rule in `formats._choosing`."""
        source, facts = self._sources[channel], self.frame.channels[channel]
        pages = dict(zip(source.keys, source.pages, strict=True))
        chosen = choose(
            facts.kind,
            source.keys,
            lambda key: self._pixels.decode(pages[key], source.sample),
            self._stack,
        )
        if chosen.said:
            self._warn(f"channel {facts.name!r}: {chosen.said}")
        return chosen.pixels

    def check_tail(self) -> None:
        """Raise IncompleteFileError where the last pixels are still zero."""
        self._pixels.check_tail()

    def _warn(self, text: str) -> None:
        if text not in self.frame.warnings:
            self.frame = replace(self.frame, warnings=(*self.frame.warnings, text))


class OmeTiffDriver:
    """Reads OME-TIFF of any schema since 2008."""

    name = "ome_tiff"
    version = "1"
    priority = 50

    def recognises(self, source: SourceFile) -> bool:
        """Does the first description look like OME-XML?"""
        directory = first_directory(source)
        tag = directory.tags.get(_DESCRIPTION) if directory else None
        if directory is None or tag is None or tag.n_bytes < 5:
            return False
        try:
            head = directory.text(source, _DESCRIPTION)[:4096]
        except (IncompleteFileError, RefusedFileError, OSError):
            return False
        return b"<OME" in head or b"openmicroscopy.org/Schemas/OME" in head

    def positions(self, source: SourceFile) -> int:
        """How many images the metadata describe; at least one.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with TiffPixels(source) as pixels, guarded("reading the OME metadata"):
            text = pixels.pages[0].directory.text(source, _DESCRIPTION)
            return max(1, len(_facts.described_images(_parse(source, text)[0])))

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[OmeTiffReader]:
        """Read the header and the largest image; see `FormatDriver.open`."""
        with self.open_at(source, None) as reader:
            yield reader

    @contextmanager
    def open_at(
        self, source: SourceFile, position: int | None
    ) -> Iterator[OmeTiffReader]:
        """Read one image, counted from zero; None = the largest.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        with TiffPixels(source) as pixels:
            with guarded("reading the OME metadata"):
                n_pages = sum(1 for _ in directories(source))
                text = pixels.pages[0].directory.text(source, _DESCRIPTION)
                root, warnings = _parse(source, text)
                frame, sources = self._frame(
                    source, root, pixels, n_pages, warnings, position
                )
            yield OmeTiffReader(pixels, frame, sources, source.stack)

    def _frame(
        self,
        source: SourceFile,
        root: Element,
        pixels: TiffPixels,
        n_pages: int,
        warnings: list[str],
        position: int | None,
    ) -> tuple[Frame, tuple[_Source, ...]]:
        found = (
            _facts.largest_image(root)
            if position is None
            else _facts.described_images(root)[position]
        )
        image, described = found or (Element("Image"), Element("Pixels"))
        count = sum(1 for _ in root.iter("Pixels"))
        if count > 1 and position is None:
            warnings.append(f"{count} images in the file: the largest is used")
        clues = _facts.channels(root, described)
        sources, doubts = _sources(source, root, described, pixels, n_pages, len(clues))
        first = sources[0].pages[0]
        stated = (_facts.size(described, "Y"), _facts.size(described, "X"))
        if found and stated != (first.height, first.width):
            warnings.append(f"the metadata say {stated}, the image is not of that size")
        size, size_doubts = _facts.pixel_size(described)
        channels = _channels(clues, sources)
        hints = _facts.hints(root)
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=_modality(clues, channels, _facts.instrument(root) or ""),
            shape=(first.height, first.width),
            dtype=first.dtype.name,
            channels=channels,
            pixel_size=size,
            stage=_facts.stage(image, described),
            acquired_at=_facts.acquired_at(image),
            instrument=_facts.instrument(root),
            sample=hints.get("sample"),
            session=hints.get("session"),
            ids=_facts.ids(root, image),
            extra={
                **dict(pair for pair in _facts.map_entries(root) if all(pair)),
                **cleaned(
                    {"image_name": image.get("Name"), "metadata_file": _missing(root)}
                ),
            },
            warnings=(*warnings, *doubts, *size_doubts, *pixels.doubts),
        )
        return frame, sources


_parse_once = lru_cache(maxsize=1)(parse)
"""Images are counted first and opened one by one: the same text each time."""


def _parse(source: SourceFile, text: bytes) -> tuple[Element, list[str]]:
    try:
        root = _parse_once(text)
        binary_only = next(root.iter("BinaryOnly"), None)
        if binary_only is None:
            return root, []
        name = binary_only.get("MetadataFile") or ""
        companion = source.sibling(name)
        if companion is None:
            return root, [f"metadata file {clean(name)!r} is not beside the image"]
        described = parse(companion)
        # Blocks name the files of pixels: this one's name is its own, not the text's.
        described.set("UUID", root.get("UUID") or "")
        return described, []
    except BrokenXmlError as broken:
        return Element("OME"), [
            f"the OME metadata cannot be parsed: {clean(str(broken))}"
        ]


def _missing(root: Element) -> str | None:
    """The metadata file that was named and not found: nothing else was read."""
    named = (only.get("MetadataFile") for only in root.iter("BinaryOnly"))
    return next((Path(name.replace("\\", "/")).name for name in named if name), None)


def _sources(
    source: SourceFile,
    root: Element,
    described: Element,
    pixels: TiffPixels,
    n_pages: int,
    n_channels: int,
) -> tuple[tuple[_Source, ...], list[str]]:
    samples = min(3, pixels.pages[0].samples)
    size_c = _facts.size(described, "C")
    # Samples that share a page count as channels in SizeC.
    planes_c = max(1, size_c // samples) if samples > 1 else size_c
    mapped = plane_map(root, described, size_c=planes_c, file_name=source.path.name)
    by_index = {page.index: page for page in pixels.pages}
    last = max(mapped.pages.values(), default=-1)
    if last >= n_pages:
        raise IncompleteFileError(
            f"the OME metadata promise {last + 1} pages, the file has {n_pages}",
            missing_from=source.size_bytes,
            missing_to=source.size_bytes + 1,
        )
    shape = None
    found: list[_Source] = []
    for c in range(planes_c):
        keys = [key for key in mapped.of_channel(c) if mapped.pages[key] in by_index]
        pages = tuple(by_index[mapped.pages[key]] for key in keys)
        if not pages:
            continue
        shape = shape or (pages[0].height, pages[0].width, pages[0].dtype)
        if any((p.height, p.width, p.dtype) != shape for p in pages):
            raise RefusedFileError("channels differ in size: export them as one series")
        places = tuple(PlaneKey(t=t, z=z) for _, z, t in keys)
        # Colours of one page are channels of their own in some files, not in others.
        own = samples if n_channels >= planes_c * samples else 1
        found += [
            _Source(pages, places, c * own + (sample if own > 1 else 0), sample)
            for sample in range(samples)
        ]
    if not found:
        raise RefusedFileError(
            "the pixels lie in other files: export the image as a single OME-TIFF"
        )
    said = []
    if mapped.elsewhere:
        said.append(f"{mapped.elsewhere} planes lie in other files and are not read")
    if len(found) < size_c and not mapped.elsewhere:
        said.append(f"{len(found)} of {size_c} channels are in the file")
    return tuple(found), said


def _channels(
    clues: list[ChannelClues], sources: tuple[_Source, ...]
) -> tuple[Channel, ...]:
    found = []
    for source in sources:
        said = clues[source.channel] if source.channel < len(clues) else ChannelClues()
        channel = channel_of(said, source.channel)
        if sum(other.channel == source.channel for other in sources) > 1:
            channel = replace(channel, name=f"{channel.name} {_COLOURS[source.sample]}")
        found.append(channel)
    return tuple(found)


def _modality(
    clues: list[ChannelClues], channels: tuple[Channel, ...], microscope: str
) -> Modality:
    modes = {c.acquisition_mode for c in clues}
    kinds = {c.kind for c in channels}
    if kinds & {ChannelKind.SE, ChannelKind.BSE} or modes & {"SEM", "FIB", "FIB_SEM"}:
        return Modality.SEM
    if modes & _CONFOCAL:
        return Modality.CLSM
    if "SpectralImaging" in modes:
        return Modality.HYPERSPECTRAL
    light = {ChannelKind.FLUORESCENCE, ChannelKind.REFLECTED, ChannelKind.TRANSMITTED}
    if "WideField" in modes or kinds & light:
        confocal = any(
            word in microscope.lower() for word in ("lsm", "confocal", "sp8")
        )
        return Modality.CLSM if confocal else Modality.WIDEFIELD
    return Modality.UNKNOWN


DRIVER = OmeTiffDriver()
