"""The transform as fiducial pairs, for eC-CLEM (version 2) in Icy."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from clemd.errors import UsageError
from clemd.geometry import apply, decompose, from_corner, pixel_to_um
from clemd.model import TransformModel

from ._atomic import write_bytes, write_text
from ._bigwarp import landmarks_px
from ._context import PairContext, PixelUm
from ._source import ExportSource

Element = ElementTree.Element


def write_ecclem(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write a transformation schema: source = LM, target = EM, nine fiducials.

    eC-CLEM fits the transform itself. Its similarity cannot mirror, so a mirrored one
    is asked for as an affine, which nine exact pairs fix just as well.

    Raises:
        UsageError: not registered, a homography, or a pixel size is unknown.
        OSError: the file cannot be written.
    """
    moving, fixed = _fiducials_um(source)
    context = source.context
    kind = "AFFINE"
    similar = source.registration.model is TransformModel.SIMILARITY
    if similar and not decompose(source.em_to_lm).mirrored:
        kind = "SIMILARITY"
    root = Element("root")
    top = ElementTree.SubElement(root, "transformation")
    top.attrib |= {"type": kind, "noiseModel": "ISOTROPIC"}
    em_um, lm_um = _pixel_sizes(context)
    _add_size(top, "source", context.lm_shape, lm_um)
    _add_size(top, "target", context.em_shape, em_um)
    for name in (context.lm_name, context.em_name):
        shown = "".join(sign if sign.isprintable() else "?" for sign in name)
        ElementTree.SubElement(top, "sequenceFileName", path=shown).text = shown
    _add_points(top, "source", moving)
    _add_points(top, "target", fixed)
    ElementTree.indent(root)
    write_bytes(path, ElementTree.tostring(root, "UTF-8", xml_declaration=True))
    return (path,)


def write_ecclem_csv(path: Path, source: ExportSource) -> tuple[Path, ...]:
    """Write the fiducials as two point lists, `<stem>.source` (LM) and `.target` (EM).

    Raises:
        UsageError: not registered, a homography, or a pixel size is unknown.
        OSError: a file cannot be written.
    """
    written = []
    names = ("source", "target")
    for name, points in zip(names, _fiducials_um(source), strict=True):
        text = io.StringIO()
        writer = csv.writer(text)  # rows end with CR LF, as eC-CLEM's own do
        writer.writerow(["id", *(f"dimension_{n}" for n in (1, 2, 3))])
        writer.writerows([n, *row] for n, row in enumerate(points.tolist()))
        file = path.with_name(f"{path.stem}.{name}{path.suffix}")
        write_text(file, text.getvalue())
        written.append(file)
    return tuple(written)


def _fiducials_um(source: ExportSource) -> tuple[NDArray[np.float64], ...]:
    """(LM, EM) points, (9, 3), micrometres from the first pixel's outer corner."""
    source.affine_px("eC-CLEM", "export bigwarp or json")
    em_um, lm_um = _pixel_sizes(source.context)
    lm_px, em_px = landmarks_px(source.registration, source.context)
    return tuple(
        np.c_[apply(pixel_to_um(size), from_corner(points)), np.zeros(len(points))]
        for points, size in ((lm_px, lm_um), (em_px, em_um))
    )


def _pixel_sizes(context: PairContext) -> tuple[PixelUm, PixelUm]:
    if context.em_pixel_um is None or context.lm_pixel_um is None:
        side = "EM" if context.em_pixel_um is None else "LM"
        raise UsageError(
            f"eC-CLEM counts in micrometres, and the {side} pixel size is not known",
            "ecclem",
            "export bigwarp, which counts px then",
        )
    return context.em_pixel_um, context.lm_pixel_um


def _add_size(top: Element, side: str, shape: tuple[int, int], um: PixelUm) -> None:
    size = ElementTree.SubElement(top, "sequenceSize", type=side, dimension="3")
    dimensions = (("X", shape[1], um[0]), ("Y", shape[0], um[1]), ("Z", 1, 1.0))
    for name, count, pixel_um in dimensions:
        entry = ElementTree.SubElement(size, "dimensionSize", name=name)
        entry.set("pixelSize", repr(float(pixel_um)))
        entry.text = str(count)


def _add_points(top: Element, side: str, points: NDArray[np.float64]) -> None:
    dataset = ElementTree.SubElement(top, "dataset", type=side)
    dataset.attrib |= {
        "n": str(len(points)),
        "dimension": "3",
        "pointType": "FIDUCIAL",
    }
    for number, row in enumerate(points.tolist()):
        point = ElementTree.SubElement(dataset, "point", id=str(number))
        for axis, value in enumerate(row):
            entry = ElementTree.SubElement(point, "coordinate", dimension=str(axis))
            entry.text = repr(value)
