"""NVIDIA GPUs through the driver's own library."""

from ._nvml import DRIVER, NvmlDriver, NvmlSensor

__all__ = ["DRIVER", "NvmlDriver", "NvmlSensor"]
