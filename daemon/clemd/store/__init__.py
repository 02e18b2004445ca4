"""SQLite is the truth: the inventory, what was read, found and said."""

from ._connection import sqlite_finding
from ._errors import (
    DiskFullError,
    NoSuchRecordError,
    StoreBusyError,
    StoreDamagedError,
)
from ._rows import (
    FileRow,
    FrameRow,
    OutboxRow,
    PairRow,
    RegistrationRow,
    SessionRow,
    ThermalRow,
)
from ._store import Reader, Store

__all__ = [
    "DiskFullError",
    "FileRow",
    "FrameRow",
    "NoSuchRecordError",
    "OutboxRow",
    "PairRow",
    "Reader",
    "RegistrationRow",
    "SessionRow",
    "Store",
    "StoreBusyError",
    "StoreDamagedError",
    "ThermalRow",
    "sqlite_finding",
]
