"""The frame of one scene, from the metadata document and the tiles' own facts."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from xml.etree.ElementTree import Element

from clemd.driver_api import SourceFile
from clemd.model import Channel, Frame, Modality, StagePose
from clemd_drivers.formats._choosing import last_full_time
from clemd_drivers.formats._light import ChannelClues, channel_of, modality_of
from clemd_drivers.formats._values import clean, cleaned
from clemd_drivers.formats._xml import BrokenXmlError, parse
from clemd_drivers.formats.zeiss._header import channel_kind

from . import _facts
from ._channels import channel_clues, detectors
from ._planes import Scene
from ._tiles import tile_data

_COLOURS = ("blue", "green", "red")
# The wiring of the whole stand: most of the document, nested deeper than `parse`
# allows, and nothing in it about the image.
_WIRING = re.compile(
    rb"<HardwareSetting\b[^>]*(?<!/)>.*?</HardwareSetting\s*>", re.DOTALL
)
# A stage position is a few hundred bytes of XML per tile; more tiles take too long.
_MAX_STAGE_TILES = 2000


def read_metadata(document: bytes) -> tuple[Element, list[str]]:
    """The Metadata element, and what is wrong with it.

    Raises:
        RefusedFileError: no real metadata look like that.
    """
    try:
        root = parse(_WIRING.sub(b"", document.rstrip(b"\0")))
    except BrokenXmlError as broken:
        said = f"the CZI metadata cannot be parsed: {clean(str(broken))}"
        return Element("Metadata"), [said]
    found = _facts.at(root, "Metadata")
    return (found if found is not None else Element("Metadata")), []


def build_frame(
    source: SourceFile,
    metadata: Element,
    scene: Scene,
    planes: Sequence[tuple[int, int]],
) -> Frame:
    """What the file says about one scene; the driver adds its name.

    Args:
        source: the open file.
        metadata: the Metadata element.
        scene: the position.
        planes: (number of the channel, sample) of every plane.
    """
    electrons = _facts.electron_facts(metadata)
    clues = channel_clues(metadata)
    names = detectors(metadata)
    size, size_doubts = _facts.pixel_size(metadata)
    moment, time_doubts = _facts.acquired_at(metadata)
    microscope = _facts.instrument(metadata)
    if electrons:
        channels = tuple(_electron_channel(names, number) for number, _ in planes)
        modality, stage = Modality.SEM, _facts.electron_stage(electrons)
    else:
        channels = tuple(_light_channel(clues, scene, c, s) for c, s in planes)
        modes = [clue.acquisition_mode for clue in clues]
        modality = modality_of(modes, channels, microscope or "")
        stage = _stage(source, metadata, scene)
    return Frame(
        path="",
        driver="",
        driver_version="",
        modality=modality,
        shape=scene.shape,
        dtype=scene.kind.dtype.name,
        channels=channels,
        pixel_size=size,
        stage=stage,
        acquired_at=moment,
        instrument=microscope,
        sample=electrons.get("SampleId"),
        extra=cleaned(
            {
                **_facts.remarks(metadata),
                **electrons,
                "scene": _facts.scene_name(metadata, scene.index),
            }
        ),
        warnings=(*scene.remarks, *size_doubts, *time_doubts),
    )


def _light_channel(
    clues: list[ChannelClues], scene: Scene, number: int, sample: int
) -> Channel:
    found = clues[number] if number < len(clues) else ChannelClues()
    channel = channel_of(found, number)
    if scene.kind.samples == 1:
        return channel
    return replace(channel, name=f"{channel.name} {_COLOURS[sample]}")


def _electron_channel(names: list[str], number: int) -> Channel:
    detector = names[number] if number < len(names) else ""
    kind, reason = channel_kind(detector)
    return Channel(name=detector or "SEM", kind=kind, kind_reason=reason)


def _stage(source: SourceFile, metadata: Element, scene: Scene) -> StagePose | None:
    stated = _facts.scene_stage(metadata, scene.index)
    seen = _facts.tile_stage(_tile_facts(source, scene))
    if stated is None or seen is None or stated.z_um is not None:
        return stated or seen
    return replace(stated, z_um=seen.z_um)


def _tile_facts(source: SourceFile, scene: Scene) -> list[Element]:
    """The metadata of every tile of one plane; nothing where one has none."""
    series = next(iter(scene.planes.values()))
    time = last_full_time(tuple(series))
    group = series[min(key for key in series if key.t == time)]
    if len(group) > _MAX_STAGE_TILES:
        return []
    found: list[Element] = []
    for tile in group:
        place = tile_data(source, tile)
        data = os.pread(source.fd, place.facts_bytes, place.facts_at)
        try:
            found.append(parse(data.rstrip(b"\0")))
        except BrokenXmlError:
            return []
    return found
