"""The fields of ND2 metadata that clemd uses; lengths are micrometres there."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta

from clemd.model import Channel, PixelSize, StagePose
from clemd_drivers.formats._light import ChannelClues, channel_of
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, positive

from ._loops import Place
from ._variant import Node

_UNIX_DAY = 2_440_587.5
_PLAUSIBLE_DAYS = (2_444_240.0, 2_500_000.0)
# Bits of the modality of a channel: first who is in the way of the light.
_FLUORESCENCE, _BRIGHTFIELD, _PHASE, _DIC, _TRANSMITTED = 1, 2, 0x10, 0x20, 0x1000000
_MODES = {
    0x200: "LaserScanningConfocalMicroscopy",
    0x10000: "MultiPhotonMicroscopy",
    0x400: "SpinningDiskConfocal",
    0x800: "SweptFieldConfocal",
    0x1000: "SweptFieldConfocal",
    0x2000: "SpinningDiskConfocal",
    0x100: "WideField",
}
_COLOURS = ("blue", "green", "red")


def pixel_size(picture: Node) -> tuple[PixelSize | None, list[str]]:
    """Edge lengths of a pixel, and what is wrong with them."""
    value = positive(picture.number("dCalibration"))
    if not picture.number("bCalibrated") or value is None:
        return None, ["no pixel size in the ND2 metadata: the image is not calibrated"]
    notes = Notes()
    size = size_of_edges("ND2 dCalibration", value, value, notes)
    if size is None:
        notes.add("no pixel size in the ND2 metadata")
    return size, notes.lines


def stage(picture: Node, place: Place | None) -> StagePose | None:
    """Where the stage was; nothing where it reports nought for both axes."""
    x, y = picture.number("dXPos"), picture.number("dYPos")
    z = picture.number("dZPos")
    if place is not None:
        x, y, z = place.x_um, place.y_um, z if place.z_um is None else place.z_um
    if x is None or y is None or not (math.isfinite(x) and math.isfinite(y)):
        return None
    known_z = z if z is not None and math.isfinite(z) else None
    return StagePose(x_um=x, y_um=y, z_um=known_z) if x or y else None


def acquired_at(picture: Node) -> datetime | None:
    """Start of the acquisition: a Julian day, in UTC."""
    day = picture.number("dTimeAbsolute")
    first, last = _PLAUSIBLE_DAYS
    if day is None or not first < day < last:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day - _UNIX_DAY)


def planes(picture: Node) -> list[Node]:
    """One level per channel, in the order of their samples."""
    group = picture.node("sPicturePlanes")
    found = group.node("sPlaneNew") if group.get("sPlaneNew") else group.node("sPlane")
    return list(found.nodes())


def channels(picture: Node, n_samples: int) -> list[tuple[Channel, str, int]]:
    """Every channel with its mode of acquisition and the sample that holds it.

    Args:
        picture: the picture's metadata.
        n_samples: per pixel, as the image has them.
    """
    found: list[tuple[Channel, str, int]] = []
    sample = 0
    for index, plane in enumerate(planes(picture)):
        count = int(plane.number("uiCompCount") or 1)
        mask = int(plane.number("uiModalityMask") or 0)
        mode = next((name for bit, name in _MODES.items() if mask & bit), "")
        channel = channel_of(_clues(plane, mask, mode), index)
        for k in reversed(range(min(3, count))):
            one = channel
            if count > 1:
                one = Channel(
                    name=f"{channel.name} {_COLOURS[k]}",
                    kind=channel.kind,
                    kind_reason=channel.kind_reason,
                )
            found.append((one, mode, sample + k))
        sample += count
    if sample == n_samples:
        return found
    return [(channel_of(ChannelClues(), k), "", k) for k in range(n_samples)]


def _clues(plane: Node, mask: int, mode: str) -> ChannelClues:
    contrast, through = "", bool(mask & _TRANSMITTED)
    if mask & _DIC:
        contrast = "DIC"
    elif mask & _PHASE:
        contrast = "Phase"
    elif mask & _BRIGHTFIELD:
        contrast = "Brightfield"
    elif mask & _FLUORESCENCE:
        contrast = "Fluorescence"
    dye = plane.node("pFluorescentProbe")
    filters = next(plane.node("pFilterPath", "m_pFilter").nodes(), Node())
    return ChannelClues(
        name=clean(plane.text("sDescription")),
        contrast=contrast,
        illumination="Transmitted" if through else "",
        acquisition_mode=mode,
        excitation_nm=_peak_nm(dye, filters, "m_ExcitationSpectrum"),
        emission_nm=_peak_nm(dye, filters, "m_EmissionSpectrum"),
    )


def _peak_nm(dye: Node, filters: Node, name: str) -> float | None:
    """Wavelength of the highest point of the dye's spectrum, else of the filter's."""
    for part in (dye, filters):
        points = list(part.node(name, "pPoint").nodes())
        if points:
            best = max(points, key=lambda point: point.number("dTValue") or 0.0)
            return positive(best.number("dWavelength"))
    return None


def remarks(picture: Node, text: Node) -> dict[str, str | None]:
    """Values worth keeping."""
    magnification = positive(picture.number("dObjectiveMag"))
    aperture = positive(picture.number("dObjectiveNA"))
    return {
        "objective": picture.text("wsObjectiveName"),
        "magnification": f"{magnification:g}" if magnification else None,
        "numerical_aperture": f"{aperture:g}" if aperture else None,
        "author": text.text("TextInfoItem_4"),
        "description": text.text("TextInfoItem_5"),
        "date": text.text("TextInfoItem_9"),
        "optics": text.text("TextInfoItem_13"),
        "software": text.text("TextInfoItem_14"),
    }
