"""What a file says about itself, as an OME model that other programs read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clemd.model import Channel, ChannelKind, Frame, Modality

if TYPE_CHECKING:
    from ome_types import OME

NAMESPACE = "clemd/frame/1"
PIXEL_TYPES = {
    "bool": "uint8",
    "uint8": "uint8",
    "int8": "int8",
    "uint16": "uint16",
    "int16": "int16",
    "uint32": "uint32",
    "int32": "int32",
    "float16": "float",
    "float32": "float",
    "float64": "double",
    "int64": "double",
    "uint64": "double",
}
"""numpy's name -> OME's; what OME cannot name is widened to what it can."""
_MODES = {
    Modality.CLSM: "LaserScanningConfocalMicroscopy",
    Modality.WIDEFIELD: "WideField",
    Modality.HYPERSPECTRAL: "SpectralImaging",
}
_LIGHT = {
    ChannelKind.FLUORESCENCE: ("Epifluorescence", "Fluorescence"),
    ChannelKind.TRANSMITTED: ("Transmitted", "Brightfield"),
}


def describe_frame(frame: Frame, *, name: str, stored: bool = False) -> str:
    """Valid OME-XML of one frame.

    Args:
        frame: the facts.
        name: of the image, shown to people.
        stored: the planes follow in the same TIFF, one page a channel; else the
            document holds metadata only.
    """
    # imported here: it takes half a second
    from ome_types import model as ome

    pixels: dict[str, Any] = {
        "id": "Pixels:0",
        "dimension_order": "XYZCT",
        "type": PIXEL_TYPES.get(frame.dtype, "float"),
        "size_x": frame.shape[1],
        "size_y": frame.shape[0],
        "size_z": 1,
        "size_c": len(frame.channels),
        "size_t": 1,
        "channels": [_channel(c, i, frame) for i, c in enumerate(frame.channels)],
        "planes": _planes(frame),
    }
    if stored:
        pixels["tiff_data_blocks"] = [
            ome.TiffData(ifd=0, plane_count=len(frame.channels))
        ]
    else:
        pixels["metadata_only"] = ome.MetadataOnly()
    if frame.pixel_size is not None:
        pixels |= {
            "physical_size_x": frame.pixel_size.x_um,
            "physical_size_y": frame.pixel_size.y_um,
            "physical_size_x_unit": "µm",
            "physical_size_y_unit": "µm",
        }
    image: dict[str, Any] = {
        "id": "Image:0",
        "name": name,
        "pixels": pixels,
        "annotation_refs": [ome.AnnotationRef(id="Annotation:0")],
    }
    if frame.acquired_at is not None:
        image["acquisition_date"] = frame.acquired_at
    if label := _label(frame):
        image["stage_label"] = label
    document = _document(frame, image)
    return document.to_xml(validate=True)


def _document(frame: Frame, image: dict[str, Any]) -> OME:
    from ome_types import model as ome

    whole: dict[str, Any] = {
        "creator": "clemd",
        "images": [image],
        "structured_annotations": ome.StructuredAnnotations(
            map_annotations=[
                ome.MapAnnotation(
                    id="Annotation:0",
                    namespace=NAMESPACE,
                    value=ome.Map.model_validate(_facts(frame)),
                )
            ]
        ),
    }
    if frame.instrument:
        whole["instruments"] = [
            ome.Instrument(
                id="Instrument:0", microscope=ome.Microscope(model=frame.instrument)
            )
        ]
        image["instrument_ref"] = ome.InstrumentRef(id="Instrument:0")
    return ome.OME.model_validate(whole)


def _channel(channel: Channel, index: int, frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": f"Channel:0:{index}",
        "name": channel.name,
        "samples_per_pixel": 1,
        "acquisition_mode": _MODES.get(frame.modality, "Other"),
    }
    if channel.kind in _LIGHT:
        found["illumination_type"], found["contrast_method"] = _LIGHT[channel.kind]
    for key, value_nm in (
        ("excitation_wavelength", channel.excitation_nm),
        ("emission_wavelength", channel.emission_nm),
    ):
        if value_nm is not None and value_nm > 0:
            found |= {key: value_nm, f"{key}_unit": "nm"}
    return found


def _planes(frame: Frame) -> list[dict[str, Any]]:
    stage = frame.stage
    if stage is None or stage.x_um is None or stage.y_um is None:
        return []
    where = {"position_x": stage.x_um, "position_y": stage.y_um}
    if stage.z_um is not None:
        where["position_z"] = stage.z_um
    units = {f"{axis}_unit": "µm" for axis in where}
    return [
        {"the_z": 0, "the_c": c, "the_t": 0, **where, **units}
        for c in range(len(frame.channels))
    ]


def _label(frame: Frame) -> dict[str, Any] | None:
    stage = frame.stage
    name = frame.ids.get("stage_label")
    if name is None and (stage is None or stage.x_um is None):
        return None
    found: dict[str, Any] = {"name": name or "stage"}
    for axis in "xyz":
        value = None if stage is None else getattr(stage, f"{axis}_um")
        if value is not None:
            found |= {axis: value, f"{axis}_unit": "µm"}
    return found


def _facts(frame: Frame) -> dict[str, str]:
    """What OME has no place for, as words."""
    stage, size = frame.stage, frame.pixel_size
    facts: dict[str, object] = {
        "modality": frame.modality.value,
        "read_by": f"{frame.driver} {frame.driver_version}",
        "sample": frame.sample,
        "session": frame.session,
        "info_bar_rows": frame.info_bar_rows or None,
        "content_sha256": frame.content_sha256 or None,
        "pixel_size_source": size and size.source,
        "pixel_size_relative_sigma": size and size.relative_sigma,
        "stage_rotation_deg": stage and stage.rotation_deg,
        "stage_tilt_deg": stage and stage.tilt_deg,
        "scan_rotation_deg": stage and stage.scan_rotation_deg,
    }
    for i, channel in enumerate(frame.channels):
        facts[f"channel_{i}_kind"] = channel.kind.value
        facts[f"channel_{i}_kind_reason"] = channel.kind_reason or None
    facts |= {f"warning_{i}": text for i, text in enumerate(frame.warnings)}
    facts |= {key: text for key, text in frame.ids.items() if key not in facts}
    return {key: str(value) for key, value in facts.items() if value is not None}
