"""The `.emi` beside a series: documents about its images between binary data."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePath

from clemd.driver_api import SourceFile
from clemd.errors import RefusedFileError
from clemd.model import StagePose
from clemd_drivers.formats._notes import Notes
from clemd_drivers.formats._values import clean, instant, number, um_per
from clemd_drivers.formats._xml import BrokenXmlError, children, parse, text_at

_DOCUMENT = re.compile(rb"<ObjectInfo>.*?</ObjectInfo>", re.DOTALL)
_NUMBER = re.compile(r"_(\d{1,4})$")
_DATE = "%a %b %d %H:%M:%S %Y"


@dataclass(frozen=True, slots=True)
class Emi:
    """Labelled values of one image: label -> (value, unit)."""

    values: dict[str, tuple[str, str]] = field(default_factory=dict)
    date: str = ""
    maker: str = ""
    volts: float | None = None

    def text(self, label: str) -> str:
        """One value; empty where it is absent."""
        return self.values.get(label, ("", ""))[0]


def read_emi(source: SourceFile, notes: Notes) -> Emi:
    """What the `.emi` says; empty where it is missing or makes no sense."""
    stem = PurePath(source.path.name).stem
    numbered = _NUMBER.search(stem)
    base = stem[: numbered.start()] if numbered else stem
    name, data = next(
        (
            (name, data)
            for name in (f"{base}.emi", f"{base}.EMI", f"{stem}.emi")
            if "\\" not in name and (data := source.sibling(name))
        ),
        (f"{base}.emi", None),
    )
    if data is None:
        notes.add(f"no {clean(name, 80)} beside it: stage and microscope are not known")
        return Emi()
    documents = _DOCUMENT.findall(data)
    if not documents:
        notes.add(f"{clean(name, 80)} describes no image in its first megabyte")
        return Emi()
    # Each detector has a series of its own, numbered from one, and a document.
    index = int(numbered.group(1)) - 1 if numbered else 0
    return _parsed(documents[index if 0 <= index < len(documents) else 0], notes)


def _parsed(document: bytes, notes: Notes) -> Emi:
    try:
        text = document.decode("utf-8")
    except UnicodeDecodeError:
        text = document.decode("cp1252", "replace")
    try:
        root = parse(text.encode())
    except (BrokenXmlError, RefusedFileError) as broken:
        notes.add(f"the .emi text cannot be parsed ({clean(str(broken), 100)})")
        return Emi()
    values: dict[str, tuple[str, str]] = {}
    for entry in root.iter("Data"):
        label = clean(text_at(entry, "Label"), 80)
        said = clean(text_at(entry, "Value")), clean(text_at(entry, "Unit"), 20)
        values.setdefault(label, said)
    volts = None
    for conditions in root.iter("MicroscopeConditions"):
        for stated in children(conditions, "AcceleratingVoltage"):
            volts = number(stated.text)
    return Emi(
        values=values,
        date=clean(text_at(root, "AcquireDate"), 40),
        maker=clean(text_at(root, "Manufacturer"), 80),
        volts=volts,
    )


def stage(emi: Emi, notes: Notes) -> StagePose | None:
    """Where the stage was."""
    x, y, z = (_length_um(emi, f"Stage {axis}", notes) for axis in "XYZ")
    if x is None and y is None:
        return None
    turned = notes.angle_deg("Stem Rotation", emi.text("Stem Rotation"))
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        tilt_deg=notes.angle_deg("Stage A", emi.text("Stage A"), most=180.0),
        scan_rotation_deg=turned or 0.0,
    )


def _length_um(emi: Emi, label: str, notes: Notes) -> float | None:
    value, unit = emi.values.get(label, ("", ""))
    factor = um_per(unit)
    if value and factor is None:
        notes.add(f"{label} = {value} {unit} is no length and is not used")
    return notes.position_um(label, value, factor) if factor else None


def acquired_at(emi: Emi, notes: Notes) -> datetime | None:
    """Wall-clock time without a zone, or None."""
    if not emi.date:
        return None
    found = instant(emi.date, _DATE)
    if found is None:
        notes.add(f"AcquireDate = {emi.date} is not understood")
    return found


def tension_kv(emi: Emi) -> float | None:
    """The high tension."""
    if emi.volts:
        return emi.volts / 1000
    return number(emi.text("High tension"))
