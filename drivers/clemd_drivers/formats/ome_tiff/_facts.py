"""The fields of OME-XML that clemd uses, read tolerantly.

Schemas from 2008 to 2016 and slips of writers are read alike: names without
namespaces, unknown attributes passed over, a length without unit is µm. A position in
`reference frame` has no unit at all and is not used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from xml.etree.ElementTree import Element

from clemd.model import PixelSize, StagePose
from clemd_drivers.formats._kind import ChannelClues
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, number, positive, um_per
from clemd_drivers.formats._xml import children, text_at

_HINTS = {
    "sample": {"sample", "sampleid", "samplename", "specimen"},
    "session": {"session", "sessionid", "sessionname"},
}


def described_images(root: Element) -> list[tuple[Element, Element]]:
    """Every (Image, Pixels), in the order of the document."""
    return [
        (image, pixels)
        for image in children(root, "Image")
        for pixels in children(image, "Pixels")
    ]


def largest_image(root: Element) -> tuple[Element, Element] | None:
    """The (Image, Pixels) with most pixels per plane, the first of equals."""
    found = described_images(root)
    return max(found, key=lambda pair: _area(pair[1]), default=None)


def _area(pixels: Element) -> int:
    return size(pixels, "X") * size(pixels, "Y")


def size(pixels: Element, axis: str) -> int:
    """SizeC, SizeZ..., at least 1 and at most a million."""
    value = number(pixels.get(f"Size{axis}"))
    return min(1_000_000, max(1, int(value or 1)))


def pixel_size(pixels: Element) -> tuple[PixelSize | None, list[str]]:
    """Physical size of a pixel, and what is wrong with it."""
    sizes, notes = [], Notes()
    for axis in "XY":
        value = positive(number(pixels.get(f"PhysicalSize{axis}")))
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        factor = um_per(unit)
        if value and factor is None:
            notes.add(f"PhysicalSize{axis} in {clean(unit)!r} has no known unit")
        sizes.append(value * factor if value and factor else None)
    found = size_of_edges("OME PhysicalSizeX", sizes[0], sizes[1], notes)
    if found is None:
        notes.add("no pixel size in the OME metadata")
    return found, notes.lines


def stage(image: Element, pixels: Element) -> StagePose | None:
    """Position of the first plane, else of the StageLabel."""
    planes = sorted(
        children(pixels, "Plane"),
        key=lambda p: [int(number(p.get(f"The{axis}")) or 0) for axis in "TZC"],
    )
    labels = list(children(image, "StageLabel"))
    for element, prefix in [(p, "Position") for p in planes[:1]] + [
        (label, "") for label in labels[:1]
    ]:
        x, y, z = (_position(element, prefix + axis) for axis in "XYZ")
        if x is not None and y is not None:
            return StagePose(x_um=x, y_um=y, z_um=z)
    return None


def _position(element: Element, name: str) -> float | None:
    value = number(element.get(name))
    # Without a unit the schema means `reference frame`: a number without scale.
    factor = um_per(element.get(f"{name}Unit", "reference frame"))
    return None if value is None or factor is None else value * factor


def acquired_at(image: Element) -> datetime | None:
    """When; naive unless a zone is stated."""
    text = text_at(image, "AcquisitionDate") or text_at(image, "CreationDate")
    try:
        return datetime.fromisoformat(text.strip()) if text else None
    except ValueError:
        return None


def instrument(root: Element) -> str | None:
    """Maker, model and serial number of the first microscope."""
    for microscope in root.iter("Microscope"):
        parts = [microscope.get(k) for k in ("Manufacturer", "Model", "SerialNumber")]
        shown = clean(" ".join(part for part in parts if part))
        if shown:
            return shown
    return None


def hints(root: Element) -> dict[str, str]:
    """`sample` and `session`: annotations first, then Project and Dataset names."""
    found: dict[str, str] = {}
    for key, value in map_entries(root):
        plain = "".join(c for c in key.lower() if c.isalnum())
        for hint, names in _HINTS.items():
            if plain in names and value:
                found.setdefault(hint, value)
    for hint, element in (("sample", "Project"), ("session", "Dataset")):
        for one in children(root, element):
            name = clean(one.get("Name"))
            if name:
                found.setdefault(hint, name)
    return found


def ids(root: Element, image: Element) -> dict[str, str]:
    """What this image belongs to: what refers to it, where references are written."""
    found: dict[str, str] = {}
    wanted = {ref.get("ID") for ref in children(image, "AnnotationRef")}
    for annotation in root.iter("MapAnnotation"):
        if wanted and annotation.get("ID") not in wanted:
            continue
        for entry in list(annotation.iter("M"))[:200]:
            key = "".join(c for c in clean(entry.get("K"), 80).lower() if c.isalnum())
            value = clean(entry.get("V") or entry.text)
            if key and value:
                found.setdefault(key, value)
    datasets = _referring(root, "Dataset", "ImageRef", image)
    projects = [
        project
        for dataset in datasets
        for project in _referring(root, "Project", "DatasetRef", dataset)
    ]
    for key, elements in (("project", projects), ("dataset", datasets)):
        names = [clean(e.get("Name")) for e in elements]
        if any(names):
            found[key] = next(n for n in names if n)
    for label in children(image, "StageLabel"):
        if name := clean(label.get("Name")):
            found.setdefault("stage_label", name)
    return found


def _referring(
    root: Element, tag: str, reference: str, target: Element
) -> list[Element]:
    """Elements that refer to `target`; a lone one that refers to nothing counts."""
    every = list(children(root, tag))
    named = [
        e for e in every if target.get("ID") in {r.get("ID") for r in e.iter(reference)}
    ]
    alone = len(every) == 1 and not any(True for _ in every[0].iter(reference))
    return named or (every if alone else [])


def map_entries(root: Element) -> Iterator[tuple[str, str]]:
    """Key and value of every map annotation, at most 200."""
    entries = (m for a in root.iter("MapAnnotation") for m in a.iter("M"))
    for _, entry in zip(range(200), entries, strict=False):
        yield clean(entry.get("K"), 80), clean(entry.get("V") or entry.text)


def channels(root: Element, pixels: Element) -> list[ChannelClues]:
    """What is said about each channel, in order."""
    by_id = {e.get("ID"): e for e in root.iter() if e.get("ID")}
    found = []
    for index, channel in enumerate(children(pixels, "Channel")):
        clues = _clues(channel, by_id)
        name = clean(channel.get("Name")) or clues.fluor or f"channel {index}"
        found.append(replace(clues, name=name))
    return found


def _clues(channel: Element, by_id: dict[str | None, Element]) -> ChannelClues:
    linked = [
        by_id[child.get("ID")]
        for child in channel.iter()
        if child is not channel and child.get("ID") in by_id
    ]
    detector = next((e for e in linked if e.tag == "Detector"), None)
    dichroic = next((e for e in linked if e.tag == "Dichroic"), None)
    return ChannelClues(
        fluor=clean(channel.get("Fluor")),
        contrast=clean(channel.get("ContrastMethod")),
        illumination=clean(channel.get("IlluminationType")),
        acquisition_mode=clean(channel.get("AcquisitionMode")),
        excitation_nm=_wavelength_nm(channel, "Excitation"),
        emission_nm=_wavelength_nm(channel, "Emission"),
        detector=_words(detector, "Model", "Type"),
        dichroic=_words(dichroic, "Model"),
        bands_nm=tuple(_bands(linked)),
    )


def _words(element: Element | None, *names: str) -> str:
    if element is None:
        return ""
    return clean(" ".join(element.get(name) or "" for name in names))


def _wavelength_nm(channel: Element, which: str) -> float | None:
    value = positive(number(channel.get(f"{which}Wavelength")))
    factor = um_per(channel.get(f"{which}WavelengthUnit", "nm"))
    return value * factor * 1e3 if value and factor else None


def _bands(linked: list[Element]) -> Iterator[tuple[float, float]]:
    for element in linked:
        for band in element.iter("TransmittanceRange"):
            low, high = number(band.get("CutIn")), number(band.get("CutOut"))
            if low is not None and high is not None:
                yield low, high
