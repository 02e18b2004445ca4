"""GPU temperature, power and slow-downs, read-only, by NVIDIA's library.

Every value but the temperature is optional: a card that does not offer one says
"not supported", which here is None and never an error. A card that fell off the bus,
or a driver that was unloaded, is a lost sensor; the next read tries to open it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from clemd.driver_api import Sensor
from clemd.errors import SensorLostError
from clemd.model import ThermalReading

T = TypeVar("T")
_ALARMS = {
    0x08: "hardware slow-down",
    0x20: "software thermal slow-down",
    0x40: "hardware thermal slow-down",
    0x80: "power brake",
}
"""Event reasons that mean trouble; the power cap (0x4) is everyday life."""


class NvmlSensor:
    """One GPU. `library` is the `pynvml` module, or something that answers like it.

    Devices are counted as the driver counts them, which is how CUDA counts them when
    all cards are alike or CUDA_DEVICE_ORDER=PCI_BUS_ID.

    Raises:
        SensorLostError: there is no such GPU.
    """

    def __init__(self, library: Any, index: int) -> None:
        self._library = library
        self._index = index
        self._handle: Any = None
        self._is_open = False
        self._limit_c: float | None = None
        self.name = f"nvml:{index}"
        self._open()
        name = self._optional(lambda: library.nvmlDeviceGetName(self._handle))
        if name:
            self.name += f" {name}"

    def read(self) -> ThermalReading:
        """Look once.

        Raises:
            SensorLostError: the GPU or its driver no longer answers.
        """
        if self._handle is None:
            self._open()
        library, handle = self._library, self._handle
        try:
            temperature_c = library.nvmlDeviceGetTemperature(
                handle, library.NVML_TEMPERATURE_GPU
            )
        except library.NVMLError as failed:
            self._forget()
            raise SensorLostError(f"{self.name}: {failed}") from failed
        power_mw = self._optional(lambda: library.nvmlDeviceGetPowerUsage(handle))
        use = self._optional(lambda: library.nvmlDeviceGetUtilizationRates(handle))
        return ThermalReading(
            sensor=self.name,
            device=f"cuda:{self._index}",
            temperature_c=float(temperature_c),
            limit_c=self._limit_c,
            power_w=None if power_mw is None else power_mw / 1000,
            throttle_reasons=self._alarms(),
            utilisation=None if use is None else use.gpu / 100,
        )

    def close(self) -> None:
        """Let go of the driver."""
        self._forget()

    def _open(self) -> None:
        library = self._library
        try:
            library.nvmlInit()
        except library.NVMLError as failed:
            raise SensorLostError(f"{self.name}: {failed}") from failed
        self._is_open = True
        try:
            self._handle = library.nvmlDeviceGetHandleByIndex(self._index)
        except library.NVMLError as failed:
            self._forget()
            raise SensorLostError(f"{self.name}: {failed}") from failed
        self._limit_c = self._find_limit()

    def _forget(self) -> None:
        self._handle = None
        if not self._is_open:
            return  # the library counts: one close too many closes it for others
        self._is_open = False
        with suppress(self._library.NVMLError):
            self._library.nvmlShutdown()

    def _alarms(self) -> tuple[str, ...]:
        library, handle = self._library, self._handle
        bits = self._optional(
            lambda: library.nvmlDeviceGetCurrentClocksEventReasons(handle)
        )
        if bits is None:  # the name before driver 535
            bits = self._optional(
                lambda: library.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
            )
        return tuple(word for bit, word in _ALARMS.items() if (bits or 0) & bit)

    def _find_limit(self) -> float | None:
        """Degrees at which the card slows itself, by the new way, else the old one."""
        library, handle = self._library, self._handle
        margin = self._optional(lambda: library.nvmlDeviceGetMarginTemperature(handle))
        offset = self._field(library.NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT)
        if margin is not None and offset is not None:
            # newer cards count down: margin 0 is the limit, `offset` lies beyond it
            now = self._optional(
                lambda: library.nvmlDeviceGetTemperature(
                    handle, library.NVML_TEMPERATURE_GPU
                )
            )
            return None if now is None else float(now + margin - offset)
        slowdown = library.NVML_TEMPERATURE_THRESHOLD_SLOWDOWN
        limit = self._optional(
            lambda: library.nvmlDeviceGetTemperatureThreshold(handle, slowdown)
        )
        return float(limit) if limit else None

    def _field(self, field_id: int) -> int | None:
        values = self._optional(
            lambda: self._library.nvmlDeviceGetFieldValues(self._handle, [field_id])
        )
        if values is None or values[0].nvmlReturn != 0:
            return None
        return int(values[0].value.siVal)

    def _optional(self, ask: Callable[[], T]) -> T | None:
        """What the card answers, or None where it does not offer the value."""
        try:
            return ask()
        except self._library.NVMLError:
            return None


class NvmlDriver:
    """Finds NVIDIA GPUs."""

    name = "nvml"
    priority = 10

    def discover(self) -> Sequence[Sensor]:
        """One sensor per GPU; empty without a card, a driver, or its library."""
        # imported here: a machine without NVIDIA's card needs none of it
        import pynvml

        return find_gpus(pynvml)


def find_gpus(library: Any) -> list[Sensor]:
    """A sensor for each GPU that answers."""
    try:
        library.nvmlInit()
    except library.NVMLError:
        return []
    try:
        count = library.nvmlDeviceGetCount()
    except library.NVMLError:
        count = 0
    finally:
        with suppress(library.NVMLError):
            library.nvmlShutdown()
    sensors: list[Sensor] = []
    for index in range(count):
        with suppress(SensorLostError):
            sensors.append(NvmlSensor(library, index))
    return sensors


DRIVER = NvmlDriver()
