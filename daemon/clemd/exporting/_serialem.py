"""Both images as registered maps and the targets on them, for SerialEM's Navigator."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import apply, middle_of, outer_corners
from clemd.model import Matrix

from ._atomic import write_text
from ._source import ExportSource, PointMap, Stage

_FIRST_ID = 11_001
"""SerialEM itself counts from 100,000."""
_POINT, _MAP = 0, 2
_TIFF = 2
_STRAIGHT_PX = 0.01
"""Largest error of a map's matrix, px of that map."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Map:
    name: str
    shape: tuple[int, int]
    map_id: int
    centre_um: tuple[float, float]
    um_to_px: Matrix
    """(2, 2): stage micrometres -> px of the image, y down."""
    edge_um: NDArray[np.float64]


def write_serialem(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write a Navigator file: LM map, EM map, and every target as a point to acquire.

    Positions are EM stage micrometres. A map's matrix leads from the stage to the px
    of its image, whose middle lies at the map's stage position.

    Raises:
        UsageError: not registered, or an image is bent on the stage.
        ValueError: there is no stage.
        OSError: the file cannot be written.
    """
    stage, context = source.stage, source.context
    if stage is None:
        raise ValueError("there is no stage to place the maps on")
    em_to_lm = source.affine_px("a SerialEM map", "export geojson or targets")
    maps = [
        _fit(context.lm_name, context.lm_shape, _FIRST_ID, stage.place),
        _fit(
            context.em_name,
            context.em_shape,
            _FIRST_ID + 1,
            lambda points: stage.place(apply(em_to_lm, points)),
        ),
    ]
    z_um = 0.0 if stage.z_um is None else stage.z_um
    lines = ["AdocVersion = 2.00", f"LastSavedAs = {_plain(path.name)}"]
    for number, each in enumerate(maps, 1):
        lines += ["", f"[Item = map-{number}]", *_map_lines(each, z_um)]
    lines += _target_lines(source, stage, z_um)
    write_text(path, "\n".join(lines) + "\n")
    return (path,)


def _fit(name: str, shape: tuple[int, int], map_id: int, place: PointMap) -> _Map:
    """The map whose px `place` puts on the stage."""
    middle = np.array(middle_of(shape))
    edge_px = outer_corners(shape)
    centre_um, edge_um = place([middle])[0], place(edge_px)
    found = np.linalg.lstsq(edge_um - centre_um, edge_px - middle, rcond=None)[0]
    off_px = np.abs((edge_um - centre_um) @ found - (edge_px - middle)).max()
    if not off_px <= _STRAIGHT_PX:
        raise UsageError(
            f"a SerialEM map is flat, and {name} is bent by {off_px:.2g} px on the "
            "stage",
            "serialem",
            "export useq or targets",
        )
    return _Map(
        name=name,
        shape=shape,
        map_id=map_id,
        centre_um=(float(centre_um[0]), float(centre_um[1])),
        um_to_px=np.asarray(found.T),
        edge_um=np.vstack([edge_um, edge_um[:1]]),
    )


def _map_lines(each: _Map, z_um: float) -> list[str]:
    height, width = each.shape
    return [
        "Color = 2",
        f"StageXYZ = {_floats((*each.centre_um, z_um))}",
        f"NumPts = {len(each.edge_um)}",
        "Regis = 1",
        f"Type = {_MAP}",
        f"Note = {_plain(each.name)}",
        f"MapFile = {_plain(each.name)}",
        f"MapID = {each.map_id}",
        "MapMontage = 0",
        "MapSection = 0",
        "MapBinning = 1",
        "MapMagInd = 0",
        "MapCamera = 0",
        f"MapScaleMat = {_floats(each.um_to_px.ravel(), digits=9)}",
        f"MapWidthHeight = {width} {height}",
        f"ImageType = {_TIFF}",
        f"PtsX = {_floats(each.edge_um[:, 0])}",
        f"PtsY = {_floats(each.edge_um[:, 1])}",
    ]


def _target_lines(source: ExportSource, stage: Stage, z_um: float) -> list[str]:
    lines = []
    places = stage.place(source.targets_lm_px).tolist()
    for number, (target, (x, y)) in enumerate(
        zip(source.targets, places, strict=True), 1
    ):
        radius = target.radius_um
        known = "radius unknown" if radius is None else f"95 % radius {radius:.3g} um"
        lines += [
            "",
            f"[Item = {number}]",
            "Color = 0",
            f"StageXYZ = {_floats((x, y, z_um))}",
            "NumPts = 1",
            "Regis = 1",
            f"Type = {_POINT}",
            f"Note = {_plain(target.name)}, {known}",
            f"DrawnID = {_FIRST_ID}",
            "Acquire = 1",
            f"MapID = {_FIRST_ID + 1 + number}",
            f"PtsX = {_floats((x,))}",
            f"PtsY = {_floats((y,))}",
        ]
    return lines


def _floats(values: Iterable[float], digits: int = 5) -> str:
    return " ".join(f"{float(value):.{digits}f}" for value in values)


def _plain(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text)
