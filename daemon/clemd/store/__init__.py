"""SQLite is the truth: the inventory, what was read, found and said."""

from ._connection import sqlite_finding
from ._errors import (
    DiskFullError,
    NoSuchRecordError,
    StoreBusyError,
    StoreDamagedError,
)
from ._mounts import REMOTE_TYPES, filesystem_type
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
    "REMOTE_TYPES",
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
    "filesystem_type",
    "sqlite_finding",
]
