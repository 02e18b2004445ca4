"""CPU temperatures from `/sys/class/hwmon`, with psutil where that shows none.

A chip is a folder with `name`, `tempN_input` (millidegrees), and perhaps `tempN_label`,
`tempN_crit` and `tempN_max`. One sensor is made per CPU chip: its package value where
the chip has one, else its first input. Disk and network chips are left alone: they are
not what a registration heats.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from clemd.driver_api import Sensor
from clemd.errors import SensorLostError
from clemd.model import ThermalReading

_ROOT = Path("/sys/class/hwmon")
_CPU_CHIPS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
"""Best first; the ACPI zone is a guess by the mainboard."""
_PACKAGE_LABELS = ("Package id 0", "Tctl", "Tdie")


class HwmonSensor:
    """One `tempN_input` file."""

    def __init__(self, source: Path, *, chip: str) -> None:
        self._source = source
        label = _text(_beside(source, "label"))
        self.name = f"hwmon:{chip} {label}".strip()
        self._limit_c = _celsius(_beside(source, "crit"))
        if self._limit_c is None:
            self._limit_c = _celsius(_beside(source, "max"))

    def read(self) -> ThermalReading:
        """Look once.

        Raises:
            SensorLostError: the kernel no longer shows the value.
        """
        try:
            temperature_c = int(self._source.read_text()) / 1000
        except (OSError, ValueError) as failed:
            raise SensorLostError(f"{self.name} no longer answers") from failed
        return ThermalReading(
            sensor=self.name,
            device="cpu",
            temperature_c=temperature_c,
            limit_c=self._limit_c,
            utilisation=_utilisation(),
        )

    def close(self) -> None:
        """Nothing is held open."""


class PsutilSensor:
    """A CPU chip as psutil sees it, e.g. through a thermal zone."""

    def __init__(self, chip: str) -> None:
        self._chip = chip
        self.name = f"hwmon:{chip} psutil"

    def read(self) -> ThermalReading:
        """Look once; the hottest value of the chip.

        Raises:
            SensorLostError: psutil no longer lists the chip.
        """
        try:
            values = psutil.sensors_temperatures().get(self._chip, [])
        except OSError as failed:
            raise SensorLostError(f"{self.name} no longer answers") from failed
        if not values:
            raise SensorLostError(f"{self.name} no longer answers")
        hottest = max(values, key=lambda value: value.current)
        return ThermalReading(
            sensor=self.name,
            device="cpu",
            temperature_c=float(hottest.current),
            limit_c=hottest.critical or hottest.high or None,
            utilisation=_utilisation(),
        )

    def close(self) -> None:
        """Nothing is held open."""


class HwmonDriver:
    """Finds the CPU's thermometers; `root` is another folder only in tests."""

    name = "hwmon"
    is_numbered = False
    mend = "load the kernel module of the CPU's chip (coretemp, k10temp)"
    priority = 20

    def __init__(self, root: Path = _ROOT) -> None:
        self._root = root

    def discover(self) -> Sequence[Sensor]:
        """One sensor per CPU chip, best chip first; empty where there is none."""
        chips: dict[str, Path] = {}
        with suppress(OSError):  # a container may show no such folder
            for folder in sorted(self._root.iterdir()):
                name = _text(folder / "name")
                source = _package_input(folder) if name in _CPU_CHIPS else None
                if source is not None:
                    chips.setdefault(name, source)
        if chips:
            found = sorted(chips, key=_CPU_CHIPS.index)
            return [HwmonSensor(chips[chip], chip=chip) for chip in found]
        return self._from_psutil()

    def _from_psutil(self) -> Sequence[Sensor]:
        if self._root != _ROOT:
            return []
        try:
            listed = psutil.sensors_temperatures()
        except (OSError, AttributeError):  # not offered on every system
            return []
        return [PsutilSensor(chip) for chip in _CPU_CHIPS if listed.get(chip)]


def _package_input(folder: Path) -> Path | None:
    inputs = sorted(folder.glob("temp*_input"))
    readable = [source for source in inputs if _celsius(source) is not None]
    for label in _PACKAGE_LABELS:
        for source in readable:
            if _text(_beside(source, "label")) == label:
                return source
    return readable[0] if readable else None


def _utilisation() -> float | None:
    """Of all cores since the last look, 0..1; tells a stuck value from a calm one."""
    try:
        return psutil.cpu_percent(interval=None) / 100
    except (OSError, RuntimeError):
        return None


def _beside(source: Path, what: str) -> Path:
    return source.with_name(source.name.removesuffix("input") + what)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""


def _celsius(path: Path) -> float | None:
    try:
        return int(_text(path)) / 1000
    except ValueError:
        return None


DRIVER = HwmonDriver()
