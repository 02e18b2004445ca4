"""A durable queue: leases with fencing epochs, and outputs that are whole or absent."""

from ._atomic import atomic_write, clean_leftovers
from ._executor import (
    Executor,
    LocalExecutor,
    WorkerDiskFullError,
    WorkerFailedError,
    WorkerLostError,
)
from ._owner import boot_id, boottime_s, owner_is_alive, owner_name
from ._queue import JobQueue
from ._rows import STATES, JobRow, Lease

__all__ = [
    "STATES",
    "Executor",
    "JobQueue",
    "JobRow",
    "Lease",
    "LocalExecutor",
    "WorkerDiskFullError",
    "WorkerFailedError",
    "WorkerLostError",
    "atomic_write",
    "boot_id",
    "boottime_s",
    "clean_leftovers",
    "owner_is_alive",
    "owner_name",
]
