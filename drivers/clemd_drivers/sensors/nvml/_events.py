"""Xid events: what the driver reports about the card's own failures."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

_WORDS = {
    13: "graphics engine exception",
    31: "memory page fault",
    48: "double-bit memory error",
    63: "memory row remapped or page retired",
    64: "memory page could not be retired",
    74: "NVLink error",
    79: "the GPU has fallen off the bus",
    92: "many single-bit memory errors",
    94: "contained memory error",
    95: "uncontained memory error",
}
"""The common ones; any other is told by its number."""
_MOST = 16
"""Read at one look; a card that fails again and again must not hold us."""


class XidEvents:
    """Listens to one card; silent where the system offers no events."""

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._set: Any = None
        try:
            self._set = library.nvmlEventSetCreate()
            library.nvmlDeviceRegisterEvents(
                handle, library.nvmlEventTypeXidCriticalError, self._set
            )
        except library.NVMLError:
            self.close()

    def take(self) -> tuple[str, ...]:
        """What came since the last call, in words; never waits."""
        found: list[str] = []
        while self._set is not None and len(found) < _MOST:
            try:
                event = self._library.nvmlEventSetWait_v2(self._set, 0)
            except self._library.NVMLError as ended:
                if ended.value != self._library.NVML_ERROR_TIMEOUT:
                    self.close()
                break
            found.append(xid_in_words(int(event.eventData)))
        return tuple(found)

    def close(self) -> None:
        """Listen no longer."""
        if self._set is not None:
            with suppress(self._library.NVMLError):
                self._library.nvmlEventSetFree(self._set)
        self._set = None


def xid_in_words(number: int) -> str:
    """e.g. `Xid 79: the GPU has fallen off the bus`."""
    words = _WORDS.get(number)
    return f"Xid {number}: {words}" if words else f"Xid {number}"
