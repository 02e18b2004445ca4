"""A durable queue: leases with fencing epochs, and outputs that are whole or absent."""

from ._atomic import atomic_write, clean_leftovers
from ._executor import (
    Executor,
    Gate,
    LocalExecutor,
    WorkerDiskFullError,
    WorkerFailedError,
    WorkerLostError,
    WorkerStoppedError,
    WorkerWrongError,
    open_gate,
)
from ._owner import boot_id, boottime_s, owner_is_alive, owner_name
from ._queue import JobQueue
from ._rows import STATES, UNFINISHED, JobRow, Lease

__all__ = [
    "STATES",
    "UNFINISHED",
    "Executor",
    "Gate",
    "JobQueue",
    "JobRow",
    "Lease",
    "LocalExecutor",
    "WorkerDiskFullError",
    "WorkerFailedError",
    "WorkerLostError",
    "WorkerStoppedError",
    "WorkerWrongError",
    "atomic_write",
    "boot_id",
    "boottime_s",
    "clean_leftovers",
    "open_gate",
    "owner_is_alive",
    "owner_name",
]
