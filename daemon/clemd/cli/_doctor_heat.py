"""`clemd doctor` on heat: the thermometer, and the card's power and clocks."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from clemd.app import LeverNote
from clemd.config import Profile, ThermalSettings
from clemd.driver_api import LeverSensor, Sensor, SensorHints, load_drivers
from clemd.errors import ClemdError, SensorLostError, UsageError
from clemd.thermal import choose_sensor, why_unbelievable

from ._doctor_finding import FAIL, OK, WARN, Finding, Patient


def thermometer(patient: Patient) -> Iterator[Finding]:
    """Is there a sensor, and can what it says be believed?"""
    try:
        sensor = _sensor_for(patient.profile)
    except UsageError as wrong:
        yield Finding(level=FAIL, what="sensor", value=wrong.what, mend=wrong.mend)
        return
    if sensor is None:
        yield _absent(patient.profile.thermal.sensor)
        return
    try:
        yield _as_it_reads(sensor, patient.profile.thermal)
    finally:
        sensor.close()


def _sensor_for(profile: Profile) -> Sensor | None:
    """The one that the daemon would look at.

    Raises:
        UsageError: as `choose_sensor`.
    """
    asked = profile.registration.device
    return choose_sensor(
        profile.thermal,
        load_drivers("clemd.sensors"),
        time.monotonic,
        device=None if asked == "auto" else asked,
    )


def _absent(wanted: str) -> Finding:
    """No such sensor: which one was asked for, and what helps with that one."""
    if wanted == "none":
        value = "switched off in the profile: heat will not be seen"
        mend = 'set thermal.sensor to "auto", unless something else guards the device'
    elif wanted == "auto":
        value = "none: heat will not be seen"
        mend = "load the sensor's kernel module, or set thermal.sensor"
    else:
        value = f"the profile asks for {wanted}, which is not here: heat is not seen"
        drivers: list[object] = [
            driver
            for driver in load_drivers("clemd.sensors")
            if driver.name == wanted.split(":")[0]
        ]
        hints = [one.mend for one in drivers if isinstance(one, SensorHints)]
        mend = "; or ".join([*hints, 'set thermal.sensor to "auto"'])
    return Finding(level=WARN, what="sensor", value=value, mend=mend)


def _as_it_reads(sensor: Sensor, thermal: ThermalSettings) -> Finding:
    def finding(value: str, mend: str = "") -> Finding:
        level = WARN if mend else OK
        return Finding(level=level, what="sensor", value=value, mend=mend)

    mend = "load the sensor's kernel module, or set thermal.sensor"
    try:
        reading = sensor.read()
    except (ClemdError, OSError) as lost:
        return finding(str(lost), mend)
    celsius, doubt = reading.temperature_c, why_unbelievable(reading)
    if doubt or celsius is None:
        return finding(f"{doubt}: heat will not be seen", mend)
    shown = f"{sensor.name}: {celsius:.0f} °C"
    if celsius >= thermal.hot_c:
        return finding(
            f"{shown}, hot from {thermal.hot_c:g} °C: jobs would wait",
            "let the device cool, and look at its fan and its air",
        )
    if celsius >= thermal.warm_c:
        return finding(
            f"{shown}, warm from {thermal.warm_c:g} °C: jobs may be slowed",
            "look for what else warms the device, or give it better air",
        )
    return finding(shown)


def levers(patient: Patient) -> Iterator[Finding]:
    """Was something left lowered, and can what the profile wants be lowered?"""
    left = LeverNote(patient.state).read()
    if left is not None and not patient.is_running:
        yield Finding(
            level=WARN,
            what="levers",
            value=f"clemd was killed before it put back {left.in_words()} "
            f"of {left.card}",
            mend=f"start clemd, which puts it back, or as root: {left.by_hand()}",
        )
    thermal = patient.profile.thermal
    wishes = {
        "power_limit_w": thermal.power_limit_w,
        "lock_clocks_mhz": thermal.lock_clocks_mhz,
    }
    wanted = [name for name, wish in wishes.items() if wish is not None]
    if not wanted:
        return
    named = f"thermal.{' and thermal.'.join(wanted)}"
    missing = _missing_lever(patient.profile)
    if missing:
        yield Finding(
            level=WARN,
            what="levers",
            value=f"{named}: {missing}",
            mend="take it out of the profile, or name the card in thermal.sensor",
        )
    elif os.geteuid() != 0:
        yield Finding(
            level=WARN,
            what="levers",
            value=f"{named}: only root may set them",
            mend="take them out of the profile, or run the service as root",
        )


def _missing_lever(profile: Profile) -> str:
    """What the device lacks of the levers that the profile wants; empty if nothing."""
    try:
        sensor = _sensor_for(profile)
    except UsageError:  # said by the look at the sensor
        return ""
    if sensor is None:
        return "there is no card here that can be limited"
    as_found: object = sensor
    try:
        if not isinstance(as_found, LeverSensor):
            return f"{sensor.name} is of a device that cannot be limited"
        state = as_found.levers().look()
    except SensorLostError:  # said by the look at the sensor
        return ""
    finally:
        sensor.close()
    if profile.thermal.power_limit_w is not None and state.power_limit_w is None:
        return f"{sensor.name} has no power limit"
    return ""
