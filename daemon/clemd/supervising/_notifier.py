"""Tell systemd how we are: one datagram per message, no library."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks the readiness protocol; silent where nobody listens.

    `address` is a path, or a name after `@` for a socket without a path; None = not
    started by systemd. A message that cannot be sent is False, never an exception: a
    daemon does not die of a deaf supervisor.
    """

    def __init__(
        self, address: str | None, *, watchdog_period_s: float | None = None
    ) -> None:
        self._address = address
        self.watchdog_period_s = watchdog_period_s
        """Ping at least this often; None = no watchdog is set."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Notifier:
        """The notifier that the service manager asked for."""
        given = os.environ if environment is None else environment
        return cls(
            given.get("NOTIFY_SOCKET") or None,
            watchdog_period_s=_watchdog_period_s(given),
        )

    def ready(self, status: str = "") -> bool:
        """Start-up has finished."""
        return self._send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for `systemctl status`."""
        return self._send(*_status(text))

    def watchdog(self) -> bool:
        """All is well; must come again within the watchdog's time."""
        return self._send("WATCHDOG=1")

    def stopping(self, status: str = "") -> bool:
        """Shutting down has begun."""
        return self._send("STOPPING=1", *_status(status))

    def extend_timeout(self, seconds: float) -> bool:
        """Ask for that much more time to start or stop."""
        return self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * 1e6)}")

    def _send(self, *lines: str) -> bool:
        if self._address is None or self._address[0] not in "@/":
            return False
        place = self._address
        if place[0] == "@":
            place = "\0" + place[1:]
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            with socket.socket(socket.AF_UNIX, kind) as line:
                line.sendto("\n".join(lines).encode(), place)
        except OSError:
            return False
        return True


def _status(text: str) -> tuple[str, ...]:
    # a line break would begin another assignment
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def _watchdog_period_s(given: Mapping[str, str]) -> float | None:
    """Half the time allowed, as systemd advises; None if it is not meant for us."""
    if given.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        allowed_us = int(given.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return allowed_us / 2e6 if allowed_us > 0 else None
