"""Suites that every driver inherits; for tests only, needs pytest."""

from clemd.bench.pretend_device import MixedDevicesError, PretendDevice

from ._engine_suite import EngineSuite
from ._format_suite import FormatDriverSuite, GoodFile, read_all

__all__ = [
    "EngineSuite",
    "FormatDriverSuite",
    "GoodFile",
    "MixedDevicesError",
    "PretendDevice",
    "read_all",
]
