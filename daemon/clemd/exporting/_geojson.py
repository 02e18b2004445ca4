"""Where the EM image and the targets lie on the LM map, for QuPath and shapely."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from clemd.geometry import apply, from_corner, outer_corners

from ._atomic import write_text
from ._source import ExportSource


def write_geojson(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write the EM's outline and the targets as features in LM px.

    Coordinates count from the outer corner of the LM's first pixel, as QuPath counts.
    A straight edge stays straight, so the outline holds for a homography too.

    Raises:
        UsageError: not registered.
        OSError: the file cannot be written.
    """
    edge = from_corner(
        apply(source.em_to_lm, outer_corners(source.context.em_shape))
    ).tolist()
    ring = edge if _turns_left(edge) else edge[::-1]
    outline = _feature(
        "Polygon",
        [[*ring, ring[0]]],
        name=f"EM {source.context.em_name}",
        kind="EM image",
    )
    places = from_corner(source.targets_lm_px).tolist()
    points = [
        _feature("Point", place, name=t.name, kind="target", radius_um=t.radius_um)
        for t, place in zip(source.targets, places, strict=True)
    ]
    document = {
        "type": "FeatureCollection",
        "features": [outline, *points],
        "clemd": {
            "coordinates": "px of the LM map, x right, y down, origin at the outer "
            "corner of its first pixel",
            **source.provenance(),
        },
    }
    write_text(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")
    return (path,)


def _feature(
    geometry: str, coordinates: Any, *, name: str, kind: str, **more: object
) -> dict[str, Any]:
    properties = {
        "objectType": "annotation",
        "name": name,
        "classification": {"name": kind},
        **more,
    }
    shape = {"type": geometry, "coordinates": coordinates}
    return {"type": "Feature", "geometry": shape, "properties": properties}


def _turns_left(ring: list[list[float]]) -> bool:
    """The ring runs counter-clockwise with y up, as GeoJSON wants outer rings."""
    following = [*ring[1:], ring[0]]
    twice = sum(x * v - u * y for (x, y), (u, v) in zip(ring, following, strict=True))
    return twice > 0
