"""Questions that a card may refuse: the answer, or None.

Laptops, old cards and virtual machines refuse most of them, and drivers differ in the
names they know. "Not supported" is everyday life here and never an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
_ALARMS = (
    ("nvmlClocksEventReasonHwSlowdown", "hardware slow-down"),
    ("nvmlClocksEventReasonSwThermalSlowdown", "software thermal slow-down"),
    ("nvmlClocksEventReasonHwThermalSlowdown", "hardware thermal slow-down"),
    ("nvmlClocksEventReasonHwPowerBrakeSlowdown", "power brake"),
)
"""Event reasons that mean trouble; the power cap is everyday life."""
_MIB = 1024 * 1024


class Answers:
    """One card's answers. `library` is the `pynvml` module, or answers like it."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def optional(self, name: str, *arguments: Any) -> Any:
        """What the card says to the function of that name, or None."""
        library = self._library
        ask = getattr(library, name, None)
        if ask is None:  # an older or newer nvidia-ml-py
            return None
        return self._quietly(lambda: ask(self._handle, *arguments))

    def alarms(self) -> tuple[str, ...]:
        """Why the clocks are lower than they could be, as far as it is trouble."""
        bits = self.optional("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:  # the name before driver 535
            bits = self.optional("nvmlDeviceGetCurrentClocksThrottleReasons")
        library, given = self._library, int(bits or 0)
        return tuple(word for name, word in _ALARMS if given & getattr(library, name))

    def slows_at_c(self, now_c: float) -> float | None:
        """Degrees at which the card slows itself, by the new way, else the old one.

        Cards from Ada on count down: a margin of 0 is the limit, and the offset (a
        negative number) lies beyond it. Their old thresholds may answer nonsense.
        """
        library = self._library
        margin = self.optional("nvmlDeviceGetMarginTemperature")
        offset = self.field(library.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT)
        if margin is not None and offset is not None:
            return float(now_c + margin - offset)
        limit = self.optional(
            "nvmlDeviceGetTemperatureThreshold",
            library.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN,
        )
        return float(limit) if limit else None

    def memory_c(self) -> float | None:
        """Of the memory; consumer cards do not tell it, and some say 0 instead."""
        value = self.field(self._library.NVML_FI_DEV_MEMORY_TEMP)
        return float(value) if value else None

    def field(self, field_id: int) -> float | None:
        """One field value, decoded by the type that comes with it."""
        values = self.optional("nvmlDeviceGetFieldValues", [field_id])
        if values is None or values[0].nvmlReturn != self._library.NVML_SUCCESS:
            return None
        return decode(self._library, values[0])

    def throttled_total_s(self) -> float | None:
        """Time slowed by heat since the driver was loaded."""
        violation = self.optional(
            "nvmlDeviceGetViolationStatus", self._library.NVML_PERF_POLICY_THERMAL
        )
        return None if violation is None else float(violation.violationTime) / 1e9

    def fan(self) -> float | None:
        """The slowest fan, 0..1; one that stands still among turning ones shows."""
        count = self.optional("nvmlDeviceGetNumFans")
        if count:
            speeds = [
                self.optional("nvmlDeviceGetFanSpeed_v2", i) for i in range(count)
            ]
            known = [speed for speed in speeds if speed is not None]
            if known:
                return float(min(known)) / 100
        speed = self.optional("nvmlDeviceGetFanSpeed")
        return None if speed is None else float(speed) / 100

    def other_memory_mb(self, ours: Iterable[int]) -> float | None:
        """Memory of other processes; None where the driver hides whose it is."""
        running = self.optional("nvmlDeviceGetComputeRunningProcesses")
        if running is None:
            return None
        own = {os.getpid(), *ours}
        sizes = [one.usedGpuMemory for one in running if one.pid not in own]
        if any(size is None for size in sizes):
            return None
        return float(sum(sizes)) / _MIB

    def free_memory_mb(self) -> float | None:
        """Memory that nobody holds."""
        memory = self.optional("nvmlDeviceGetMemoryInfo")
        return None if memory is None else float(memory.free) / _MIB

    def uncorrected_errors(self) -> int | None:
        """Memory errors since the driver was loaded; None without ECC."""
        library = self._library
        mode = self.optional("nvmlDeviceGetEccMode")
        if mode is None or mode[0] != library.NVML_FEATURE_ENABLED:
            return None
        found = self.optional(
            "nvmlDeviceGetTotalEccErrors",
            library.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            library.NVML_VOLATILE_ECC,
        )
        return None if found is None else int(found)

    def _quietly(self, ask: Callable[[], T]) -> T | None:
        try:
            return ask()
        except self._library.NVMLError:
            return None


def decode(library: Any, field: Any) -> float | None:
    """The number in a field value; None for a type that is not known."""
    members = {
        library.NVML_VALUE_TYPE_DOUBLE: "dVal",
        # a temperature limit below zero comes as either of the two
        library.NVML_VALUE_TYPE_UNSIGNED_INT: "siVal",
        library.NVML_VALUE_TYPE_SIGNED_INT: "siVal",
        library.NVML_VALUE_TYPE_UNSIGNED_LONG: "ulVal",
        library.NVML_VALUE_TYPE_UNSIGNED_LONG_LONG: "ullVal",
        library.NVML_VALUE_TYPE_SIGNED_LONG_LONG: "sllVal",
        library.NVML_VALUE_TYPE_UNSIGNED_SHORT: "usVal",
    }
    member = members.get(field.valueType)
    return None if member is None else float(getattr(field.value, member))
