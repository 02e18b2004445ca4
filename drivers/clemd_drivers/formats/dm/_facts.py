"""The fields of a DM file that clemd uses; the stage is in micrometres and degrees."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from clemd.model import Channel, Modality, PixelSize, StagePose
from clemd_drivers.formats._clock import local_time
from clemd_drivers.formats._electron import channel_of, modality_of
from clemd_drivers.formats._notes import Notes, size_of_edges
from clemd_drivers.formats._values import clean, um_per

from ._images import Image
from ._tags import Folder, Tree

_SCOPE, _BAR = "Microscope Info", "DataBar"
_PLACE = "Stage Position"
_FILETIME_START = datetime(1601, 1, 1, tzinfo=UTC)
_KEPT_TEXTS = {
    "illumination_mode": (_SCOPE, "Illumination Mode"),
    "imaging_mode": (_SCOPE, "Imaging Mode"),
    "operation_mode": (_SCOPE, "Operation Mode"),
    "operator": ("Session Info", "Operator"),
}
_KEPT_NUMBERS: dict[str, tuple[str, ...]] = {
    "voltage_v": (_SCOPE, "Voltage"),
    "magnification": (_SCOPE, "Indicated Magnification"),
    "exposure_s": (_BAR, "Exposure Time (s)"),
    "tilt_beta_deg": (_SCOPE, _PLACE, "Stage Beta"),
}


def pixel_size(image: Image, notes: Notes) -> PixelSize | None:
    """Edge lengths of a pixel, or None with a note."""
    x, y = (_size_um(image, index, notes) for index in (0, 1))
    size = size_of_edges("Calibrations/Dimension/Scale", x, y, notes)
    if size is None:
        notes.add("no pixel size in the DM metadata")
    return size


def _size_um(image: Image, index: int, notes: Notes) -> float | None:
    axis = image.axes[index]
    if not axis.unit:
        return None
    factor = um_per(axis.unit)
    if factor is None:
        notes.add(f"the unit {axis.unit!r} of the pixel size is not a length")
        return None
    return notes.size_um("Calibrations/Dimension/Scale", _shown(axis.scale), factor)


def stage(tags: Folder, notes: Notes) -> StagePose | None:
    """Where the stage was; rotation is not known to these microscopes."""
    place = tags.folder(_SCOPE, _PLACE)
    stated = [place.number(f"Stage {axis}") for axis in "XYZ"]
    tilt = place.number("Stage Alpha")
    if not any(stated) and not tilt:
        if any(value is not None for value in stated):
            notes.add("the stage reads 0, 0, 0: taken as not recorded")
        return None
    x, y, z = (
        notes.position_um(f"Stage {axis}", _shown(value))
        for axis, value in zip("XYZ", stated, strict=True)
    )
    if x is None and y is None:
        return None
    turned = notes.angle_deg("DigiScan/Rotation", _shown(_rotation(tags)))
    return StagePose(
        x_um=x,
        y_um=y,
        z_um=z,
        tilt_deg=notes.angle_deg("Stage Alpha", _shown(tilt), most=180.0),
        scan_rotation_deg=turned or 0.0,
    )


def _rotation(tags: Folder) -> float | None:
    return tags.number("DigiScan", "Rotation")


def acquired_at(tree: Tree, tags: Folder, notes: Notes) -> datetime | None:
    """Wall-clock time by the bar, read so that it fits the PC's own clock; or None."""
    ticks = tags.number(_BAR, "Acquisition Time (OS)")
    clock = _moment(ticks) if ticks else None
    date = clean(tree.text(tags, _BAR, "Acquisition Date"), 40)
    time = clean(tree.text(tags, _BAR, "Acquisition Time"), 40)
    if not date:
        return clock
    read = local_time(_swapped(date, clock), time, notes)
    return read or clock


def _swapped(date: str, clock: datetime | None) -> str:
    """The date year first, where the PC's clock tells day and month apart."""
    for mark in "-./":
        parts = date.split(mark)
        if clock is None or len(parts) != 3 or not all(p.isdigit() for p in parts):
            continue
        first, second, year = (int(part) for part in parts)
        # The zone of the text is not known: a day more or less is the same moment.
        days = [clock + timedelta(days=step) for step in (-1, 0, 1)]
        for month, day in ((first, second), (second, first)):
            if any(
                (at.year, at.month, at.day) == (_year(year), month, day) for at in days
            ):
                return f"{_year(year)}/{month}/{day}"
    return date


def _year(stated: int) -> int:
    return stated + 2000 if stated < 100 else stated


def _moment(ticks: float) -> datetime | None:
    # A tick is 100 ns; nothing was recorded before 1980.
    if not 1.196e17 < ticks < 2e17:
        return None
    return _FILETIME_START + timedelta(microseconds=ticks / 10)


def modality(tree: Tree, tags: Folder) -> Modality:
    """SEM where a block-face microtome or a scanning microscope is named."""
    words = [
        tree.text(tags, _SCOPE, name)
        for name in ("Microscope", "Name", "Illumination Mode")
    ]
    if tags.folder("SBFSEM").entries:
        words.append("SBFSEM")
    volts = tags.number(_SCOPE, "Voltage")
    return modality_of(words, volts / 1000 if volts is not None else None)


def channel(tree: Tree, image: Image, modality: Modality) -> Channel:
    """What the detector saw."""
    tags = image.tags
    names = [
        tree.text(tags, _BAR, "Signal Name"),
        tree.text(tags, "Acquisition", "Device", "Name"),
        tree.text(tags, _BAR, "Device Name"),
    ]
    name = next((clean(name, 80) for name in names if clean(name)), "")
    # Behind the knife of a block-face microtome sits a backscatter detector.
    words = "3view" if tags.folder("SBFSEM").entries else ""
    return channel_of(name, modality, words=words)


def instrument(tree: Tree, tags: Folder) -> str | None:
    """Name of the microscope."""
    for name in ("Microscope", "Name"):
        found = clean(tree.text(tags, _SCOPE, name), 120)
        if found:
            return found
    return None


def sample(tree: Tree, tags: Folder) -> str | None:
    """What the operator called the specimen."""
    for place in ("Session Info", _SCOPE):
        found = clean(tree.text(tags, place, "Specimen"), 200)
        if found:
            return found
    return None


def remarks(tree: Tree, image: Image) -> dict[str, str | None]:
    """Values worth keeping."""
    kept: dict[str, str | None] = {"image": image.name}
    for key, path in _KEPT_TEXTS.items():
        kept[key] = tree.text(image.tags, *path)
    for key, place in _KEPT_NUMBERS.items():
        kept[key] = _shown(image.tags.number(*place))
    return kept


def _shown(value: float | None) -> str | None:
    return None if value is None else f"{value:.9g}"
