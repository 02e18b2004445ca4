"""Notice image files and say when each one is complete.

Kernel hints make it fast; a scan of our own, compared with the inventory, makes it
right. See `FolderWatch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._events import (
    ClosedAgain,
    Event,
    Noticed,
    Odd,
    RootChanged,
    RootStatus,
    Settled,
    Vanished,
)
from ._ignore import Ignore
from ._look import KnownFile, Look

if TYPE_CHECKING:
    from ._share import ShareRoot
    from ._watch import FolderWatch

__all__ = [
    "ClosedAgain",
    "Event",
    "FolderWatch",
    "Ignore",
    "KnownFile",
    "Look",
    "Noticed",
    "Odd",
    "RootChanged",
    "RootStatus",
    "Settled",
    "ShareRoot",
    "Vanished",
]


def __getattr__(name: str) -> object:
    # On first use only: the child that scans a share lives in this package, needs
    # nothing of it, and should start in no time and stay small.
    if name == "FolderWatch":
        from ._watch import FolderWatch

        return FolderWatch
    if name == "ShareRoot":
        from ._share import ShareRoot

        return ShareRoot
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
