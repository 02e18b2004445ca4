"""The xT text of tags 34680 / 34682, as facts: SI units, angles in radians."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from clemd.model import ChannelKind, Modality, PixelSize, StagePose
from clemd_drivers.formats._notes import SLACK, Notes, checked_size
from clemd_drivers.formats._values import clean, instant, number, positive

_ACROSS = ("HorFieldsize", "HFW", "ResolutionX")
_DOWN = ("VerFieldsize", "VFW", "ResolutionY")


@dataclass(frozen=True, slots=True)
class ThermoHeader:
    """Sections of `Key=Value` lines, as written."""

    sections: dict[str, dict[str, str]] = field(default_factory=dict)

    def get(self, section: str, key: str) -> str | None:
        """One value, or None where it is absent or empty."""
        return self.sections.get(section, {}).get(key) or None

    def number(self, section: str, key: str) -> float | None:
        """One value as a number in the unit written."""
        return number(self.get(section, key))

    def set(self, section: str, key: str, value: str | None) -> None:
        """Add a value that is not there yet."""
        if value and not self.get(section, key):
            self.sections.setdefault(section, {})[key] = value.strip()

    @property
    def beam(self) -> str:
        """Name of the section of the beam that made the image, e.g. `EBeam`."""
        return self.get("Beam", "Beam") or "EBeam"


def parse(data: bytes) -> ThermoHeader:
    """Read the INI text; lines that make no sense are passed over."""
    header = ThermoHeader()
    section = ""
    for line in data.decode("cp1252", "replace").splitlines():
        text = line.strip("\0 \t")
        if text.startswith("[") and text.endswith("]"):
            section = text[1:-1]
        elif "=" in text:
            key, _, value = text.partition("=")
            header.set(section, key.strip(), value)
    return header


def pixel_size(header: ThermoHeader, notes: Notes) -> PixelSize | None:
    """The size of one pixel, compared with the width of the field.

    Args:
        header: The text; lengths in metres.
        notes: Takes what does not fit.
    """
    # The navigation camera has no scan, only a field width.
    across = [_stated(header, "PixelWidth", notes), *_by_field(header, _ACROSS, notes)]
    x = checked_size(across, notes)
    if x is None:
        return None
    source, y_um = _stated(header, "PixelHeight", notes)
    stretch = abs(math.log(y_um / x.x_um)) if y_um else 0.0
    if y_um is None or stretch <= SLACK:
        return replace(x, y_um=y_um or x.x_um)
    upright = [(source, y_um), *_by_field(header, _DOWN, notes)]
    y = checked_size(upright, notes) or x
    sigma = max(x.relative_sigma, y.relative_sigma)
    if not _corrects_tilt(header):
        notes.add(
            f"pixels are {x.x_um:.6g} µm wide and {y_um:.6g} µm high, and the tilt "
            "correction is off"
        )
        sigma = max(sigma, stretch)
    return replace(x, y_um=y_um, relative_sigma=sigma)


def _stated(header: ThermoHeader, key: str, notes: Notes) -> tuple[str, float | None]:
    sections = ("Scan", header.get("Beam", "Scan") or "EScan")
    section = next((s for s in sections if header.get(s, key)), "Scan")
    name = f"{section}/{key}"
    return name, notes.size_um(name, header.get(section, key), 1e6)


def _by_field(
    header: ThermoHeader, keys: tuple[str, str, str], notes: Notes
) -> Iterator[tuple[str, float | None]]:
    """Pixel sizes by the fields that are stated, in the scan's and the beam's words."""
    of_scan, of_beam, pixels = keys
    count = positive(header.number("Image", pixels))
    for section, key in (("Scan", of_scan), (header.beam, of_beam)):
        name = f"{section}/{key}"
        field_um = notes.field_um(name, header.get(section, key), 1e6)
        yield name, field_um / count if field_um and count else None


def _corrects_tilt(header: ThermoHeader) -> bool:
    """Does the scan stretch lines, so that pixels need not be square?"""
    said = header.get(header.beam, "TiltCorrectionIsOn") or ""
    return said.strip().lower() in {"yes", "on", "true", "1"}


def stage(header: ThermoHeader) -> StagePose | None:
    """Where the stage was; [Stage] is the truth, the beam's section a stand-in."""

    def value(*keys: str, factor: float) -> float | None:
        for section in ("Stage", header.beam):
            for key in keys:
                found = header.number(section, key)
                if found is not None:
                    return found * factor
        return None

    x, y, z = (value(f"Stage{axis}", factor=1e6) for axis in "XYZ")
    if x is None and y is None:
        return None
    turned = header.number("Beam", "ScanRotation")
    if turned is None:
        turned = header.number(header.beam, "ScanRotation") or 0.0
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        rotation_deg=value("StageR", factor=180 / math.pi),
        tilt_deg=value("StageT", "StageTa", factor=180 / math.pi),
        scan_rotation_deg=math.degrees(turned),
    )


def acquired_at(header: ThermoHeader) -> datetime | None:
    """Local wall-clock time without a zone, or None.

    User/Date follows the PC's locale and may be month or day first; TimeOfCreation
    is always day first and decides.
    """
    iso = header.get("Acquisition", "AcquisitionDatetime")
    created = header.get("PrivateFei", "TimeOfCreation")
    for text, forms in (
        (iso, ("%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f")),
        (created, ("%d.%m.%Y %H:%M:%S",)),
        (
            f"{header.get('User', 'Date') or ''} {header.get('User', 'Time') or ''}",
            ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S",
             "%d/%m/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S"),
        ),
    ):  # fmt: skip
        found = instant(text, *forms) if text else None
        if found is not None:
            return found
    return None


def channel_kind(detector: str, signal: str) -> tuple[ChannelKind, str]:
    """What that detector saw, and why."""
    shown = f"detector {detector or 'not named'}, signal {signal or 'not named'}"
    if signal.upper().startswith("BSE") or detector.upper() in {
        "CBS",
        "ABS",
        "VCD",
        "MD",
    }:
        return ChannelKind.BSE, shown
    if signal.upper().startswith("SE") or detector.upper() in {
        "ETD",
        "TLD",
        "LVD",
        "ICE",
    }:
        return ChannelKind.SE, shown
    return ChannelKind.UNKNOWN, shown


def modality(header: ThermoHeader) -> Modality:
    """TEM for the column names of transmission microscopes, else SEM."""
    model = (header.get("System", "SystemType") or "").lower()
    columns = ("titan", "tecnai", "talos", "krios", "glacios", "themis", "spectra")
    return Modality.TEM if model.startswith(columns) else Modality.SEM


def instrument(header: ThermoHeader) -> str:
    """Maker, model and number."""
    parts = (header.get("System", "SystemType"), header.get("System", "Dnumber"))
    return " ".join(["Thermo Fisher", *(clean(part) for part in parts if part)])
