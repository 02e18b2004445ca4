"""Open an MRC file: the section or montage that shows the specimen, and its facts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from clemd.driver_api import SourceFile
from clemd.model import Channel, Frame, Modality, StagePose
from clemd_drivers.formats._beside import text_beside
from clemd_drivers.formats._choosing import PlaneKey
from clemd_drivers.formats._electron import channel_of, modality_of
from clemd_drivers.formats._guard import guarded
from clemd_drivers.formats._notes import Notes, checked_size
from clemd_drivers.formats._raw import RawReader
from clemd_drivers.formats._values import clean, cleaned, number

from . import _mdoc
from ._header import Behind, MrcHeader, is_mrc, read_behind, read_header
from ._sections import Choice, choose_sections, read_choice

_A_UM = 1e-4
_KEPT = (
    "Magnification", "Voltage", "Binning", "ExposureTime", "Defocus", "SpotSize",
    "RotationAngle", "ImageShift", "CameraIndex", "NavigatorLabel",
)  # fmt: skip


class MrcDriver:
    """Reads MRC images, stacks and montages; parses them itself."""

    name = "mrc"
    version = "1"
    priority = 30

    def recognises(self, source: SourceFile) -> bool:
        """Does it start as MRC files do?"""
        return is_mrc(source.head)

    @contextmanager
    def open(self, source: SourceFile) -> Iterator[RawReader]:
        """Read the header and the text beside it; see `FormatDriver.open`."""
        notes = Notes()
        with guarded("reading the MRC header"):
            header = read_header(source, notes)
            mdoc = _beside(source, notes)
            choice = choose_sections(header, mdoc, notes)
            behind = read_behind(source, header, choice.first)
            frame = self._frame(header, mdoc, choice, behind, notes)
        span = header.data_offset, header.offset(header.n_sections)
        yield RawReader(
            source,
            frame,
            [PlaneKey()],
            lambda *_: read_choice(source, header, choice),
            [span],
        )

    def _frame(
        self,
        header: MrcHeader,
        mdoc: _mdoc.Mdoc,
        choice: Choice,
        behind: Behind | None,
        notes: Notes,
    ) -> Frame:
        block = mdoc.of(choice.first)
        told = behind or Behind()
        spacing = notes.size_um("PixelSpacing", block.get("PixelSpacing"), _A_UM)
        pixel_m = notes.size_um("MRC pixel size", told.pixel_m[0], 1e6)
        cell_x, cell_y = header.cell_um
        size = checked_size(
            (
                ("PixelSpacing", spacing),
                (f"{header.kind_behind} pixel size", pixel_m),
                ("MRC cell", cell_x or cell_y),
            ),
            notes,
            ratio_y=cell_y / cell_x if cell_x and cell_y and not spacing else 1.0,
        )
        if size is None:
            notes.add("no pixel size in the MRC metadata")
        modality = _modality(header, block, told, bool(mdoc.top or mdoc.sections))
        pose = _stage(mdoc, choice, told, notes)
        moment = _mdoc.moment(block.get("DateTime"), notes)
        return Frame(
            path="",
            driver=self.name,
            driver_version=self.version,
            modality=modality,
            shape=choice.shape,
            dtype=header.dtype.name,
            channels=(_channel(modality),),
            pixel_size=size,
            stage=pose,
            acquired_at=moment,
            instrument=mdoc.instrument or told.microscope or None,
            extra=cleaned(
                {"labels": "; ".join(header.labels), **{k: block.get(k) for k in _KEPT}}
            ),
            warnings=tuple(notes.lines),
        )


def _beside(source: SourceFile, notes: Notes) -> _mdoc.Mdoc:
    endings = (f"{source.path.suffix}.mdoc", ".mdoc")
    found = text_beside(source, endings, _mdoc.MARKS)
    if found is None:
        return _mdoc.Mdoc()
    for line in found.warnings:
        notes.add(clean(line))
    return _mdoc.parse(found.lines)


def _modality(
    header: MrcHeader, block: dict[str, str], told: Behind, has_mdoc: bool
) -> Modality:
    """Other fields use MRC as well: where no microscope is named, it is unknown."""
    serial = any("SerialEM" in label for label in header.labels)
    if not (has_mdoc or serial or told.microscope or told.volts):
        return Modality.UNKNOWN
    volts = number(told.volts)
    tension_kv = number(block.get("Voltage")) or (volts / 1000 if volts else None)
    return modality_of([told.microscope, *header.labels], tension_kv)


def _channel(modality: Modality) -> Channel:
    if modality is Modality.UNKNOWN:
        return Channel(name="image")
    return channel_of("", modality)


def _stage(
    mdoc: _mdoc.Mdoc, choice: Choice, told: Behind, notes: Notes
) -> StagePose | None:
    """Where the stage was; the middle between the outermost pieces of a montage."""
    block = mdoc.of(choice.first)
    texts = [mdoc.of(section).get("StagePosition") for section, _, _ in choice.places]
    stated = [place for text in texts if (place := _mdoc.numbers(text, 2)) is not None]
    if stated and len(stated) == len(texts):
        middles = [(min(axis) + max(axis)) / 2 for axis in zip(*stated, strict=True)]
        x, y = (
            notes.position_um("StagePosition", f"{middle:.9g}") for middle in middles
        )
        z = notes.position_um("StageZ", block.get("StageZ"))
        tilt = block.get("TiltAngle")
    else:
        if any(texts):
            notes.add("StagePosition is not understood or not stated for every piece")
        x, y, z = (notes.position_um("MRC stage", text, 1e6) for text in told.stage_m)
        tilt = told.tilt_deg
    if x is None and y is None:
        return None
    tilt_deg = notes.angle_deg("tilt", tilt, most=180.0)
    return StagePose(x_um=x, y_um=y, z_um=z, tilt_deg=tilt_deg)


DRIVER = MrcDriver()
