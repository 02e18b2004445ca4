"""GPU temperature, power and slow-downs, by NVIDIA's library.

Every value but the temperature is optional. A card that fell off the bus, or a driver
that was unloaded, is a lost sensor; the next read tries to open it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from clemd.driver_api import Sensor
from clemd.errors import SensorLostError
from clemd.model import ThermalReading

from ._answers import Answers
from ._events import XidEvents
from ._levers import NvmlLevers


class NvmlSensor:
    """One GPU. `library` is the `pynvml` module, or something that answers like it.

    Devices are counted as the driver counts them, which is how CUDA counts them when
    all cards are alike or CUDA_DEVICE_ORDER=PCI_BUS_ID. `own_pids` are the processes
    whose memory on the card is ours, beside this one.

    Raises:
        SensorLostError: there is no such GPU.
    """

    def __init__(
        self, library: Any, index: int, *, own_pids: Sequence[int] = ()
    ) -> None:
        self._library = library
        self._index = index
        self.own_pids = own_pids
        self._answers: Answers | None = None
        self._events: XidEvents | None = None
        self._is_open = False
        self._handle: Any = None
        self._limit_c: float | None = None
        self._throttled_s: float | None = None
        self._errors: int | None = None
        self.name = f"nvml:{index}"
        name = self._open().optional("nvmlDeviceGetName")
        if name:
            self.name += f" {name}"

    def read(self) -> ThermalReading:
        """Look once.

        Raises:
            SensorLostError: the GPU or its driver no longer answers.
        """
        answers = self._answers or self._open()
        temperature_c = self._temperature_c()
        if self._limit_c is None:  # asked once: it is a constant that jitters by 1 °C
            self._limit_c = answers.slows_at_c(temperature_c)
        power_mw = answers.optional("nvmlDeviceGetPowerUsage")
        cap_mw = answers.optional("nvmlDeviceGetEnforcedPowerLimit")
        use = answers.optional("nvmlDeviceGetUtilizationRates")
        throttled_s = answers.throttled_total_s()
        return ThermalReading(
            sensor=self.name,
            device=f"cuda:{self._index}",
            temperature_c=temperature_c,
            limit_c=self._limit_c,
            power_w=None if power_mw is None else power_mw / 1000,
            throttle_reasons=self._reasons(answers, throttled_s),
            utilisation=None if use is None else use.gpu / 100,
            memory_temperature_c=answers.memory_c(),
            power_limit_w=None if cap_mw is None else cap_mw / 1000,
            fan=answers.fan(),
            throttled_total_s=throttled_s,
            other_memory_mb=answers.other_memory_mb(self.own_pids),
            free_memory_mb=answers.free_memory_mb(),
            faults=self._faults(answers),
        )

    def levers(self) -> NvmlLevers:
        """Its power limit and its clock."""
        return NvmlLevers(self._library, self._index)

    def close(self) -> None:
        """Let go of the driver."""
        self._forget()

    def _temperature_c(self) -> float:
        library = self._library
        try:
            value = library.nvmlDeviceGetTemperature(
                self._handle, library.NVML_TEMPERATURE_GPU
            )
        except library.NVMLError as failed:
            self._forget()
            raise SensorLostError(f"{self.name}: {failed}") from failed
        return float(value)

    def _reasons(self, answers: Answers, total_s: float | None) -> tuple[str, ...]:
        """Why it is slowed now, or was since the last look."""
        reasons, before_s = answers.alarms(), self._throttled_s
        self._throttled_s = total_s
        grew = total_s is not None and before_s is not None and total_s > before_s
        if grew and not any("thermal" in reason for reason in reasons):
            reasons += ("thermal slow-down since the last look",)
        return reasons

    def _faults(self, answers: Answers) -> tuple[str, ...]:
        faults = () if self._events is None else self._events.take()
        before, self._errors = self._errors, answers.uncorrected_errors()
        if self._errors is not None and before is not None and self._errors > before:
            faults += (f"{self._errors - before} uncorrected memory errors",)
        return faults

    def _open(self) -> Answers:
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
        self._answers = Answers(library, self._handle)
        self._events = XidEvents(library, self._handle)
        self._limit_c = self._throttled_s = self._errors = (
            None  # a new driver counts from zero
        )
        return self._answers

    def _forget(self) -> None:
        self._answers = None
        if self._events is not None:
            self._events.close()
            self._events = None
        if not self._is_open:
            return  # the library counts: one close too many closes it for others
        self._is_open = False
        with suppress(self._library.NVMLError):
            self._library.nvmlShutdown()


class NvmlDriver:
    """Finds NVIDIA GPUs."""

    name = "nvml"
    priority = 10
    is_numbered = True
    mend = "install NVIDIA's driver, until nvidia-smi lists the card"

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
