"""When the device worked: what the pauses left of the time."""

from __future__ import annotations


class WorkLog:
    """Knows from starts, breaths and ends how long the device has been busy."""

    __slots__ = ("_banked_s", "_busy_from_s", "is_running", "longest_busy_s")

    def __init__(self) -> None:
        self._banked_s = 0.0
        self._busy_from_s: float | None = None
        self.is_running = False
        self.longest_busy_s = 0.2
        """Between two breathing points; grows at once and shrinks slowly."""

    def started(self, now_s: float) -> None:
        """A job has the device; it works from `resumed` on."""
        self._bank(now_s)
        self.is_running = True

    def breathed(self, now_s: float, busy_s: float) -> None:
        """A breathing point was reached after `busy_s` of work; it stands still."""
        self._bank(now_s)
        if busy_s > 0:
            self.longest_busy_s = max(busy_s, 0.995 * self.longest_busy_s)

    def resumed(self, now_s: float) -> None:
        """The job goes on."""
        if self.is_running:
            self._busy_from_s = now_s

    def ended(self, now_s: float) -> None:
        """The job is over, or has given the device back."""
        self._bank(now_s)
        self.is_running = False

    def busy_since_look_s(self, now_s: float) -> float:
        """Seconds of work since `take`."""
        going_s = 0.0 if self._busy_from_s is None else now_s - self._busy_from_s
        return self._banked_s + max(0.0, going_s)

    def take(self, now_s: float) -> float:
        """Seconds of work since the last call."""
        busy_s = self.busy_since_look_s(now_s)
        self._banked_s = 0.0
        if self._busy_from_s is not None:
            self._busy_from_s = now_s
        return busy_s

    def _bank(self, now_s: float) -> None:
        if self._busy_from_s is not None:
            self._banked_s += max(0.0, now_s - self._busy_from_s)
            self._busy_from_s = None
