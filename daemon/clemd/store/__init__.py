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
    DecisionRow,
    FileRow,
    FrameRow,
    JobSpan,
    LinkRow,
    OutboxRow,
    PairRow,
    PredictionRow,
    RegistrationRow,
    SessionRow,
    ThermalRow,
    TransformEventRow,
    TransformRow,
)
from ._store import Reader, Store

__all__ = [
    "REMOTE_TYPES",
    "DecisionRow",
    "DiskFullError",
    "FileRow",
    "FrameRow",
    "JobSpan",
    "LinkRow",
    "NoSuchRecordError",
    "OutboxRow",
    "PairRow",
    "PredictionRow",
    "Reader",
    "RegistrationRow",
    "SessionRow",
    "Store",
    "StoreBusyError",
    "StoreDamagedError",
    "ThermalRow",
    "TransformEventRow",
    "TransformRow",
    "filesystem_type",
    "sqlite_finding",
]
