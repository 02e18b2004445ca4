"""What a watch tells its owner."""

from __future__ import annotations

from dataclasses import dataclass

from ._look import Look


@dataclass(frozen=True, slots=True)
class RootStatus:
    """How one watched folder is doing."""

    root: str
    present: bool
    files: int
    """Regular files seen, those in the inventory included."""
    reason: str
    """Why it is away, in words; empty while present."""
    hints: str
    """`inotify`, `polling`, or `degraded: ...`."""
    last_scan_s: float | None
    """How long the last full scan took; None before the first."""
    oldest_waiting_s: float | None
    """How long the longest-waiting file has been incomplete; None: none waits."""
    scan_age_s: float | None = None
    """Seconds since the last full scan ended."""


@dataclass(frozen=True, slots=True)
class Noticed:
    """A file, or a change of one, was seen for the first time; it may still grow."""

    root: str
    relative: bytes
    look: Look


@dataclass(frozen=True, slots=True)
class Settled:
    """A version is complete as far as size, time and hints can say: read it."""

    root: str
    relative: bytes
    look: Look
    is_changed: bool
    """True: an earlier version of this name was settled before."""


@dataclass(frozen=True, slots=True)
class ClosedAgain:
    """A writer closed a version that was handed to reading before; it looks the same.

    Its bytes may be others: a program can put a file's time back after writing to it.
    """

    root: str
    relative: bytes
    look: Look


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that will never be an image: a link, a pipe, a closed folder."""

    root: str
    relative: bytes
    reason: str
    """One line: what it is and what to do."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """A file that was known or noticed is gone, while its root is present."""

    root: str
    relative: bytes


@dataclass(frozen=True, slots=True)
class RootChanged:
    """The root went away or came back, or its hints did."""

    status: RootStatus

    @property
    def root(self) -> str:
        """Name of the root, as in every other event."""
        return self.status.root


Event = Noticed | Settled | ClosedAgain | Odd | Vanished | RootChanged
