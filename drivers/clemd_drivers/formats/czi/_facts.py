"""The fields of CZI metadata that clemd uses, read tolerantly.

Lengths under Scaling are metres; positions of scenes are micrometres; positions under
SEMData carry their unit. A scaling of zero or none at all means: not known.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree.ElementTree import Element

from clemd.model import PixelSize, StagePose
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, length_um, number, positive
from clemd_drivers.formats._xml import children, text_at

_OLDEST_YEAR = 1980


def at(element: Element | None, *path: str) -> Element | None:
    """The first element at `path`, or None."""
    for name in path:
        element = next(children(element, name), None) if element is not None else None
    return element


def pixel_size(metadata: Element) -> tuple[PixelSize | None, list[str]]:
    """Edge lengths of a pixel, and what is wrong with them."""
    stated = {
        distance.get("Id"): positive(number(text_at(distance, "Value")))
        for distance in _children(at(metadata, "Scaling", "Items"), "Distance")
    }
    metres = [stated.get(axis) for axis in "XY"]
    x, y = (None if edge is None else edge * 1e6 for edge in metres)
    notes = Notes()
    size = size_of_edges("CZI Scaling Distance", x, y, notes)
    if size is None:
        notes.add("no pixel size in the CZI metadata")
    return size, notes.lines


def electron_facts(metadata: Element) -> dict[str, str]:
    """What the electron microscope said, empty for a light microscope."""
    for appliance in _children(at(metadata, "Appliances"), "Appliance"):
        found = at(appliance, "Data", "SEMData", "Parameters")
        if found is not None:
            return {e.tag: clean(e.text) for e in found if clean(e.text)}
    return {}


def electron_stage(facts: dict[str, str]) -> StagePose | None:
    """Where the stage of the electron microscope was."""
    x, y = length_um(facts.get("StageCenterX")), length_um(facts.get("StageCenterY"))
    if x is None or y is None:
        return None
    turned = number(facts.get("ScanRotation")) or 0.0
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=length_um(facts.get("StageZPosition")),
        rotation_deg=number(facts.get("StageRotation")),
        tilt_deg=number(facts.get("StageTilt")),
        scan_rotation_deg=turned if facts.get("ScanRotationEnabled") == "On" else 0.0,
    )


def scene_stage(metadata: Element, index: int) -> StagePose | None:
    """Centre of a scene on the stage, by its own statement."""
    path = ("Information", "Image", "Dimensions", "S", "Scenes")
    for position, scene in enumerate(_children(at(metadata, *path), "Scene")):
        if int(number(scene.get("Index")) or position) != index:
            continue
        places = list(_children(at(scene, "Positions"), "Position"))
        x_y = [
            number(part) for part in (text_at(scene, "CenterPosition") or "").split(",")
        ]
        z = number(places[0].get("Z")) if len(places) == 1 else None
        if len(places) == 1 and len(x_y) != 2:
            x_y = [number(places[0].get("X")), number(places[0].get("Y"))]
        if len(x_y) == 2 and None not in x_y:
            return StagePose(x_um=x_y[0], y_um=x_y[1], z_um=z)
    return None


def tile_stage(tiles: list[Element]) -> StagePose | None:
    """Middle between the outermost tiles, from the tiles' own metadata."""
    places = [
        tuple(
            number(text_at(tile, "Tags", name))
            for name in ("StageXPosition", "StageYPosition", "FocusPosition")
        )
        for tile in tiles
    ]
    xs = [x for x, y, _ in places if x is not None and y is not None]
    ys = [y for x, y, _ in places if x is not None and y is not None]
    if not xs or len(xs) != len(places):
        return None  # the middle of some of the tiles is not the middle
    return StagePose(
        x_um=(min(xs) + max(xs)) / 2, y_um=(min(ys) + max(ys)) / 2, z_um=places[0][2]
    )


def acquired_at(metadata: Element) -> tuple[datetime | None, list[str]]:
    """When, naive unless a zone is stated, and how far to trust it."""
    image = at(metadata, "Information", "Image")
    start = at(image, "Dimensions", "T")
    for element, name in ((image, "AcquisitionDateAndTime"), (start, "StartTime")):
        moment = _moment(element, name)
        if moment is not None:
            return moment, []
    created = _moment(at(metadata, "Information", "Document"), "CreationDate")
    doubts = ["no time of acquisition: the document's creation is used"]
    return created, doubts if created else []


def _moment(element: Element | None, name: str) -> datetime | None:
    text = text_at(element, name) if element is not None else None
    try:
        moment = datetime.fromisoformat(text.strip()) if text else None
    except ValueError:
        return None
    # The year 1 stands for "not set".
    return moment if moment and moment.year >= _OLDEST_YEAR else None


def instrument(metadata: Element) -> str | None:
    """Name of the microscope."""
    path = ("Information", "Instrument", "Microscopes", "Microscope")
    microscope = at(metadata, *path)
    if microscope is None:
        return None
    named = clean(microscope.get("Name")) or clean(text_at(microscope, "System"))
    return named or None


def remarks(metadata: Element) -> dict[str, str | None]:
    """Values worth keeping."""
    information = at(metadata, "Information")
    axes = at(information, "Image", "Dimensions")
    objective = at(information, "Instrument", "Objectives", "Objective")
    return {
        "title": _text(information, "Document", "Title"),
        "comment": _text(information, "Document", "Comment"),
        "user": _text(information, "Document", "UserName"),
        "software": _text(information, "Application", "Name"),
        "software_version": _text(information, "Application", "Version"),
        "axis_orientation_x": _text(axes, "X", "AxisOrientation"),
        "axis_orientation_y": _text(axes, "Y", "AxisOrientation"),
        "objective": objective.get("Name") if objective is not None else None,
        "objective_na": _text(objective, "LensNA"),
        "objective_magnification": _text(objective, "NominalMagnification"),
    }


def scene_name(metadata: Element, index: int) -> str:
    """What the operator called a scene, empty where it has no name."""
    path = ("Information", "Image", "Dimensions", "S", "Scenes")
    for position, scene in enumerate(_children(at(metadata, *path), "Scene")):
        if int(number(scene.get("Index")) or position) == index:
            return clean(scene.get("Name"), 80)
    return ""


def _text(element: Element | None, *path: str) -> str | None:
    return text_at(element, *path) if element is not None else None


def _children(element: Element | None, name: str) -> list[Element]:
    return list(children(element, name)) if element is not None else []
