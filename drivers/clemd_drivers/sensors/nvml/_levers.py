"""A card's power limit and clock, set and given back by NVIDIA's library.

Setting needs the rights of root. The library counts who uses it, so each action opens
it for itself: a driver that was exchanged meanwhile is no matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from clemd.errors import LeverRefusedError, SensorLostError
from clemd.model import LeverState

_REFUSALS = (
    ("NVML_ERROR_NO_PERMISSION", "clemd has no right to set it, only root has"),
    ("NVML_ERROR_NOT_SUPPORTED", "the card does not let it be set"),
    ("NVML_ERROR_FUNCTION_NOT_FOUND", "the driver is too old for it"),
    ("NVML_ERROR_INVALID_ARGUMENT", "the card does not take this value"),
)
"""What a card may answer instead; whatever else it says, it is lost."""


class NvmlLevers:
    """One GPU's. `library` is the `pynvml` module, or what answers like it."""

    def __init__(self, library: Any, index: int) -> None:
        self._library, self._index = library, index

    def look(self) -> LeverState:
        """What is set now.

        Raises:
            SensorLostError: the GPU or its driver no longer answers.
        """
        library = self._library
        with self._card("the GPU") as card:
            name = str(library.nvmlDeviceGetUUID(card))
            limit_mw = range_mw = None
            with suppress(library.NVMLError):
                limit_mw = library.nvmlDeviceGetPowerManagementLimit(card)
                range_mw = library.nvmlDeviceGetPowerManagementLimitConstraints(card)
        return LeverState(
            card=name,
            power_limit_w=None if limit_mw is None else limit_mw / 1000,
            least_power_w=None if range_mw is None else range_mw[0] / 1000,
        )

    def set_power_limit(self, watts: float) -> None:
        """Let the card draw no more than this.

        Raises:
            LeverRefusedError: no rights, no such lever, or not this value.
            SensorLostError: the GPU or its driver no longer answers.
        """
        with self._card("power limit") as card:
            self._library.nvmlDeviceSetPowerManagementLimit(card, round(1000 * watts))

    def lock_clocks(self, least_mhz: int, most_mhz: int) -> None:
        """Keep the graphics clock between the two.

        Raises:
            LeverRefusedError, SensorLostError: as for the power limit.
        """
        with self._card("clock lock") as card:
            self._library.nvmlDeviceSetGpuLockedClocks(card, least_mhz, most_mhz)

    def free_clocks(self) -> None:
        """The clock is the card's own again.

        Raises:
            LeverRefusedError, SensorLostError: as for the power limit.
        """
        with self._card("clock lock") as card:
            self._library.nvmlDeviceResetGpuLockedClocks(card)

    @contextmanager
    def _card(self, what: str) -> Iterator[Any]:
        library = self._library
        where = f"nvml:{self._index}"
        try:
            library.nvmlInit()
        except library.NVMLError as failed:
            raise SensorLostError(f"{where}: {failed}") from failed
        try:
            yield library.nvmlDeviceGetHandleByIndex(self._index)
        except library.NVMLError as failed:
            for name, words in _REFUSALS:
                if failed.value == getattr(library, name):
                    raise LeverRefusedError(f"{what} of {where}: {words}") from failed
            raise SensorLostError(f"{where}: {failed}") from failed
        finally:
            with suppress(library.NVMLError):
                library.nvmlShutdown()
