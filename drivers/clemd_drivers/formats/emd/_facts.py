"""The fields of Velox that clemd uses; lengths in metres, angles in radians there."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from clemd.model import Channel, ChannelKind, Modality, PixelSize, StagePose
from clemd_drivers.formats._electron import channel_of
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import number, um_per

from ._images import Facts, Image

_DEG = 180 / math.pi
_KEPT = {
    "tension_v": ("Optics", "AccelerationVoltage"),
    "magnification": ("Optics", "NominalMagnification"),
    "operating_mode": ("Optics", "OperatingMode"),
    "dwell_time_s": ("Scan", "DwellTime"),
    "tilt_beta_rad": ("Stage", "BetaTilt"),
    "software": ("Instrument", "ControlSoftwareVersion"),
}


def pixel_size(facts: Facts, notes: Notes) -> PixelSize | None:
    """Edge lengths of a pixel, or None with a note."""
    factor = um_per(facts.unit)
    sizes = [
        notes.size_um(
            f"PixelSize/{side}", facts.text("BinaryResult", "PixelSize", side), factor
        )
        for side in ("width", "height")
        if factor is not None
    ]
    known = [size for size in sizes if size is not None]
    if not known:
        notes.add("no pixel size in the EMD metadata")
        return None
    return size_of_edges("BinaryResult/PixelSize", known[0], known[-1], notes)


def stage(facts: Facts, notes: Notes) -> StagePose | None:
    """Where the stage was."""
    x, y, z = (
        notes.position_um(
            f"Stage/Position/{axis}", facts.text("Stage", "Position", axis), 1e6
        )
        for axis in "xyz"
    )
    if x is None and y is None:
        return None
    tilt = facts.text("Stage", "AlphaTilt")
    turned = facts.text("Scan", "ScanRotation")
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        tilt_deg=notes.angle_deg("Stage/AlphaTilt", tilt, _DEG, most=180.0),
        scan_rotation_deg=notes.angle_deg("Scan/ScanRotation", turned, _DEG) or 0.0,
    )


def acquired_at(facts: Facts) -> datetime | None:
    """Time of the start, in UTC."""
    for name in ("AcquisitionStartDatetime", "AcquisitionDatetime"):
        seconds = number(facts.text("Acquisition", name, "DateTime"))
        # Nothing was recorded by Velox before 2010 nor will be after 2100.
        if seconds is not None and 1_262_304_000 < seconds < 4_102_444_800:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def channels(images: list[Image]) -> tuple[Channel, ...]:
    """One for each detector of the scan."""
    found: list[Channel] = []
    for image in images:
        name = image.facts.detector
        same = sum(channel.name.startswith(name or "TEM") for channel in found)
        numbered = f"{name or 'TEM'} {same + 1}" if same else name
        channel = channel_of(numbered, Modality.TEM)
        if image.facts.is_spectrometer:
            channel = Channel(
                name=channel.name,
                kind=ChannelKind.SPECTRAL,
                kind_reason="an analytical detector",
            )
        found.append(channel)
    return tuple(found)


def instrument(facts: Facts) -> str | None:
    """Maker, model and number."""
    names = ("Manufacturer", "InstrumentModel", "InstrumentId")
    words = (facts.text("Instrument", name) for name in names)
    return " ".join(dict.fromkeys(word for word in words if word)) or None


def sample(facts: Facts) -> str | None:
    """What the operator called the specimen."""
    names = ("SampleId", "SampleDescription")
    return next((t for n in names if (t := facts.text("Sample", n))), None)


def remarks(facts: Facts) -> dict[str, str | None]:
    """Values worth keeping."""
    return {key: facts.text(*path) for key, path in _KEPT.items()}
