"""Which thermometer to believe."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol, runtime_checkable

from clemd.config import ThermalSettings
from clemd.driver_api import Sensor, SensorDriver, SensorHints
from clemd.errors import SensorLostError, UsageError


@runtime_checkable
class TracePlayer(Protocol):
    """A sensor driver that can play a recording."""

    def play(self, path: Path, clock: Callable[[], float]) -> Sensor:
        """A sensor that plays `path`, starting now.

        Raises:
            UsageError: the file is not a recording.
        """
        ...


def choose_sensor(
    settings: ThermalSettings,
    drivers: Iterable[SensorDriver],
    clock: Callable[[], float],
    *,
    device: str | None = None,
) -> Sensor | None:
    """The sensor that the profile asks for, or None if there is none.

    A `trace` is played whatever `sensor` says. `auto` takes the first sensor of the
    first driver that has one (drivers come in order: GPU before CPU) and, where the
    `device` is known that will work (`cpu`, `cuda:1`), one that does not say that it
    belongs to another; `none` takes none; any other word is a driver's name (`nvml`)
    or a sensor's (`nvml:1`).

    Raises:
        UsageError: the trace cannot be played, or no driver has such a name.
    """
    offered = tuple(drivers)
    if settings.trace is not None:
        return _play(settings.trace, offered, clock)
    if settings.sensor == "none":
        return None
    wanted = None if settings.sensor == "auto" else settings.sensor
    if wanted is not None:
        _check_name(wanted, offered)
    chosen: Sensor | None = None
    for driver in offered:
        if wanted is not None and wanted.split(":")[0] != driver.name:
            continue
        for sensor in driver.discover():
            suits = wanted is not None or _is_of(sensor, device)
            if chosen is None and suits and _is_wanted(sensor, driver.name, wanted):
                chosen = sensor
            else:
                sensor.close()
        if chosen is not None:
            return chosen
    return None


def _check_name(wanted: str, offered: tuple[SensorDriver, ...]) -> None:
    """A name that no sensor can have would be taken for one that is absent."""
    where = f"thermal.sensor = {wanted!r}"
    kind, colon, which = wanted.partition(":")
    drivers = {driver.name: driver for driver in offered}
    if kind not in drivers:
        known = ", ".join(drivers)
        raise UsageError(
            f"no sensor driver is called {kind!r}",
            where,
            f"use auto, none, or one of {known}",
        )
    driver: object = drivers[kind]
    is_numbered = isinstance(driver, SensorHints) and driver.is_numbered
    number = which.split(" ")[0]
    if is_numbered and colon and not (number.isascii() and number.isdecimal()):
        raise UsageError(
            f"sensors of {kind} have numbers, not {which!r}",
            where,
            f"use {kind} for the first one, or {kind}:0, {kind}:1 ...",
        )
    if colon and not which:
        raise UsageError("a sensor's name is missing", where, f"use {kind} for any")


def _is_of(sensor: Sensor, device: str | None) -> bool:
    """It does not say that it belongs to another device."""
    if device is None:
        return True
    try:
        said = sensor.read().device
    except (SensorLostError, OSError):
        return True  # it may come back
    kind, _, number = device.partition(":")
    said_kind, _, said_number = said.partition(":")
    if said_kind not in {"cpu", "cuda"}:
        return True
    return said_kind == kind and (said_number or "0") == (number or "0")


def _is_wanted(sensor: Sensor, driver_name: str, wanted: str | None) -> bool:
    if wanted is None or wanted == driver_name:
        return True
    return sensor.name == wanted or sensor.name.startswith(f"{wanted} ")


def _play(
    trace: Path, offered: tuple[SensorDriver, ...], clock: Callable[[], float]
) -> Sensor:
    for driver in offered:
        if isinstance(driver, TracePlayer):
            return driver.play(trace, clock)
    raise UsageError(
        "no sensor driver can play a trace",
        str(trace),
        "install the replay driver or remove thermal.trace",
    )
