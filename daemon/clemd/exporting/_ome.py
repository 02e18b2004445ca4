"""The OME-XML of an overlay: channels, micrometres, and what the verdict was."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clemd.model import Registration

from ._context import Colour, PairContext

NAMESPACE = "clemd/registration/1"


def describe_overlay(
    *,
    shape: tuple[int, int],
    dtype: str,
    names: Sequence[str],
    colours: Sequence[Colour],
    registration: Registration,
    context: PairContext,
) -> str:
    """Valid OME-XML for planes of `shape` (height, width), one per channel."""
    # imported here: it takes half a second, and previews need none of it
    from ome_types import model as ome

    channels = [
        ome.Channel(id=f"Channel:0:{i}", name=name, color=ome.Color(_packed(colour)))
        for i, (name, colour) in enumerate(zip(names, colours, strict=True))
    ]
    pixels = ome.Pixels(
        id="Pixels:0",
        dimension_order=ome.Pixels_DimensionOrder.XYZCT,
        type=ome.PixelType(_PIXEL_TYPES[dtype]),
        size_x=shape[1],
        size_y=shape[0],
        size_z=1,
        size_c=len(names),
        size_t=1,
        channels=channels,
        tiff_data_blocks=[ome.TiffData(ifd=0, plane_count=len(names))],
    )
    if context.em_pixel_um is not None:
        pixels.physical_size_x, pixels.physical_size_y = context.em_pixel_um
        pixels.physical_size_x_unit = ome.UnitsLength.MICROMETER
        pixels.physical_size_y_unit = ome.UnitsLength.MICROMETER
    note = ome.MapAnnotation(
        id="Annotation:0",
        namespace=NAMESPACE,
        value=ome.Map.model_validate(_facts(registration, context)),
    )
    image = ome.Image(
        id="Image:0",
        name=f"{context.em_name} with {context.lm_name}",
        pixels=pixels,
        annotation_refs=[ome.AnnotationRef(id="Annotation:0")],
    )
    document = ome.OME(
        creator="clemd",
        images=[image],
        structured_annotations=ome.StructuredAnnotations(map_annotations=[note]),
    )
    return document.to_xml(validate=True)


_PIXEL_TYPES = {"uint8": "uint8", "uint16": "uint16", "float32": "float"}


def _packed(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _facts(registration: Registration, context: PairContext) -> dict[str, str]:
    radius = registration.error_um
    return {
        "registration_id": context.registration_id,
        "verdict": registration.verdict.value,
        "error_um_p95": "unknown" if radius is None else repr(radius.p95),
        "em_to_lm_px": json.dumps(registration.em_to_lm),
        "em_sha256": registration.input_sha256[0],
        "lm_sha256": registration.input_sha256[1],
        "engine": f"{registration.engine} {registration.engine_version}".strip(),
    }
