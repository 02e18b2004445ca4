"""Open a WDF file: the map of spectra, and as an image of its own the white light."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import numpy as np

from clemd.driver_api import FrameReader, SourceFile
from clemd.errors import RefusedFileError
from clemd.model import Channel, ChannelKind, Frame, Modality, StagePose
from clemd_drivers.formats import _spans
from clemd_drivers.formats._cube import Bands, CubeReader
from clemd_drivers.formats._first import StandingImage
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._raw import Pixels
from clemd_drivers.formats._values import cleaned

from ._blocks import MAGIC, MAP, Block, Header, content, read_blocks, read_header
from ._map import data_span, load_bands, read_axis, read_grid
from ._white import WhiteLight, read_white

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    header: Header
    blocks: dict[str, Block] = field(default_factory=dict)

    @property
    def images(self) -> tuple[str, ...]:
        """What the file shows, the map first."""
        has_map = self.header.kind == MAP
        return ("map",) * has_map + ("white",) * ("WHTL" in self.blocks)


class WhiteReader:
    """The opened white-light image."""

    def __init__(self, frame: Frame, white: WhiteLight) -> None:
        self.frame = frame
        self._white = white

    def plane(self, channel: int) -> Pixels:
        """One colour."""
        return np.ascontiguousarray(self._white.pixels[:, :, channel])


class WdfDriver(StandingImage):
    """Reads maps of Renishaw WiRE; parses them itself."""

    name = "wdf"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as WDF files do?"""
        return source.head.startswith(MAGIC)

    def positions(self, source: SourceFile) -> int:
        """One for the map, one for its white-light image.

        Raises:
            IncompleteFileError: the chain of blocks is not all there.
            RefusedFileError: never readable.
        """
        with guarded("reading the WDF blocks"):
            return len(_read_file(source).images)

    @contextmanager
    def open_at(
        self, source: SourceFile, position: int | None
    ) -> Iterator[FrameReader]:
        """Read one image, counted from zero; None = the map, if there is one.

        Raises:
            IncompleteFileError: bytes are missing.
            RefusedFileError: never readable.
        """
        notes = Notes()
        with guarded("reading the WDF blocks"):
            file = _read_file(source)
            shown = file.images[position or 0]
            if position is None and len(file.images) > 1:
                notes.add("the map is used; the white-light image is image 2")
            reader: FrameReader = (
                self._map(source, file, notes)
                if shown == "map"
                else self._white(source, file, notes)
            )
        yield reader

    def _map(self, source: SourceFile, file: _File, notes: Notes) -> CubeReader:
        header, data = file.header, file.blocks.get("DATA")
        if "WMAP" not in file.blocks or data is None:
            raise _spans.unwritten(source, source.size_bytes, "the area of the map")
        span = data_span(source, header, data)
        grid = read_grid(source, header, file.blocks, notes)
        axis, unit = read_axis(source, header, file.blocks)
        bands = Bands(axis, unit, notes)
        centre = grid.centre_um
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.HYPERSPECTRAL,
            shape=grid.shape,
            dtype=bands.dtype(np.dtype("<f4")),
            channels=bands.channels(),
            pixel_size=size_of_edges("WMAP step", *grid.step_um, notes),
            stage=StagePose(x_um=centre[0], y_um=centre[1]),
            spectral_axis=bands.axis,
            spectral_unit=bands.unit,
            warnings=tuple(notes.lines),
        )
        frame = _with_common(frame, header)
        load = load_bands(source, header, data, grid)
        return CubeReader(source, frame, bands, load, [span])

    def _white(self, source: SourceFile, file: _File, notes: Notes) -> WhiteReader:
        raw = content(source, file.blocks["WHTL"], "the white-light image")
        white = read_white(raw, notes)
        height, width, samples = white.pixels.shape
        if samples not in (1, 3):
            raise RefusedFileError(f"a white-light image of {samples} colours")
        size = None
        if white.field_um is not None:
            across, down = white.field_um
            size = size_of_edges(
                "EXIF FocalPlaneResolution", across / width, down / height, notes
            )
        centre = white.centre_um
        frame = Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=Modality.WIDEFIELD,
            shape=(height, width),
            dtype="uint8",
            channels=tuple(
                Channel(
                    name=name,
                    kind=ChannelKind.REFLECTED,
                    kind_reason="white-light camera of the spectrometer",
                )
                for name in (_COLOURS if samples == 3 else ("white light",))
            ),
            pixel_size=size,
            stage=None if centre is None else StagePose(x_um=centre[0], y_um=centre[1]),
            warnings=tuple(notes.lines),
        )
        return WhiteReader(_with_common(frame, file.header, white.objective), white)


def _with_common(frame: Frame, header: Header, objective: float | None = None) -> Frame:
    """What the map and its white-light image share."""
    return replace(
        frame,
        acquired_at=header.started_at,
        instrument="Renishaw",
        # one stage and one convention of axes: their places compare as they are
        ids={"dataset": header.uuid, "plane": f"{header.uuid} y down"},
        extra=cleaned(
            {
                "title": header.title,
                "user": header.user,
                "program": header.program,
                "laser_nm": _said(header.laser_nm),
                "objective": _said(objective),
            }
        ),
    )


def _said(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _read_file(source: SourceFile) -> _File:
    file = _File(header=read_header(source), blocks=read_blocks(source))
    if not file.images:
        raise RefusedFileError(
            "a WDF file of single spectra without an image: nothing to lay on a map"
        )
    return file


DRIVER = WdfDriver()
