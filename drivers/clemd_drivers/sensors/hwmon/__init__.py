"""The CPU's own thermometer, as the kernel shows it."""

from ._hwmon import DRIVER, HwmonDriver, HwmonSensor, PsutilSensor

__all__ = ["DRIVER", "HwmonDriver", "HwmonSensor", "PsutilSensor"]
